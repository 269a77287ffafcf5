// The example as it stands, by plain HTTP: one session in front of a page, an API and a proxied server.

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT, run, serveFile, sessd } from '../support/cli.js'
import type { Visitor } from '../support/site.js'

const EXAMPLE = 'examples/composite.ini'

test('a log-in at / is seen at /servicebroker, and both count in one session', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()

  await submit(visitor, '/login', { name: 'Ada' })
  expect(await visitor.get('/')).toContain('<h1>Hello, Ada</h1>')
  expect(await broker(visitor)).toEqual({ user: 'Ada', count: 0 })

  await submit(visitor, '/count')
  await visitor.fetch('/servicebroker/count', { method: 'POST' })
  await submit(visitor, '/count')
  expect(await broker(visitor)).toEqual({ user: 'Ada', count: 3 })
  expect(await visitor.get('/')).toContain('<output id="count">3</output>')
})

test('a log-out at / is a log-out everywhere, also for a copy of the old cookie', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  await submit(visitor, '/login', { name: 'Ada' })
  const thief = visitor.clone()
  expect(await broker(thief)).toEqual({ user: 'Ada', count: 0 })

  await submit(visitor, '/logout')
  expect(visitor.jar.size).toBe(0)
  for (const somebody of [visitor, thief]) {
    expect(await broker(somebody)).toEqual({ user: null, count: 0 })
    expect(await somebody.get('/')).toContain('Log in')
  }
})

test('logging in gives a new id: the one from before is worth nothing', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  await visitor.get('/')
  const planted = visitor.clone()
  await submit(visitor, '/login', { name: 'Ada' })
  expect(visitor.cookie).not.toBe(planted.cookie)
  expect(await broker(planted)).toEqual({ user: null, count: 0 })
})

test('what was counted before the log-in is kept', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  await submit(visitor, '/count')
  await submit(visitor, '/login', { name: 'Ada' })
  expect(await broker(visitor)).toEqual({ user: 'Ada', count: 1 })
})

test('many requests at once lose no count', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  const token = await tokenOf(visitor)
  const body = new URLSearchParams({ token })
  await Promise.all(
    Array.from({ length: 20 }, (_, nth) =>
      nth % 2 === 0
        ? visitor.fetch('/servicebroker/count', { method: 'POST' })
        : visitor.fetch('/count', { method: 'POST', body }),
    ),
  )
  expect(await broker(visitor)).toEqual({ user: null, count: 20 })
})

test('a message waits for one page and no longer', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  await submit(visitor, '/login', { name: 'Ada' })
  expect(await visitor.get('/')).toContain('<p class="note" role="status">Welcome, Ada.</p>')
  expect(await visitor.get('/')).not.toContain('Welcome')
})

test('a form without the token of the session does nothing', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  const forged = await visitor.fetch('/count', { method: 'POST', body: new URLSearchParams({ token: 'x' }) })
  expect(forged.status).toBe(403)
  expect(await forged.text()).toBe('This form is out of date: go back and reload\n')
  expect(await broker(visitor)).toEqual({ user: null, count: 0 })
})

test('a page of another site cannot count through the API', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  const forged = await visitor.fetch('/servicebroker/count', {
    method: 'POST',
    headers: { 'sec-fetch-site': 'cross-site' },
  })
  expect([forged.status, await forged.text()]).toEqual([403, '{"error":"not from another site"}\n'])
})

test('a name is text, whatever is in it', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  await submit(visitor, '/login', { name: `<script>alert("'&")</script>` })
  const page = await visitor.get('/')
  expect(page).toContain('<h1>Hello, &lt;script&gt;alert(&quot;&#39;&amp;&quot;)&lt;/script&gt;</h1>')
  expect(page).not.toContain('<script')
})

test('an empty name, a long form, another method and another path get an answer', async () => {
  const visitor = (await serveFile(EXAMPLE)).visitor()
  await submit(visitor, '/login', { name: '  ' })
  expect(await visitor.get('/')).toContain('Please give a name.')

  const long = await visitor.fetch('/login', { method: 'POST', body: 'x'.repeat(100_000) })
  expect([long.status, await long.text()]).toEqual([413, 'Form too long\n'])

  const asked: [string, RequestInit, number, string | null][] = [
    ['/login', {}, 405, 'POST'],
    ['/', { method: 'DELETE' }, 405, 'GET, HEAD'],
    ['/nowhere', {}, 404, null],
    ['/servicebroker/count', {}, 405, 'POST'],
    ['/servicebroker', { method: 'PUT' }, 405, 'GET, HEAD'],
    ['/servicebroker/nowhere', {}, 404, null],
    ['/servicebrokers', {}, 404, null],
  ]
  for (const [path, init, status, allow] of asked) {
    const answer = await visitor.fetch(path, init)
    expect([path, answer.status, answer.headers.get('allow')]).toEqual([path, status, allow])
  }
})

