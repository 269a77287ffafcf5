// http2 = true: who gets HTTP/2, what handlers see of it, what it limits and how it ends.

import { once } from 'node:events'
import { type ClientHttp2Stream, constants } from 'node:http2'
import { request } from 'node:https'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { factory } from '../../src/servers/http.js'
import { testCertificate } from '../support/certificate.js'
import { answerOf, connect2, serveTls } from '../support/http2.js'

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants

const echo: App = (req, res) => {
  const { HTTP_HOST, REMOTE_ADDR, 'wsgi.url_scheme': scheme } = environ(req)
  const { host, 'transfer-encoding': coding, 'content-length': length } = req.headers
  res.end(
    JSON.stringify({
      ...{ method: req.method, url: req.url, version: req.httpVersion, HTTP_HOST, REMOTE_ADDR, scheme },
      ...{ host, coding, length },
    }),
  )
}

async function arrive(app: App, settings: Record<string, string> = {}) {
  const served = await serveTls(app, { http2: 'true', ...settings })
  return { ...served, ...(await connect2(served.url)), server: served.server }
}

/** One request as clients make it that know HTTP/1 only, or that ask for what `protocols` says. */
async function askTls(url: string, headers: Record<string, string> = {}, protocols?: string[]) {
  const req = request(url, {
    ca: testCertificate.cert,
    headers,
    agent: false,
    ...(protocols && { ALPNProtocols: protocols }),
  }).end()
  const [res] = await once(req, 'response')
  return text(res)
}

