// The package fs-ext, compiled: `npm ci` installs it without, so that nobody needs a compiler for the other tests.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, test } from 'vitest'

const require = createRequire(import.meta.url)

/** Describes tests that need fs-ext. Where it can't be compiled they are skipped, and fail with CI=true. */
export function describeWithFsExt(title: string, body: () => void): void {
  const trouble = buildFsExt()
  if (trouble === undefined) describe(title, body)
  else if (process.env.CI !== 'true') describe.skip(`${title} (fs-ext can't be compiled here)`, body)
  else {
    test(title, () => {
      throw new Error(`these tests need the package fs-ext, compiled with g++, make and python3:\n${trouble}`)
    })
  }
}

/** Compiles it unless it is; answers what the compiler complained of. */
function buildFsExt(): string | undefined {
  if (loads()) return undefined
  let directory: string
  try {
    directory = dirname(require.resolve('fs-ext/package.json'))
  } catch {
    return 'it is not installed'
  }
  // Apart, and put in its place in one step: other tests may load it meanwhile.
  const copy = mkdtempSync(`${directory}-`)
  try {
    rmSync(join(directory, 'build'), { recursive: true, force: true })
    cpSync(directory, copy, { recursive: true })
    const prefix = dirname(dirname(process.execPath))
    const hasHeaders = existsSync(join(prefix, 'include', 'node', 'node.h'))
    const env = { ...process.env, ...(hasHeaders && { npm_config_nodedir: prefix }) }
    // `npm rebuild` would do nothing, because package.json declines.
    const { status, stderr } = spawnSync('npm', ['run', 'install'], { cwd: copy, env, encoding: 'utf8' })
    if (status !== 0) return stderr
    renameSync(join(copy, 'build'), join(directory, 'build'))
    return loads() ? undefined : 'it was compiled, and does not load'
  } catch (error) {
    // Another test file was faster.
    if (loads()) return undefined
    throw error
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function loads(): boolean {
  try {
    require('fs-ext')
    return true
  } catch {
    return false
  }
}