test('/proxy is answered by another server, which is told where it is mounted', async () => {
  const served = await serveFile(EXAMPLE)
  const visitor = served.visitor()
  await submit(visitor, '/login', { name: 'Ada' })
  const answer = await visitor.fetch('/proxy/some/path?and=query', {
    headers: { 'x-forwarded-for': '6.6.6.6' },
  })
  expect(answer.status).toBe(200)
  expect(await answer.json()).toEqual({
    upstream: 'was asked',
    method: 'GET',
    url: '/some/path?and=query',
    forwarded: {
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': new URL(served.url).host,
      'x-forwarded-prefix': '/proxy',
      'x-forwarded-proto': 'http',
    },
  })
  expect(await broker(visitor)).toEqual({ user: 'Ada', count: 0 })
})

test('two copies run side by side, and each stops cleanly', async () => {
  const [one, two] = await Promise.all([serveFile(EXAMPLE), serveFile(EXAMPLE)])
  expect(await broker(one.visitor())).toEqual({ user: null, count: 0 })
  expect((await one.visitor().fetch('/proxy')).status).toBe(200)
  expect(await one.stop()).toEqual({ code: 0, stderr: `serving on ${one.url}\n` })
  expect((await two.visitor().fetch('/proxy')).status).toBe(200)
  expect(await two.stop()).toEqual({ code: 0, stderr: `serving on ${two.url}\n` })
})

test('check finds nothing wrong with it, and lets go of what it started', async () => {
  expect(await sessd('check', EXAMPLE)).toMatchObject({ code: 0 })
})

test('its secret, which everybody knows, is refused in production', async () => {
  const refused = await run(process.execPath, ['bin/sessd.js', 'check', EXAMPLE], {
    env: { NODE_ENV: 'production' },
  })
  expect(refused.code).toBe(78)
  expect(refused.stdout + refused.stderr).toContain(
    '[filter-app:main] beaker.session.secret: this secret stands in public documentation: ' +
      'make one of your own with `sessd secret`',
  )
})

test('the file of the Pylons documentation itself loads where its packages are', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sessd-pylons-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await cp(join(ROOT, 'test/fixtures/paste-deploy/seed-composite/input.ini'), join(directory, 'app.ini'))
  const counting = `
    const app = (globalConf, localConf) => async (req, res) => {
      const session = await req.environ['beaker.session'].load()
      res.end(String(session.update('n', (n = 0) => n + 1)) + ' ' + (localConf.full_stack ?? ''))
    }`
  await makePackage(
    directory,
    'appcelerator',
    `${counting}
    export default { apps: { service_broker: app, cross_domain_proxy: app } }`,
  )
  await makePackage(
    directory,
    'my_project',
    `${counting}
    export default { apps: { main: app } }`,
  )

  const visitor = (await serveFile(join(directory, 'app.ini'), '--host', '127.0.0.1')).visitor()
  expect(await visitor.get('/')).toBe('1 true')
  expect(await visitor.get('/servicebroker')).toBe('2 ')
  expect(await visitor.get('/proxy')).toBe('3 ')
  expect([...visitor.jar.keys()]).toEqual(['my_project_key'])
})

async function makePackage(directory: string, name: string, plugin: string): Promise<void> {
  const place = join(directory, 'node_modules', name)
  await mkdir(place, { recursive: true })
  await writeFile(
    join(place, 'package.json'),
    JSON.stringify({ name, type: 'module', exports: { './sessd': './sessd.js' } }),
  )
  await writeFile(join(place, 'sessd.js'), plugin)
}

/** Reads the page for its token and sends a form with it; the answer must lead back to `/`. */
async function submit(visitor: Visitor, path: string, fields: Record<string, string> = {}): Promise<void> {
  const body = new URLSearchParams({ token: await tokenOf(visitor), ...fields })
  const answer = await visitor.fetch(path, { method: 'POST', body })
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/'])
}

async function tokenOf(visitor: Visitor): Promise<string> {
  const [, token] = /name="token" value="([0-9a-f]{40})"/.exec(await visitor.get('/')) ?? []
  return token!
}

async function broker(visitor: Visitor): Promise<unknown> {
  return (await visitor.fetch('/servicebroker')).json()
}