describe('http2 = true', () => {
  test('speaks HTTP/2 with clients that offer it, and HTTP/1.1 with all others', async () => {
    const { url, ask } = await arrive(echo)
    expect(JSON.parse((await ask('/a?b')).body)).toMatchObject({
      version: '2.0',
      url: '/a?b',
      scheme: 'https',
    })
    expect(JSON.parse(await askTls(url))).toMatchObject({ version: '1.1', scheme: 'https' })
    expect(JSON.parse(await askTls(url, {}, ['http/1.1']))).toMatchObject({ version: '1.1' })
  })

  test('is off unless it is asked for', async () => {
    const { port } = await serveTls(echo)
    const socket = connectTls({ port, ca: testCertificate.cert, ALPNProtocols: ['h2', 'http/1.1'] })
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe('http/1.1')
    socket.destroy()
  })

  test('is refused without TLS', () => {
    expect(() => factory(makeConf([]), makeConf([['http2', 'true']]))).toThrow(
      new OptionError('http2', 'needs tls_cert beside it: browsers speak HTTP/2 over TLS alone'),
    )
  })

  test('leaves WebSockets to HTTP/1.1, as browsers do', async () => {
    const app: App = (_req, res) => res.end('plain')
    app.upgrade = (_req, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    const { port, ask } = await arrive(app)
    const socket = connectTls({ port, ca: testCertificate.cert, ALPNProtocols: ['http/1.1'] })
    socket.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    expect(await text(socket)).toBe('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    expect((await ask('/')).body).toBe('plain')
  })

  test('keeps the limits of HTTP/1.1 for those who speak it', async () => {
    const { port } = await serveTls(echo, { http2: 'true', max_header_size: '2k' })
    const ask = async (head: string) => {
      const socket = connectTls({ port, ca: testCertificate.cert })
      socket.write(head)
      return text(socket)
    }
    expect(await ask(`GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(3000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    )
    expect(await ask('GET / HTTP/1.1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('a handler over HTTP/2', () => {
  test('finds host, address and framing where HTTP/1 has them', async () => {
    const { ask, port } = await arrive(echo)
    const seen = JSON.parse((await ask('/')).body)
    expect(seen).toEqual({
      ...{
        method: 'GET',
        url: '/',
        version: '2.0',
        HTTP_HOST: `localhost:${port}`,
        REMOTE_ADDR: '127.0.0.1',
      },
      ...{ scheme: 'https', host: `localhost:${port}` },
    })
    expect(JSON.parse((await ask('/', {}, 'x')).body)).toMatchObject({ coding: 'chunked' })
    expect(JSON.parse((await ask('/', { 'content-length': '1' }, 'x')).body)).toMatchObject({ length: '1' })
  })

  test('is spared a request with two hosts', async () => {
    const { ask } = await arrive(echo)
    expect((await ask('/', { ':authority': 'one', host: 'two' })).status).toBe(400)
    expect(JSON.parse((await ask('/', { ':authority': 'One', host: 'one' })).body)).toMatchObject({
      host: 'One',
    })
  })

  test.each(['the request', 'the connection'])(
    'hears that an upload broke off with %s, and never takes it for whole',
    async (what) => {
      const heard: string[] = []
      const { server, session, open } = await arrive((req, res) => {
        for (const event of ['aborted', 'end', 'close']) req.on(event, () => heard.push(event))
        req.on('error', (error: NodeJS.ErrnoException) => heard.push(`error ${error.code}`))
        res.on('close', () => heard.push(`finished: ${res.writableFinished}, complete: ${req.complete}`))
        req.on('data', () => (what === 'the request' ? stream.close(NGHTTP2_CANCEL) : session.destroy()))
      })
      const stream: ClientHttp2Stream = open('/', { ':method': 'POST', 'content-length': '9' })
      stream.write('half of')
      await once(stream, 'close')
      await vi.waitFor(() => expect(heard.length).toBeGreaterThan(3))
      await server.close()
      expect(heard.sort()).toEqual([
        'aborted',
        'close',
        'error ECONNRESET',
        'finished: false, complete: false',
      ])
    },
  )

  test('may destroy its answer, which then does not look whole', async () => {
    const { ask } = await arrive((req, res) => {
      res.write('half of')
      if (req.url === '/answer') setImmediate(() => res.destroy())
      else setImmediate(() => req.destroy())
    })
    expect(await ask('/answer')).toMatchObject({ whole: false, reset: NGHTTP2_INTERNAL_ERROR })
    expect(await ask('/request', {}, 'x')).toMatchObject({ whole: false, reset: NGHTTP2_CANCEL })
  })

  test('may give another prototype to what it gets, as Express does', async () => {
    const { ServerResponse, IncomingMessage } = await import('node:http')
    const { ask } = await arrive(async (req, res) => {
      Object.setPrototypeOf(req, Object.create(IncomingMessage.prototype))
      Object.setPrototypeOf(res, Object.create(ServerResponse.prototype))
      const body = await text(req)
      res.setHeader('X-Length', body.length)
      res.end(`${req.method} ${req.headers['x-word']} ${body} ${res.headersSent}`)
    })
    const answer = await ask('/', { 'x-word': 'yes' }, 'body')
    expect([answer.headers['x-length'], answer.body]).toEqual(['4', 'POST yes body false'])
  })

  test('may set what HTTP/2 has no place for: reason, Connection, Transfer-Encoding', async () => {
    const { ask } = await arrive((req, res) => {
      res.statusMessage = 'Fine'
      res.setHeaders(new Map([['X-Map', 'm']]))
      res.setHeader('Connection', 'keep-alive')
      if (req.url === '/head')
        res.writeHead(201, 'Made', { 'Transfer-Encoding': 'chunked', 'Keep-Alive': 'x' })
      res.end(res.statusMessage)
    })
    for (const [path, status] of [
      ['/', 200],
      ['/head', 201],
    ] as const) {
      const { headers, ...answer } = await ask(path)
      expect(answer).toMatchObject({ status, body: 'Fine', whole: true })
      expect(Object.keys(headers).sort()).toEqual([':status', 'date', 'x-map'])
    }
  })

  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('may write a body that must not be sent: %s, %i', async (method, status) => {
    const { ask } = await arrive((_req, res) => {
      res.statusCode = status
      res.write('none of')
      res.end('this')
    })
    expect(await ask('/', { ':method': method })).toMatchObject({ status, body: '', whole: true })
  })

  test('reads and sends trailers, hints and interim answers', async () => {
    const { open } = await arrive(async (req, res) => {
      res.writeEarlyHints({ link: '</a.css>; rel=preload' })
      const body = await text(req)
      res.setHeader('Trailer', 'X-Sum')
      res.write(body)
      res.addTrailers({ 'X-Sum': `${body.length} ${req.trailers['x-sent']}` })
      res.end()
    })
    const stream = open('/', { ':method': 'POST', expect: '100-continue' })
    const interim: unknown[] = []
    stream.on('headers', (headers) => interim.push([headers[':status'], headers.link]))
    await once(stream, 'continue')
    stream.end('four')
    expect(await answerOf(stream)).toMatchObject({ body: 'four', trailers: { 'x-sum': '4 undefined' } })
    expect(interim).toEqual([
      [100, undefined],
      [103, '</a.css>; rel=preload'],
    ])
  })

  test('streams with back-pressure through pipeline', async () => {
    const { ask } = await arrive((req, res) =>
      req.method === 'POST'
        ? pipeline(req, res)
        : pipeline(Readable.from(Array(200).fill('x'.repeat(20_000))), res),
    )
    expect((await ask('/')).body).toHaveLength(4_000_000)
    expect((await ask('/', {}, 'y'.repeat(3_000_000))).body).toHaveLength(3_000_000)
  })

  test('throws without harm to the other requests of the connection', async () => {
    const { ask } = await arrive(async (req, res) => {
      if (req.url === '/late') res.write('half of')
      if (req.url !== '/fine') throw new Error('boom')
      res.end('fine')
    })
    const [early, late, fine] = await Promise.all([ask('/early'), ask('/late'), ask('/fine')])
    expect([early.status, late.whole, fine.body]).toEqual([500, false, 'fine'])
  })

  test('gets no CONNECT', async () => {
    const { session, ask } = await arrive(echo)
    const stream = session.request({ ':method': 'CONNECT', ':authority': 'elsewhere:80' }).end()
    expect((await answerOf(stream)).status).toBe(405)
    expect((await ask('/')).status).toBe(200)
  })

  test('sees the client that a trusted proxy names', async () => {
    const { ask } = await arrive(echo, { trusted_proxies: 'loopback' })
    const { body } = await ask('/', { 'x-forwarded-for': '1.2.3.4', 'x-forwarded-host': 'www.example.org' })
    expect(JSON.parse(body)).toMatchObject({ REMOTE_ADDR: '1.2.3.4', HTTP_HOST: 'www.example.org' })
  })
})

describe('the limits of HTTP/2', () => {
  test('are told to the client', async () => {
    const { session, ask } = await arrive(echo, { max_concurrent_streams: '7', max_header_size: '8k' })
    await ask('/')
    expect(session.remoteSettings).toMatchObject({ maxConcurrentStreams: 7, maxHeaderListSize: 8192 })
  })

  test('refuse a head that is too large or has too many lines, and nothing else', async () => {
    const { ask } = await arrive(echo, { max_header_size: '4k', max_headers_count: '20' })
    expect((await ask('/', { x: 'x'.repeat(5000) })).status).toBe(431)
    expect((await ask('/', { x: 'x'.repeat(5000) })).reset).toBe(NGHTTP2_ENHANCE_YOUR_CALM)
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`x-${at}`, 'y']))
    expect(await ask('/', many)).toMatchObject({ status: 0, reset: NGHTTP2_ENHANCE_YOUR_CALM })
    expect((await ask('/')).status).toBe(200)
  })

  test('end a connection that opens and cancels requests without end, and no other', async () => {
    let called = 0
    const app: App = (req, res) => {
      called++
      if (req.url === '/fine') res.end('fine')
    }
    const { url, session, open, closed } = await arrive(app)
    while (!session.destroyed) {
      for (let at = 0; at < 100; at++) open('/').close(NGHTTP2_CANCEL)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect(await closed).toBe(NGHTTP2_INTERNAL_ERROR)
    expect(called).toBeLessThan(5000)
    expect((await (await connect2(url)).ask('/fine')).body).toBe('fine')
  })

  test('end an idle connection after keep_alive_timeout, politely, and one that never asked', async () => {
    const { url, ask, closed } = await arrive(echo, { keep_alive_timeout: '1' })
    const unused = await connect2(url)
    await ask('/')
    expect(await closed).toBe(NGHTTP2_NO_ERROR)
    expect(await unused.closed).toBe(NGHTTP2_NO_ERROR)
  })

  test('leave a connection alone while a request of it runs', async () => {
    const waiting: (() => void)[] = []
    const { ask, closed } = await arrive((_req, res) => void waiting.push(() => res.end('late')), {
      keep_alive_timeout: '1',
    })
    const late = ask('/')
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    const other = await serveTls(echo, { http2: 'true', keep_alive_timeout: '2' })
    await (await connect2(other.url)).closed // twice the time has passed
    waiting[0]!()
    expect((await late).body).toBe('late')
    await closed
  })

  test('end a connection after max_requests_per_socket, when its last answer is there', async () => {
    const { ask, closed } = await arrive(echo, { max_requests_per_socket: '2' })
    expect([(await ask('/')).status, (await ask('/')).status]).toEqual([200, 200])
    expect(await closed).toBe(NGHTTP2_NO_ERROR)
  })

  test('give a body request_timeout to come, and no longer', async () => {
    const { open } = await arrive(async (req, res) => res.end(await text(req)), {
      request_timeout: '1',
      headers_timeout: '1',
    })
    const slow = open('/', { ':method': 'POST' })
    slow.write('never ending')
    expect(await answerOf(slow)).toMatchObject({ status: 408 })
  })

  test('free the place of a client that was told of the end and does not close', async () => {
    const { url, port } = await serveTls(echo, {
      http2: 'true',
      keep_alive_timeout: '1',
      max_connections: '1',
    })
    const halfOpen = { port, ca: testCertificate.cert, ALPNProtocols: ['h2'], allowHalfOpen: true }
    const socket = connectTls(halfOpen as ConnectionOptions).resume()
    onTestFinished(() => void socket.destroy())
    await once(socket, 'end')
    await vi.waitFor(async () => expect(JSON.parse(await askTls(url))).toMatchObject({ method: 'GET' }), 5000)
  })

  test.each([
    ['no HTTP/2 at all', 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['nonsense after the preface', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\xff'.repeat(5000)}`],
    ['a frame that is too long', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x04\x00\x00\x00\x00\x00'],
  ])('survive %s', async (_what, bytes) => {
    const { url, port } = await serveTls(echo, { http2: 'true', keep_alive_timeout: '1' })
    const socket = connectTls({ port, ca: testCertificate.cert, ALPNProtocols: ['h2'] })
    socket.on('error', () => {})
    socket.write(bytes, 'latin1')
    socket.resume()
    await once(socket, 'close')
    expect((await (await connect2(url)).ask('/')).status).toBe(200)
  })
})

describe('close() over HTTP/2', () => {
  test('lets running requests finish, and tells the client that no more are taken', async () => {
    const waiting: (() => void)[] = []
    const app: App = (_req, res) => void waiting.push(() => res.end('finished'))
    const { server, session, ask, closed } = await arrive(app)
    const answers = Promise.all(Array.from({ length: 100 }, () => ask('/')))
    await vi.waitFor(() => expect(waiting).toHaveLength(100))
    const told = once(session, 'goaway')
    const ended = server.close()
    expect((await told)[0]).toBe(NGHTTP2_NO_ERROR)
    for (const finish of waiting) finish()
    expect((await answers).map(({ body, whole }) => body === 'finished' && whole)).toEqual(
      Array(100).fill(true),
    )
    await Promise.all([ended, closed])
  })

  test('closes idle connections at once', async () => {
    const { server, ask, closed } = await arrive(echo)
    await ask('/')
    await server.close()
    expect(await closed).toBe(NGHTTP2_NO_ERROR)
  })

  test('takes the first request of a new connection', async () => {
    const { server, ask } = await arrive(echo)
    const ended = server.close()
    expect((await ask('/')).status).toBe(200)
    await ended
  })

  test('cuts what is left when graceful_timeout is over', async () => {
    const { server, ask } = await arrive(() => {}, { graceful_timeout: '1' })
    const answer = ask('/')
    await vi.waitFor(async () => expect(await Promise.race([answer, 'running'])).toBe('running'))
    await server.close()
    expect((await answer).whole).toBe(false)
  })

  test('does not cut off an answer that is ended but not all sent yet', async () => {
    const { server, open } = await arrive((_req, res) => res.end(Buffer.alloc(20_000_000, 'x')), {
      graceful_timeout: '30',
    })
    const stream = open('/').end()
    await once(stream, 'response')
    const ended = server.close()
    expect((await answerOf(stream)).body).toHaveLength(20_000_000)
    await ended
  })
})
