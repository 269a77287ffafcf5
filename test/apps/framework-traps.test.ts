// What goes wrong when frameworks are mounted without care, seen with the real packages: paths, prototypes, and what they do
// with what they have no page for.

import { join } from 'node:path'
import express from 'express'
import express4 from 'express4'
import fastify from 'fastify'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { adaptApp, adaptMiddleware } from '../../src/apps/adapt.js'
import { cascade } from '../../src/apps/cascade.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { loadApp } from '../../src/loader.js'
import type { App } from '../../src/protocol.js'
import { ask, bodyOf, serveApp } from '../support/http.js'
import { Visitor } from '../support/site.js'

const relativeTo = join(import.meta.dirname, '../fixtures/frameworks')
const load = (name: string) => loadApp(`config:sessions.ini#${name}`, { relativeTo })
const NAMES = ['express', 'express4', 'connect', 'koa', 'fastify', 'hono', 'h3', 'fetch', 'server', 'handler']

const main = load('main')
const session = beakerSession({ secret: 'a secret of these tests alone', type: 'memory' })
afterAll(async () => (await main).close?.())

describe.each(NAMES)('%s', (name) => {
  test.each([
    ['an absolute target', `http://host/${name}/count`],
    ['slashes too many', `//${name}//count`],
    ['dots', `/nowhere/../${name}/./count`],
    ['letters that need no encoding', `/${name}/%63ount`],
  ])('is found by %s', async (_what, target) => {
    const { port } = await serveApp(await main)
    const answer = await ask(port, target)
    expect([answer.split('\r\n')[0], bodyOf(answer).replace(/^1\r\n1\r\n0\r\n\r\n$/, '1')]).toEqual([
      'HTTP/1.1 200 OK',
      '1',
    ])
  })

  test('is not found by an encoded slash', async () => {
    const { port } = await serveApp(await main)
    expect(await ask(port, `/%2f${name}/count`)).toMatch(/^HTTP\/1\.1 404 /)
    expect(await ask(port, `/${name}%2Fcount`)).toMatch(/^HTTP\/1\.1 404 /)
  })

  test('in a cascade, leaves what it has no page for to the next, and has its session', async () => {
    const next: App = async (req, res) => res.end(`next: ${(await getSession(req)).get('n') ?? 'none'}`)
    const { url } = await serveApp(session(cascade([await load(name), next])))
    const visitor = new Visitor(url)
    expect(await visitor.get('/count')).toBe('1')
    expect(await visitor.get('/nowhere')).toBe('next: 1')
    expect(await visitor.get('/count')).toBe('2')
  })

  test.each([
    ['Express', express],
    ['Express 4', express4],
  ])('behind middleware of %s, which leaves its prototypes there, works as before', async (_what, make) => {
    const outer = make()
    outer.use((_req, res, next) => {
      res.set('X-Outer', '1')
      next()
    })
    const { url } = await serveApp(session(adaptMiddleware(outer)!(await load(name))))
    const visitor = new Visitor(url)
    const first = await visitor.fetch('/count')
    expect([first.status, await first.text(), first.headers.get('x-outer')]).toEqual([200, '1', '1'])
    expect(await visitor.get('/count')).toBe('2')
    const body = Buffer.alloc(100_000, 'x')
    expect(await visitor.get('/upload', { method: 'POST', body })).toBe('100000')
  })
})

test("a body that was read before an Express app is nobody's: the app gets none", async () => {
  const app = express().post('/', express.text(), (req, res) => void res.json(req.body ?? null))
  const { url } = await serveApp(async (req, res) => {
    for await (const _chunk of req);
    return app(req, res)
  })
  const init = { method: 'POST', body: 'x', headers: { 'content-type': 'text/plain' } }
  expect(await (await fetch(url, init)).text()).toBe('null')
})

test('a Fastify app that was closed answers 503', async () => {
  const app = (await adaptApp(fastify().get('/', () => 'here')))!
  const { url } = await serveApp(app)
  expect((await fetch(url)).status).toBe(200)
  await app.close!()
  expect((await fetch(url)).status).toBe(503)
})

describe.each([
  ['Express', express],
  ['Express 4', express4],
])('an error that %s answers itself', (_what, make) => {
  test.each([
    ['development', true],
    ['production', false],
  ])('in %s: shows its stack: %s', async (environment, shown) => {
    vi.stubEnv('NODE_ENV', environment)
    const complaints = vi.spyOn(console, 'error').mockReturnValue()
    onTestFinished(() => {
      vi.unstubAllEnvs()
      complaints.mockRestore()
    })
    const app = make().get('/', () => {
      throw new Error('its own affair')
    })
    const { url } = await serveApp((await adaptApp(app))!)
    const response = await fetch(url)
    const body = await response.text()
    expect(response.status).toBe(500)
    await vi.waitFor(() => expect(complaints).toHaveBeenCalledOnce()) // it writes to stderr by itself
    expect([body.includes('its own affair'), body.includes(import.meta.filename)]).toEqual([shown, shown])
  })
})

test('options that Fastify has for its server do nothing for one that is mounted, the others do', async () => {
  const make = () => {
    const app = fastify({ maxRequestsPerSocket: 1, keepAliveTimeout: 7000, bodyLimit: 4 })
    app.post('/', () => 'taken')
    return app
  }
  const post = async (url: string, body: string) => {
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'text/plain' } })
    return [response.status, response.headers.get('connection'), response.headers.get('keep-alive')]
  }
  const alone = make()
  onTestFinished(() => alone.close())
  expect(await post(await alone.listen({ port: 0 }), 'four')).toEqual([200, 'close', null])
  const { url } = await serveApp((await adaptApp(make()))!)
  expect(await post(url, 'four')).toEqual([200, 'keep-alive', 'timeout=5'])
  expect((await post(url, 'more than four'))[0]).toBe(413)
})
