// The package as npm would publish it: what is in it, and whether it works where nothing else is.

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT } from '../support/cli.js'

/** Time for npm, the compiler and a busy machine, in milliseconds. */
const PATIENCE = 120_000

const EXAMPLE = 'node_modules/sessd/examples/composite.ini'

let directory: string
let project: string
let tarball: string
let files: string[]

/** `dist` is built by `npm test`, so packing runs no scripts: a build in the middle of tests would disturb the others. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sessd-package-'))
  const packed = await npm(ROOT, 'pack', '--ignore-scripts', '--json', '--pack-destination', directory)
  const [report] = JSON.parse(packed) as [{ filename: string; files: { path: string }[] }]
  tarball = join(directory, report.filename)
  files = report.files.map(({ path }) => path)
  project = join(directory, 'project')
  await mkdir(project)
  await writeFile(join(project, 'package.json'), '{ "private": true }\n')
  await npm(project, 'install', '--prefer-offline', tarball)
}, PATIENCE)

afterAll(() => rm(directory, { recursive: true, force: true }))

test('it holds what users need and nothing else', () => {
  expect(files).toEqual(
    expect.arrayContaining([
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
      'package.json',
      'bin/sessd.js',
      'dist/index.js',
      'dist/index.d.ts',
      'examples/composite.ini',
      'examples/composite/home.js',
    ]),
  )
  const expected =
    /^(LICENSE|(README|CHANGELOG)\.md|package\.json|bin\/sessd\.js|dist\/.+\.(js|d\.ts)|docs\/.+\.md|examples\/(?!data\/).+)$/
  expect(files.filter((path) => !expected.test(path))).toEqual([])
})

test('every file that package.json promises is in it', async () => {
  const { exports, bin } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, string | Record<string, string>>
    bin: Record<string, string>
  }
  const promised = [...Object.values(exports), bin].flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  )
  // A `*` stands for the name of any one file.
  const pattern = (path: string) =>
    new RegExp(`^${path.replace(/^\.\//, '').replaceAll('.', '\\.').replace('*', '[^/]+')}$`)
  expect(promised.filter((path) => !files.some((file) => pattern(path).test(file)))).toEqual([])
})

test('what the bundler of an app takes in leads to no package that may not be there, and not to the command line', async () => {
  const small = ['context', 'express', 'fastify', 'hono', 'koa', 'stores/memory']
  for (const door of small) expect(packagesOf(await reachedFrom(door))).toEqual([])
  for (const door of [
    'session',
    'testing',
    ...['chain', 'database', 'file', 'redis'].map((name) => `stores/${name}`),
  ])
    expect(await reachedFrom(door)).not.toContain('parts/start.js')
  expect(packagesOf(await reachedFrom('stores/file'))).toEqual(['fs-ext'])
  expect(packagesOf(await reachedFrom('.'))).toEqual(
    expect.arrayContaining(['@redis/client', 'commander', 'cookie', 'fs-ext', 'ini', 'pg', 'serve-static']),
  )
})

test('publint finds nothing to say', { timeout: PATIENCE }, async () => {
  expect(await npx(ROOT, 'publint', 'run', tarball, '--strict')).toMatch(/^All good!$/m)
})

test('its types are found by whoever imports it', { timeout: PATIENCE }, async () => {
  const report = await npx(ROOT, 'attw', tarball, '--profile', 'esm-only', '--format', 'json')
  expect(JSON.parse(report)).toMatchObject({ analysis: { packageName: 'sessd' } })
})

test('installed in an empty directory, the command checks a file that it made, and the example', async () => {
  await npx(project, 'sessd', 'make-config', 'composite', 'app.ini')
  for (const file of ['app.ini', EXAMPLE]) {
    expect(await npx(project, 'sessd', 'check', '--json', file)).toMatch(/"ok": true/)
  }
})

test('installed in an empty directory, its doors open', async () => {
  const program = `
    import { beakerSession, getSession, loadApp } from 'sessd'
    import { createLoader } from 'sessd/loader'
    import { memoryStore } from 'sessd/session'
    const app = await loadApp('config:${EXAMPLE}', { relativeTo: process.cwd() })
    await app.close()
    console.log([beakerSession, getSession, createLoader, memoryStore].map((each) => typeof each).join())
  `
  await writeFile(join(project, 'program.mjs'), program)
  expect(await execute(process.execPath, ['program.mjs'], project)).toBe(
    'function,function,function,function\n',
  )
})

test('its types compile where nothing is skipped', { timeout: PATIENCE }, async () => {
  const program = `
    import { createServer } from 'node:http'
    import { type App, beakerSession, getSession } from 'sessd'
    import { createLoader } from 'sessd/loader'
    import { memoryStore } from 'sessd/session'
    const app: App = async (req, res) => {
      const session = await getSession<{ n: number }>(req)
      res.end(String(session.update('n', (n = 0) => n + 1)))
    }
    createServer(beakerSession({ secret: 'long-enough-to-sign', store: memoryStore() })(app))
    createLoader()
  `
  await writeFile(join(project, 'program.mts'), program)
  const types = join(ROOT, 'node_modules/@types')
  const strict = ['--ignoreConfig', '--strict', '--module', 'nodenext', '--target', 'es2023', '--noEmit']
  await npx(ROOT, 'tsc', ...strict, '--types', 'node', '--typeRoots', types, join(project, 'program.mts'))
})

/** The files in dist/ and the packages that importing a door of the package leads to, at once or later. */
async function reachedFrom(door: string): Promise<string[]> {
  const reached = new Set<string>()
  const visit = async (file: string) => {
    const text = await readFile(join(ROOT, 'dist', file), 'utf8')
    const found = text.matchAll(
      /^(?:import|export)\b[^;]*?["']([^"']+)["'];$|\bimport\("([^"]+)"\)|(?:\brequire|import\.meta\.url\))\("([^"]+)"\)/gm,
    )
    for (const [, now, later, required] of found) {
      const target = now ?? later ?? required!
      const next = target.startsWith('.') ? posix.join(posix.dirname(file), target) : target
      if (reached.has(next)) continue
      reached.add(next)
      if (target.startsWith('.')) await visit(next)
    }
  }
  await visit(fileURLToPath(import.meta.resolve(posix.join('sessd', door))).slice(join(ROOT, 'dist/').length))
  return [...reached].sort()
}

const packagesOf = (reached: readonly string[]) => reached.filter((name) => !/^node:|\.js$/.test(name))

const npm = (cwd: string, ...args: string[]) => execute('npm', args, cwd)
const npx = (cwd: string, ...args: string[]) => execute('npx', ['--no-install', ...args], cwd)

/** What a program prints. Rejects with all that it said when it ends with another code than 0. */
async function execute(program: string, args: string[], cwd: string): Promise<string> {
  const env = { ...process.env, NO_COLOR: '1', npm_config_audit: 'false', npm_config_fund: 'false' }
  try {
    return (await promisify(execFile)(program, args, { cwd, env })).stdout
  } catch (error) {
    const { message, stdout } = error as Error & { stdout?: string }
    throw new Error(`${message}\n${stdout ?? ''}`, { cause: error })
  }
}
