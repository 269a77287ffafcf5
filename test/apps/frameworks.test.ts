// Real packages, mounted under a prefix from an INI behind one session.

import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { loadApp } from '../../src/loader.js'
import * as apps from '../fixtures/frameworks/session-apps.js'
import { ask, exchange, serveApp } from '../support/http.js'
import { connect2, serveTls } from '../support/http2.js'
import { Visitor } from '../support/site.js'

const FRAMEWORKS = join(import.meta.dirname, '../fixtures/frameworks')
const load = (name: string) => loadApp(`config:sessions.ini#${name}`, { relativeTo: FRAMEWORKS })

const NAMES = [
  'express',
  'express4',
  'connect',
  'koa',
  'fastify',
  'hono',
  'hono-listener',
  'h3',
  'h3-handler',
  'fetch',
  'server',
  'handler',
]

// One site for all tests: an app that was closed (Fastify) can't be used again.
const app = load('main')

async function arrive() {
  const { url } = await serveApp(await app)
  return { url, visitor: new Visitor(url) }
}

test('all of them share one session, each read in its own idiom', async () => {
  const { visitor } = await arrive()
  const counts: string[] = []
  for (const name of NAMES) counts.push(await visitor.get(`/${name}/count`))
  expect(counts).toEqual(NAMES.map((_name, at) => String(at + 1)))
  expect([...visitor.jar.keys()]).toEqual(['beaker.session.id'])
})

describe.each(NAMES)('%s', (name) => {
  test('redirects where it says', async () => {
    const { visitor } = await arrive()
    const response = await visitor.fetch(`/${name}/redirect`)
    expect([response.status, response.headers.get('location')]).toEqual([302, '/count'])
  })

  test('takes an upload of 10 MB', async () => {
    const { visitor } = await arrive()
    const body = Buffer.alloc(10 * 1024 ** 2, 'x')
    expect(await visitor.get(`/${name}/upload`, { method: 'POST', body })).toBe(String(body.length))
  })

  test('streams: the first line is there before the second is made', async () => {
    const { url } = await arrive()
    const open = apps.shut()
    const reader = (await fetch(`${url}/${name}/stream`))
      .body!.pipeThrough(new TextDecoderStream())
      .getReader()
    expect((await reader.read()).value).toBe('first\n')
    open()
    expect((await reader.read()).value).toBe('second\n')
    expect((await reader.read()).done).toBe(true)
  })

  test('fails with a 500', async () => {
    const { visitor } = await arrive()
    const response = await visitor.fetch(`/${name}/fail`)
    expect([response.status, response.headers.getSetCookie()]).toEqual([500, []])
  })
})

describe('the traps of mounting', () => {
  test('a nested Express router knows its whole mount', async () => {
    const { visitor } = await arrive()
    expect(await visitor.get('/express/r/x')).toBe('/express/r /x /express/r/x')
  })

  test('Koa knows its whole address', async () => {
    const { url, visitor } = await arrive()
    expect(await visitor.get('/koa/href?x=1')).toBe(`${url}/koa/href?x=1`)
  })

  test('a redirect is led into the mount when it asks for that', async () => {
    const { visitor } = await arrive()
    expect((await visitor.fetch('/led/redirect')).headers.get('location')).toBe('/led/count')
  })

  test('an app that knows its basePath gets the whole path with strip = false', async () => {
    const { visitor } = await arrive()
    expect(await visitor.get('/next/about?x=1')).toBe('page /about')
  })

  test('a Host that is none is a 400 for fetch apps, and takes nothing down', async () => {
    const { url } = await arrive()
    const { port } = new URL(url)
    const answer = await exchange(
      Number(port),
      'GET /hono/count HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(await ask(Number(port), '/hono/count')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('the global Request and Response stay what they are', () => {
    expect(new Response('x')).toBeInstanceOf(Response)
  })

  test('a body that was read before the mount is an error, not a wait for ever', async () => {
    const whole = await app
    const { url } = await serveApp(async (req, res) => {
      for await (const _chunk of req);
      return whole(req, res)
    })
    for (const name of ['fastify', 'koa', 'hono', 'h3', 'fetch']) {
      expect((await fetch(`${url}/${name}/upload`, { method: 'POST', body: 'x' })).status).toBe(500)
    }
  })

  test('kind = koa is refused for what is no Koa', async () => {
    const at = `${FRAMEWORKS}/sessions.ini:91: [app:wrong]: file:./session-apps.ts#hono`
    await expect(load('wrong')).rejects.toThrow(`${at} is an object (Hono), expected an app of kind = koa`)
  })
})

describe.each(NAMES)('%s over HTTP/2', (name) => {
  async function arriveBy2() {
    const { url } = await serveTls(await app, { http2: 'true' })
    return connect2(url)
  }

  test('has its session', async () => {
    const { ask } = await arriveBy2()
    const first = await ask(`/${name}/count`)
    expect([first.status, first.body]).toEqual([200, '1'])
    const cookie = first.headers['set-cookie']![0]!.split(';')[0]!
    expect((await ask(`/${name}/count`, { cookie })).body).toBe('2')
  })

  test('takes an upload of 10 MB, with its length and without', async () => {
    const { ask } = await arriveBy2()
    const body = Buffer.alloc(10 * 1024 ** 2, 'x')
    const headers = { 'content-type': 'application/x-data' }
    for (const more of [{}, { 'content-length': String(body.length) }])
      expect((await ask(`/${name}/upload`, { ...headers, ...more }, body)).body).toBe(String(body.length))
  })

  test('redirects, streams and fails', async () => {
    const { ask, open } = await arriveBy2()
    const { status, headers } = await ask(`/${name}/redirect`)
    expect([status, headers.location]).toEqual([302, '/count'])
    expect((await ask(`/${name}/fail`)).status).toBe(500)
    const go = apps.shut()
    const stream = open(`/${name}/stream`).end()
    const [first] = await once(stream, 'data')
    expect(String(first)).toBe('first\n')
    go()
    expect(await text(stream)).toBe('second\n')
  })
})

test('on shutdown, all that have something to close are told', async () => {
  const whole = await app
  onTestFinished(() => void apps.closed.splice(0))
  await whole.close?.()
  expect([...apps.closed].sort()).toEqual(['fastify', 'fetch', 'server'])
})
