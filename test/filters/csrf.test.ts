// Requests that other sites made a browser send, and those that they could not.

import express from 'express'
import { describe, expect, test } from 'vitest'
import { proxy } from '../../src/apps/proxy.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { csrf, csrfField, csrfToken, isCsrfToken } from '../../src/filters/csrf.js'
import { getSession } from '../../src/filters/get-session.js'
import { peekBody } from '../../src/http/body.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { bodyOf, exchange, serveApp, serveNode, Wire } from '../support/http.js'
import { serve } from '../support/site.js'

const session = beakerSession({ secret: 'a secret for the tests of csrf' })

/** Echoes bodies; GET answers a token. */
const echo: App = async (req, res) => {
  if (req.method === 'GET') {
    const path = environ(req).PATH_INFO
    if (path === '/plain') {
      const plain = (await getSession(req)).csrfToken()
      res.end(plain)
    } else res.end(path === '/field' ? await csrfField(req, 'a"b') : await csrfToken(req))
    return
  }
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  res.end(`got ${Buffer.concat(chunks)}`)
}

const form = (token: string, more = '') => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: `a=1&csrf_token=${token}${more}`,
})

async function visitor(settings: Parameters<typeof csrf>[0] = {}, inner: App = echo) {
  return (await serve(session(csrf(settings)(inner)))).visitor()
}

const TOKEN_MISSING = '403 Forbidden: the form is too old or its token is missing: load the page again\n'
const FOREIGN = '403 Forbidden: the request comes from a page of another site\n'

describe('a request that changes something', () => {
  test('passes with the token in the form, and the app reads the form from its beginning', async () => {
    const v = await visitor()
    const token = await v.get('/')
    expect(await v.get('/', form(token))).toBe(`got a=1&csrf_token=${token}`)
  })

  test('passes with a chunked form of many pieces', async () => {
    const v = await visitor()
    const token = await v.get('/')
    const pieces = [...`b=${'x'.repeat(50)}&csrf_token=${token}`]
    const body = ReadableStream.from(pieces.map((piece) => Buffer.from(piece)))
    const text = await v.get('/', { ...form(''), body, duplex: 'half' } as RequestInit)
    expect(text).toBe(`got ${pieces.join('')}`)
  })

  test('passes with the token in the header, whatever the body is', async () => {
    const v = await visitor()
    const headers = { 'x-csrf-token': await v.get('/'), 'content-type': 'application/json' }
    expect(await v.get('/', { method: 'PUT', headers, body: '{}' })).toBe('got {}')
  })

  test('passes with the plain token, as pages of a Pyramid app have it', async () => {
    const v = await visitor()
    expect(await v.get('/', form(await v.get('/plain')))).toMatch(/^got /)
  })

  test.each<[string, (token: string) => [string, RequestInit]]>([
    ['without a token', () => ['/', { method: 'POST' }]],
    ['with a token in the query', (token) => [`/?csrf_token=${token}`, { method: 'POST' }]],
    ['with a token of nobody', () => ['/', form('0'.repeat(40))]],
    ['with rubbish', () => ['/', form('%00%ff')]],
    ['with DELETE', () => ['/', { method: 'DELETE' }]],
    [
      'with the token in a form of another type',
      (token) => ['/', { ...form(token), headers: { 'content-type': 'text/plain' } }],
    ],
  ])('%s is refused', async (_title, make) => {
    const v = await visitor()
    const [path, init] = make(await v.get('/'))
    const response = await v.fetch(path, init)
    expect([response.status, await response.text()]).toEqual([403, TOKEN_MISSING])
  })

  test("with somebody else's token is refused", async () => {
    const { visitor: arrive } = await serve(session(csrf()(echo)))
    const [thief, victim] = [arrive(), arrive()]
    await victim.get('/')
    expect(await victim.get('/', form(await thief.get('/')))).toBe(TOKEN_MISSING)
  })

  test('whose form is longer than max_form needs the header', async () => {
    const v = await visitor({ max_form: 100 })
    const token = await v.get('/')
    expect(await v.get('/', form(token, `&x=${'x'.repeat(200)}`))).toBe(TOKEN_MISSING)
  })

  test.each<[string, Record<string, string>, string]>([
    ['Sec-Fetch-Site: cross-site', { 'sec-fetch-site': 'cross-site' }, FOREIGN],
    ['Sec-Fetch-Site: same-site', { 'sec-fetch-site': 'same-site' }, FOREIGN],
    ['Origin of another site', { origin: 'https://evil.example' }, FOREIGN],
    ['Origin: null', { origin: 'null' }, FOREIGN],
    ['Referer of another site', { referer: 'https://evil.example/page' }, FOREIGN],
    ['Referer that is none', { referer: 'about:blank' }, FOREIGN],
    ['Sec-Fetch-Site: same-origin', { 'sec-fetch-site': 'same-origin' }, 'got '],
    ['a trusted origin', { origin: 'https://friend.example', 'sec-fetch-site': 'cross-site' }, 'got '],
  ])('with a good token and %s', async (_title, headers, answer) => {
    const v = await visitor({ trusted_origins: ['https://friend.example'] })
    const init = form(await v.get('/'))
    expect(await v.get('/', { ...init, headers: { ...init.headers, ...headers } })).toContain(answer)
  })

  test('is judged by the origin that it came to', async () => {
    const site = await serve(session(csrf()(echo)))
    const v = site.visitor()
    const init = form(await v.get('/'))
    expect(await v.get('/', { ...init, headers: { ...init.headers, origin: site.url } })).toContain('got ')
  })

  test.each([
    ['example.org:80', 'http://example.org', TOKEN_MISSING],
    ['EXAMPLE.org', 'http://example.org', TOKEN_MISSING],
    ['example.org:8080', 'http://example.org', FOREIGN],
    ['', 'null', FOREIGN],
  ])('to the Host "%s" from a page of %s is answered so', async (host, origin, answer) => {
    const { port } = await serve(session(csrf()(echo)))
    const lines = ['POST / HTTP/1.1', `Host: ${host}`, `Origin: ${origin}`, 'Connection: close', '', '']
    expect(bodyOf(await exchange(port, lines.join('\r\n')))).toBe(answer)
  })

  test('to an exempt path passes, and to one that only begins so does not', async () => {
    const v = await visitor({ exempt: ['/hooks'] })
    expect(await v.get('/hooks/x', { method: 'POST', body: 'b' })).toBe('got b')
    expect(await v.get('/hooksy', { method: 'POST' })).toBe(TOKEN_MISSING)
  })
})

