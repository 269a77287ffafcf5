import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { builtins, optionTables } from '../../src/builtins.js'
import { run } from '../support/main.js'

const SRC = join(import.meta.dirname, '../../src')

describe('sessd options', () => {
  test('knows every part that has settings, and [logging]', async () => {
    const names = new Set(Object.values(builtins).flatMap((egg) => Object.values(egg).flatMap(Object.keys)))
    const found: string[] = ['logging']
    for (const name of names) {
      const file = ['apps', 'filters', 'servers']
        .map((folder) => `${SRC}/${folder}/${name}.ts`)
        .find(existsSync)
      if (file === undefined) continue
      const { options } = (await import(file)) as { options?: object }
      if (options !== undefined) found.push(name)
    }
    expect(Object.keys(optionTables).sort()).toEqual(found.sort())
    expect((await run(['options'])).stdout).toBe(`${found.sort().join('\n')}\n`)
  })

  test('tells of each setting its default, what it does and what it takes', async () => {
    const { code, stdout } = await run(['options', 'egg:Paste#http'])
    expect(code).toBe(0)
    expect(stdout).toContain(
      'graceful_timeout = 30\n    How long running requests may go on when the server is closed.\n' +
        '    a time of at least 0 seconds as in 90, 90s, 30m, 12h or 7d\n',
    )
    expect(stdout).toMatch(/\nTaken and ignored: threads, .*expose_tracebacks\n$/)
  })

  test('tells programs the same', async () => {
    const table = JSON.parse((await run(['options', 'http', '--json'])).stdout) as Record<string, unknown>
    expect(table.graceful_timeout).toEqual({
      takes: 'a time of at least 0 seconds as in 90, 90s, 30m, 12h or 7d',
      default: 30,
      unit: 'seconds',
      doc: 'How long running requests may go on when the server is closed.',
    })
  })

  test('without a part, tells programs and pages of all parts', async () => {
    const names = (await run(['options'])).stdout.trimEnd().split('\n')
    const all = JSON.parse((await run(['options', '--json'])).stdout) as Record<string, unknown>
    expect(Object.keys(all)).toEqual(names)
    expect(all.gzip).toEqual(JSON.parse((await run(['options', 'gzip', '--json'])).stdout))
    const page = (await run(['options', '--md'])).stdout
    expect(page.match(/^# .*$/gm)).toEqual(names.map((name) => `# ${name}`))
    expect(page).toContain(`# gzip\n\n${(await run(['options', 'gzip', '--md'])).stdout}`)
  })

  test('shows defaults as they would stand in a file', async () => {
    expect((await run(['options', 'http'])).stdout).toContain('unix_socket_perms = 600\n')
    expect((await run(['options', 'gzip'])).stdout).toContain('encodings = zstd br gzip\n')
    expect((await run(['options', 'gzip', '--md'])).stdout).toContain('| `zstd br gzip` |')
  })

  test('prints the page that is in the documentation', async () => {
    expect((await run(['options', 'proxy', '--md'])).stdout).toMatch(/^\| setting \| takes \| default \|.*\n/)
  })

  test('suggests the part that was meant', async () => {
    expect(await run(['options', 'htp'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: no part "htp" has settings. Did you mean "http"?\nTry: sessd options --help\n',
    })
  })
})
