// A real Next app, mounted by an INI beside a plain handler. It is too heavy to be one of our packages (340 MB, half a minute):
// with CI=true it is installed here, elsewhere these tests are skipped unless somebody ran `npm ci` in its folder.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT, type Served, serveFile } from '../support/cli.js'

const execute = promisify(execFile)

const FIXTURE = join(ROOT, 'test/fixtures/next')
const isThere = existsSync(join(FIXTURE, 'node_modules/next'))
const isSkipped = !isThere && process.env.CI !== 'true'
const why = isSkipped ? ' (not installed: npm ci in test/fixtures/next)' : ''

/** Time for npm and Next's compiler on a busy machine, in milliseconds. */
const PATIENCE = 300_000

describe.skipIf(isSkipped)(`Next${why}`, () => {
  let directory: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sessd-next-'))
    await cp(FIXTURE, directory, { recursive: true, verbatimSymlinks: true })
    if (!isThere)
      await succeed('npm', 'ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund')
    const sessd = join(directory, 'node_modules/sessd')
    await cp(join(ROOT, 'dist'), join(sessd, 'dist'), { recursive: true })
    await cp(join(ROOT, 'package.json'), join(sessd, 'package.json'))
    await succeed(process.execPath, 'node_modules/next/dist/bin/next', 'build')
  }, PATIENCE)

  afterAll(() => rm(directory, { recursive: true, force: true }))

  const succeed = (command: string, ...args: string[]) =>
    execute(command, args, {
      cwd: directory,
      env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' },
    })

  const serve = (): Promise<Served> => serveFile(join(directory, 'site.ini'))

  test('pages, API routes and the app router share one session with the handler beside', async () => {
    const visitor = (await serve()).visitor()
    const shown = async (path: string) => (await visitor.get(path)).replace(/^.*<p>|<\/p>.*$/gs, '')
    expect(await visitor.get('/next/api/count')).toBe('1')
    expect(visitor.setCookies).toHaveLength(1)
    expect(await shown('/next/shown?x=1')).toBe('2 /shown?x=1')
    expect(await shown('/next/here')).toBe('3')
    expect(await visitor.get('/next/api/context')).toBe('4')
    expect(await visitor.get('/count')).toBe('5')
    expect([...visitor.jar.keys()]).toEqual(['beaker.session.id'])
    const posted = await visitor.get('/next/api/context', { method: 'POST', body: '{"name":"ann"}' })
    expect(posted).toBe('{"name":"ann"}')
  })

  test('redirects below its basePath, takes uploads, streams, fails, and misses with its own pages', async () => {
    const { url, visitor } = await serve()
    const v = visitor()
    const away = await v.fetch('/next/shown?away=1')
    expect([away.status, away.headers.get('location')]).toEqual([307, '/next/shown'])
    const body = Buffer.alloc(10 * 1024 ** 2, 'x')
    expect(await (await v.fetch('/next/api/upload', { method: 'POST', body })).text()).toBe(
      String(body.length),
    )
    const reader = (await fetch(`${url}/next/api/stream`))
      .body!.pipeThrough(new TextDecoderStream())
      .getReader()
    expect((await reader.read()).value).toBe('first\n')
    await v.fetch('/next/api/stream', { method: 'POST' })
    expect((await reader.read()).value).toBe('second\n')
    expect((await v.fetch('/next/shown?fail=1')).status).toBe(500)
    const missing = await v.fetch('/next/nowhere')
    expect([missing.status, await missing.text()]).toEqual([
      404,
      expect.stringContaining('could not be found'),
    ])
  })

  test('is closed on shutdown', async () => {
    const { visitor, stop } = await serve()
    await visitor().get('/next/api/count')
    const { code, stderr } = await stop()
    expect([code, stderr]).toEqual([0, expect.stringContaining('next is closed\n')])
  })
})