test('a form passes on to a proxied server and to an Express body parser unharmed', async () => {
  const { url } = await serveNode((req, res) => void echo(req, res))
  const behind = proxy({ address: url })
  const parsed = express().use(express.urlencoded({ extended: false }))
  parsed.post('/', (req, res) => void res.json(req.body))
  const inner: App = (req, res) => {
    if (req.method === 'GET') return echo(req, res)
    return req.headers['x-to'] === 'express' ? parsed(req, res) : behind(req, res)
  }
  const v = await visitor({}, inner)
  const token = await v.get('/')
  expect(await v.get('/', form(token))).toBe(`got a=1&csrf_token=${token}`)
  const init = form(token)
  const json = await v.get('/', { ...init, headers: { ...init.headers, 'x-to': 'express' } })
  expect(JSON.parse(json)).toEqual({ a: '1', csrf_token: token })
  await behind.close!()
})

describe.each([false, true])('a form without anything in it, with preload = %s', (preload) => {
  test.each(['Content-Length: 0', 'Transfer-Encoding: chunked'])(
    'and %s is read as such by who comes next',
    async (line) => {
      const checked = beakerSession({ secret: 'a secret for the tests of csrf', preload })
      const parser = express.urlencoded({ extended: false })
      const seen: string[] = []
      const { port } = await serveApp(async (req, res) => {
        await peekBody(req, 100)
        return checked(async () => {
          seen.push(String((await peekBody(req, 100))?.length))
          parser(req as never, res as never, () => res.end('parsed'))
        })(req, res)
      })
      const body = line.includes('chunked') ? '0\r\n\r\n' : ''
      const head =
        'POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded'
      expect(await exchange(port, `${head}\r\n${line}\r\n\r\n${body}`)).toContain('parsed')
      expect(seen).toEqual(['0'])
    },
  )
})

test('a form passes two filters that look into it', async () => {
  const v = await visitor({}, csrf()(echo))
  const token = await v.get('/')
  expect(await v.get('/', form(token))).toBe(`got a=1&csrf_token=${token}`)
})

test('no two pages show the same token, and each is good', async () => {
  const v = await visitor()
  const tokens = await Promise.all([v.get('/'), v.get('/')])
  const again = [await v.get('/'), await v.get('/')]
  expect(new Set([...tokens, ...again]).size).toBe(4)
  for (const token of again) expect(await v.get('/', form(token))).toMatch(/^got /)
})

test('reading costs nothing: a GET sets no cookie of its own accord', async () => {
  const v = await visitor({}, (_req, res) => res.end('page'))
  await v.get('/')
  expect(v.setCookies).toEqual([])
})

test('the form field is one', async () => {
  expect(await (await visitor()).get('/field')).toMatch(
    /^<input type="hidden" name="a&#34;b" value="[\w-]{54}">$/,
  )
})

test('an app may check a token that it has read itself', async () => {
  const v = await visitor({ exempt: ['/own'] }, async (req, res) => {
    if (req.method === 'GET') return echo(req, res)
    res.end(String(await isCsrfToken(req, String(req.headers['x-mine']))))
  })
  const token = await v.get('/')
  const post = (mine: string) => v.get('/own', { method: 'POST', headers: { 'x-mine': mine } })
  expect([await post(token), await post('x')]).toEqual(['true', 'false'])
})

test('a WebSocket that a page of another site asks for is refused', async () => {
  const app: App = Object.assign(((_req, res) => res.end()) as App, {
    upgrade: ((_req, socket) => socket.end('HTTP/1.1 101 Fine\r\n\r\n')) as NonNullable<App['upgrade']>,
  })
  const { port } = await serveApp(csrf()(app))
  const shake = (origin: string) => {
    const wire = new Wire(port)
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13'
    wire.send(
      `GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\nOrigin: ${origin}\r\n\r\n`,
    )
    return wire.until(/^HTTP\/1\.1 (\d+)/)
  }
  expect([(await shake('http://evil.example'))[1], (await shake('http://h'))[1]]).toEqual(['403', '101'])
})

test('a client that breaks off in its form takes nothing down', async () => {
  const { port, url } = await serveApp(session(csrf()(echo)))
  const wire = new Wire(port)
  wire.send(
    'POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nhalf',
  )
  wire.reset()
  await wire.closed
  expect((await fetch(url)).status).toBe(200)
})

test.each(['friend.example', 'https://friend.example/', 'https://Friend.example', 'null'])(
  'a trusted origin that no browser would send is a mistake: %s',
  (origin) => {
    expect(() => csrf({ trusted_origins: [origin] })).toThrow(
      `trusted_origins: expected origins as in https://www.example.org, got "${origin}"`,
    )
  },
)
