import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { proxy } from '../../../src/apps/proxy.js'
import { guard } from '../../../src/http/guard.js'
import { ask, bodyOf, exchange, listenFree, serveNode, Wire } from '../../support/http.js'
import { closing, rawAnswer, rawUpstream, serveProxy, upstream } from '../../support/upstream.js'

const CHUNKED = 'Transfer-Encoding: chunked\r\n'

describe('a request body', () => {
  test.each(['DELETE', 'OPTIONS', 'GET', 'HEAD', 'POST', 'PROPFIND', 'TRACE'])(
    'in chunks arrives whole, and nothing in it is taken for a request (%s)',
    async (method) => {
      const behind = await upstream()
      const { port } = await serveProxy(behind.url)
      const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n'
      const body = `${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`
      await exchange(port, `${method} /a HTTP/1.1\r\nHost: h\r\n${CHUNKED}Connection: close\r\n\r\n${body}`)
      await ask(port, '/b')
      expect(behind.got.map(({ method, url, body }) => [method, url, body])).toEqual([
        [method, '/a', smuggled],
        ['GET', '/b', ''],
      ])
      expect(behind.got[1]!.connection).toBe(1)
    },
  )

  test.each(['DELETE', 'OPTIONS', 'GET', 'POST'])('with a length arrives whole (%s)', async (method) => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    await exchange(
      port,
      `${method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello`,
    )
    expect(behind.got[0]).toMatchObject({ method, body: 'hello', headers: { 'content-length': '5' } })
    expect(behind.got[0]!.headers).not.toHaveProperty('transfer-encoding')
  })

  test.each([
    ['GET', undefined],
    ['DELETE', undefined],
    ['POST', '0'],
    ['PROPFIND', '0'],
  ])('that is none is told as none (%s)', async (method, length) => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    await exchange(port, `${method} / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)
    expect(behind.got[0]!.headers['content-length']).toBe(length)
    expect(behind.got[0]!.headers).not.toHaveProperty('transfer-encoding')
  })

  test('in another transfer coding is refused with 501', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    const text =
      'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n'
    expect(await exchange(port, text)).toMatch(/^HTTP\/1\.1 501 Not Implemented\r\n/)
    expect(behind.got).toEqual([])
  })

  test('streams, held back when the upstream is slow', async () => {
    let taken: Socket | undefined
    const behind = await rawUpstream((socket) => {
      taken = socket
      socket.pause()
    })
    const { port } = await serveProxy(behind.url)
    const wire = new Wire(port)
    wire.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 200000000\r\nConnection: close\r\n\r\n')
    const chunk = Buffer.alloc(1_000_000, 'x')
    let sent = 0
    while (sent < 200 && wire.socket.write(chunk)) sent++
    while (sent < 200) {
      const drained = await Promise.race([
        once(wire.socket, 'drain').then(() => true),
        new Promise<false>((resolve) => setTimeout(resolve, 300, false)),
      ])
      if (!drained) break
      while (sent < 200 && wire.socket.write(chunk)) sent++
      sent++
    }
    expect(sent).toBeLessThan(100) // what the buffers of the system take, and no 200 MB
    expect(taken).toBeDefined()
  })

  test('of 10 MB arrives byte by byte, and so does such an answer', async () => {
    const { url } = await serveNode((req, res) => {
      res.setHeader('Content-Length', req.headers['content-length']!)
      req.pipe(res)
    })
    const { port } = await serveProxy(url)
    const body = Buffer.alloc(10_000_000)
    for (let i = 0; i < body.length; i += 4) body.writeUInt32LE((i * 2654435761) >>> 0, i)
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body })
    expect(body.equals(Buffer.from(await response.arrayBuffer()))).toBe(true)
  })

  test('with Expect: 100-continue is asked for here, and the upstream does not see that', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    const wire = new Wire(port)
    wire.send(
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
    )
    await wire.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    wire.send('hello')
    expect(await wire.untilClosed()).toMatch(/HTTP\/1\.1 200 OK/)
    expect(behind.got[0]).toMatchObject({ body: 'hello' })
    expect(behind.got[0]!.headers).not.toHaveProperty('expect')
  })

  test('may have trailers', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    const trailers = 'X-Sum: 1\r\nX-Forwarded-For: 1.2.3.4\r\n'
    await exchange(
      port,
      `POST / HTTP/1.1\r\nHost: h\r\n${CHUNKED}Connection: close\r\n\r\n1\r\na\r\n0\r\n${trailers}\r\n`,
    )
    expect(behind.got[0]).toMatchObject({ body: 'a' })
    expect(behind.got[0]!.trailers).toEqual({ 'x-sum': '1' })
  })

  test.each([
    ['all of it', 'Content-Length: 5\r\n', 'hello', 'end'],
    ['a part of it', 'Content-Length: 5\r\n', 'hello', 'data'],
    ['all chunks', CHUNKED, '5\r\nhello\r\n0\r\n\r\n', 'end'],
    ['the first chunk', CHUNKED, '5\r\nhello\r\n0\r\n\r\n', 'data'],
  ] as const)(
    'that a filter has read (%s) is an error and no hanging request',
    async (_what, header, body, event) => {
      const behind = await upstream()
      const { port, reports } = await serveProxy(behind.url, (app) => async (req, res) => {
        req.on('data', () => {})
        await once(req, event)
        return app(req, res)
      })
      const answer = await exchange(
        port,
        `POST / HTTP/1.1\r\nHost: h\r\n${header}Connection: close\r\n\r\n${body}`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 500 Internal Server Error\r\n/)
      expect(bodyOf(answer)).toBe('500 Internal Server Error: the request body was lost on the way\n')
      expect(reports).toEqual([
        `POST: proxy to ${behind.url}: the request body was read or changed before it got here: ` +
          'what reads it must put it back, unchanged',
      ])
      expect(behind.got).toEqual([])
    },
  )

  test('that a filter has put back arrives', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url, (app) => async (req, res) => {
      await once(req, 'readable')
      req.unshift(req.read())
      return app(req, res)
    })
    await exchange(port, 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
    expect(behind.got).toMatchObject([{ body: 'hello' }])
  })

  test('that a filter has made longer never becomes a second request', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url, (app) => async (req, res) => {
      await once(req, 'readable')
      req.unshift(Buffer.from('GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n'))
      return app(req, res)
    })
    const text = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'
    expect(await exchange(port, text)).toMatch(/^HTTP\/1\.1 500 /)
    expect(behind.got).toEqual([])
  })

  test('that is refused by an early answer does not stop the connection', async () => {
    const behind = await rawUpstream((socket) => {
      socket.once('data', () => {
        socket.end('HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig')
      })
    })
    const { port } = await serveProxy(behind.url)
    const wire = new Wire(port)
    wire.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n')
    await wire.until(/^HTTP\/1\.1 413 Payload Too Large\r\n(.|\r\n)*big$/)
    wire.send('x'.repeat(3_000_000))
    wire.send('GET /%00 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    expect(await wire.untilClosed()).toMatch(/HTTP\/1\.1 400 Bad Request\r\n/)
  })
})

describe('an answer', () => {
  test('streams: the client sees each part as it comes', async () => {
    const parts: (() => void)[] = []
    const behind = await upstream((_req, res) => {
      res.write('first,')
      parts.push(() => res.end('second'))
    })
    const { port } = await serveProxy(behind.url)
    const wire = new Wire(port)
    wire.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    await wire.until(/first,/)
    parts[0]!()
    expect(await wire.untilClosed()).toMatch(/second\r\n0\r\n\r\n$/)
  })

  test('is held back upstream when the client is slow', async () => {
    let sent = 0
    let held = false
    const behind = await upstream((_req, res) => {
      const chunk = Buffer.alloc(1_000_000, 'x')
      const more = () => {
        held = false
        while (sent < 200) {
          sent++
          if (!res.write(chunk)) {
            held = true
            return res.once('drain', more)
          }
        }
        res.end()
      }
      more()
    })
    const { port } = await serveProxy(behind.url)
    const wire = new Wire(port)
    wire.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    await once(wire.socket, 'readable')
    wire.socket.pause()
    let before = -1
    await vi.waitFor(
      () => {
        const still = held && before === sent
        before = sent
        expect(still).toBe(true)
      },
      { interval: 200, timeout: 10_000 },
    )
    expect(sent).toBeLessThan(100)
  })

  test('keeps the connections on both sides open', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    const wire = new Wire(port)
    for (let i = 1; i <= 3; i++) {
      wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
      await wire.until(
        new RegExp(
          `^(HTTP/1.1 200 OK\\r\\n(.*\\r\\n)*?Connection: keep-alive\\r\\n(.*\\r\\n)*?\\r\\nok){${i}}$`,
        ),
      )
    }
    expect(behind.got.map(({ connection }) => connection)).toEqual([1, 1, 1])
  })

  test.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', /Content-Length: 5\r\n(.*\r\n)*\r\n$/],
    [
      'GET',
      'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
      /^HTTP\/1\.1 304 Not Modified\r\nETag: "a"\r\n(.*\r\n)*\r\n$/,
    ],
    [
      'GET',
      `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n2\r\nok\r\n0\r\n\r\n`,
      /Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n$/,
    ],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', /Content-Length: 0\r\n(.*\r\n)*\r\n$/],
  ])('to %s %j is framed as it should be', async (method, text, expected) => {
    const behind = await rawAnswer(text)
    const { port } = await serveProxy(behind.url)
    expect(await exchange(port, `${method} / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`)).toMatch(
      expected,
    )
  })

  test('that ends with the connection is whole', async () => {
    const behind = await rawAnswer('HTTP/1.0 200 OK\r\n\r\nall of it', 'close')
    const { port } = await serveProxy(behind.url)
    expect(await ask(port, '/')).toMatch(/Transfer-Encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/)
    expect(bodyOf(await exchange(port, 'GET / HTTP/1.0\r\n\r\n'))).toBe('all of it')
  })

  test('may have trailers', async () => {
    const behind = await rawAnswer(
      `HTTP/1.1 200 OK\r\n${CHUNKED}Trailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: late=1\r\n\r\n`,
    )
    const { port } = await serveProxy(behind.url)
    expect(await ask(port, '/')).toMatch(/\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n$/i)
    expect(await exchange(port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/\r\n\r\nok$/)
  })

  test('may be announced by early hints', async () => {
    const behind = await rawAnswer(
      'HTTP/1.1 102 Processing\r\n\r\n' +
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b.js>; rel=preload\r\nX-Not: this\r\n\r\n' +
        'HTTP/1.1 103 Early Hints\r\nLink: malformed\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    )
    const { port } = await serveProxy(behind.url)
    const answer = await ask(port, '/')
    expect(answer).toMatch(
      /^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a.css>; rel=preload, <\/b.js>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
    )
    expect(await exchange(port, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })
})

describe('a client that goes away', () => {
  test.each([
    ['before the answer', (socket: Socket) => void socket],
    [
      'in the middle of the answer',
      (socket: Socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'),
    ],
  ])('%s takes its request upstream along', async (_when, talk) => {
    const behind = await rawUpstream((socket) => socket.once('data', () => talk(socket)))
    const { port, reports } = await serveProxy(behind.url)
    const wire = new Wire(port)
    wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    await vi.waitFor(() => expect(behind.sockets[0]?.bytesRead).toBeGreaterThan(0))
    if (behind.sockets[0]!.bytesWritten > 0) await wire.until(/half/)
    wire.reset()
    await closing(behind.sockets[0]!)
    expect(reports).toEqual([])
  })

  test('before a filter lets its request through sends nothing upstream', async () => {
    const behind = await upstream()
    const through: string[] = []
    const { port } = await serveProxy(behind.url, (app) => async (req, res) => {
      if (req.url === '/gone') await once(res, 'close')
      await app(req, res)
      through.push(req.url!)
    })
    const wire = new Wire(port)
    wire.send('GET /gone HTTP/1.1\r\nHost: h\r\n\r\n')
    await ask(port, '/first')
    wire.reset()
    await vi.waitFor(() => expect(through).toContain('/gone'))
    await ask(port, '/last')
    expect(behind.got.map(({ url }) => url)).toEqual(['/first', '/last'])
  })

  test('while its answer waits for it here, complete, does not keep the upstream connection', async () => {
    const behind = await rawAnswer(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n',
    )
    const { port } = await serveProxy(behind.url, (app) => (req, res) => {
      const { write } = res
      res.write = (...args: unknown[]) => {
        write.apply(res, args as Parameters<typeof write>)
        return false
      }
      return app(req, res)
    })
    const wire = new Wire(port)
    wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    await wire.until(/1\r\na\r\n/)
    wire.reset()
    await closing(behind.sockets[0]!)
  })

  test('in the middle of its body never ends the body upstream', async () => {
    const seen: string[] = []
    const { url } = await serveNode((req) => {
      req.on('data', (chunk) => seen.push(String(chunk)))
      req.on('end', () => seen.push('whole'))
      req.on('error', (error: Error) => seen.push(error.message))
    })
    const { port } = await serveProxy(url)
    const wire = new Wire(port)
    wire.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf')
    await vi.waitFor(() => expect(seen).toEqual(['half']))
    wire.reset()
    await vi.waitFor(() => expect(seen).toEqual(['half', 'aborted']))
  })
})

describe('an upstream', () => {
  test.each(['close', 'reset'] as const)(
    'that dies in the middle of its answer resets the client (%s)',
    async (end) => {
      for (const text of [
        'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf',
        `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n4\r\nhalf\r\n`,
      ]) {
        const behind = await rawAnswer(text, end)
        const { port, reports } = await serveProxy(behind.url)
        const wire = new Wire(port)
        wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
        const answer = await wire.untilClosed()
        expect(answer).not.toMatch(/\r\n0\r\n\r\n$/)
        expect(reports).toEqual([expect.stringMatching(/: (?:the answer broke off|read ECONNRESET)$/)])
      }
    },
  )

  test('that closes without an answer is a 502', async () => {
    const behind = await rawUpstream((socket) => socket.once('data', () => socket.end()))
    const { port, reports } = await serveProxy(behind.url)
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(reports).toEqual([`GET: proxy to ${behind.url}: socket hang up`])
  })

  test('that does not answer in time is a 504', async () => {
    const behind = await rawUpstream(() => {})
    const { port, reports } = await serveProxy({ address: behind.url, proxy_timeout: 1 })
    const answer = await ask(port, '/')
    expect(answer).toMatch(/^HTTP\/1\.1 504 Gateway Timeout\r\n/)
    expect(bodyOf(answer)).toBe('504 Gateway Timeout: the server behind this address took too long\n')
    expect(reports).toEqual([`GET: proxy to ${behind.url}: no answer in time`])
    await closing(behind.sockets[0]!)
  })

  test('that stops in the middle of its answer resets the client', async () => {
    const behind = await rawUpstream((socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'))
    })
    const { port, reports } = await serveProxy({ address: behind.url, proxy_timeout: 1 })
    const wire = new Wire(port)
    wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    expect(await wire.untilClosed()).toMatch(/half$/)
    expect(reports).toEqual([`GET: proxy to ${behind.url}: the answer stood still`])
  })

  test('to which no connection comes about in time is a 504', async () => {
    const behind = await rawUpstream(() => {}) // takes the connection and never says a word of TLS
    const address = behind.url.replace('http:', 'https:')
    const { port, reports } = await serveProxy({ address, timeout: 1 })
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 504 Gateway Timeout\r\n/)
    expect(reports).toEqual([`GET: proxy to ${address}: no connection in time`])
    await closing(behind.sockets[0]!)
  })

  test('may take as long as proxy_timeout on a kept connection, whatever it says about idle ones', async () => {
    let requests = 0
    const behind = await rawUpstream((socket) => {
      socket.on('data', () => {
        const answer = 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 2\r\n\r\nok'
        setTimeout(() => socket.write(answer), requests++ === 0 ? 0 : 1500)
      })
    })
    const { port } = await serveProxy({ address: behind.url, proxy_timeout: 30 })
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 200 /)
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 200 /)
    expect(behind.sockets).toHaveLength(1)
  })

  test('that closes a kept connection just as it is used gets a repeatable request again', async () => {
    const behind = await closesSecondRequest()
    const { port, reports } = await serveProxy(behind.url)
    expect(await ask(port, '/first')).toMatch(/^HTTP\/1\.1 200 /)
    expect(await ask(port, '/again')).toMatch(/^HTTP\/1\.1 200 /)
    expect(behind.sockets).toHaveLength(2)
    expect(reports).toEqual([])
  })

  test('never gets a POST twice', async () => {
    const behind = await closesSecondRequest()
    const { port } = await serveProxy(behind.url)
    expect(await ask(port, '/first')).toMatch(/^HTTP\/1\.1 200 /)
    const text = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    expect(await exchange(port, text)).toMatch(/^HTTP\/1\.1 502 /)
    expect(behind.sockets).toHaveLength(1)
  })
})

describe('in front of HTTP/2', () => {
  async function client(address: string) {
    const app = proxy({ address, onError: () => {} })
    const port = await listenFree(createHttp2Server(guard(app) as never))
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    onTestFinished(() => {
      session.destroy()
      void app.close!()
    })
    return session
  }

  test('requests and answers pass, with bodies, cookies and trailers', async () => {
    const behind = await rawUpstream((socket) => {
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk
        if (!text.includes('0\r\n\r\n') && !text.startsWith('GET')) return
        const echo = Buffer.from(text).toString('base64')
        socket.write(
          `HTTP/1.1 201 Made Up\r\nConnection: keep-alive\r\nKeep-Alive: timeout=9\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n` +
            `${CHUNKED}\r\n${echo.length.toString(16)}\r\n${echo}\r\n0\r\nX-Sum: 1\r\n\r\n`,
        )
        text = ''
      })
    })
    const session = await client(behind.url)
    for (const [method, body] of [
      ['GET', ''],
      ['POST', 'hello'],
    ] as const) {
      const stream = session.request({
        ':method': method,
        ':path': '//a?x',
        ':authority': 'two.example',
        cookie: 'c=1',
      })
      if (body !== '') stream.end(body)
      let trailers: unknown
      stream.on('trailers', (headers) => {
        trailers = headers['x-sum']
      })
      const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
      let echo = ''
      for await (const chunk of stream) echo += chunk
      const got = Buffer.from(echo, 'base64').toString()
      expect(headers).toMatchObject({ ':status': 201, 'set-cookie': ['a=1', 'b=2'] })
      expect(headers).not.toHaveProperty('keep-alive')
      expect(got).toMatch(new RegExp(`^${method} /a\\?x HTTP/1\\.1\r\n`))
      expect(got).toMatch(/\r\nx-forwarded-host: two\.example\r\n/)
      expect(got).toMatch(/\r\ncookie: c=1\r\n/)
      expect(got).not.toMatch(/\r\n:/)
      if (body !== '') expect(got).toMatch(/\r\n\r\n5\r\nhello\r\n0\r\n\r\n$/)
      expect(trailers).toBe('1')
    }
  })

  test('an upstream that dies resets the stream, and a client that goes away the request', async () => {
    const dying = await rawAnswer('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf', 'close')
    const broken = (await client(dying.url)).request({ ':path': '/' })
    broken.resume()
    await expect(once(broken, 'end')).rejects.toThrow('Stream closed with error code NGHTTP2_INTERNAL_ERROR')

    const silent = await rawUpstream(() => {})
    const left = (await client(silent.url)).request({ ':path': '/' })
    left.on('error', () => {})
    await vi.waitFor(() => expect(silent.sockets[0]?.bytesRead).toBeGreaterThan(0))
    left.close()
    await closing(silent.sockets[0]!)
  })

  test('an upstream that is down is a 502', async () => {
    const server = createServer()
    const port = await listenFree(server)
    await new Promise((resolve) => server.close(resolve))
    const stream = (await client(`http://127.0.0.1:${port}`)).request({ ':path': '/' })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect(headers[':status']).toBe(502)
  })
})

test('many clients at once, some of which break off, leave nothing open', async () => {
  const behind = await upstream(
    (req, res) => void setTimeout(() => res.end(req.url), Number(req.url!.slice(1)) % 7),
  )
  const { port } = await serveProxy(behind.url)
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      if (i % 5 === 0) {
        const lost = request({ port, host: '127.0.0.1', path: `/${i}`, agent: false }).on('error', () => {})
        lost.end(() => lost.destroy())
        return 'lost'
      }
      return bodyOf(await ask(port, `/${i}`))
    }),
  )
  expect(answers).toEqual(Array.from({ length: 200 }, (_, i) => (i % 5 === 0 ? 'lost' : `/${i}`)))
  await vi.waitFor(async () => {
    const open = await new Promise<number>((resolve) =>
      behind.server.getConnections((_error, count) => resolve(count)),
    )
    expect(open).toBeLessThanOrEqual(64)
  })
})

/** Answers the first request of the first connection, closes at its second; later connections are well. */
function closesSecondRequest() {
  let connections = 0
  return rawUpstream((socket) => {
    const first = connections++ === 0
    let requests = 0
    socket.on('data', () => {
      if (first && requests++ > 0) socket.resetAndDestroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
}
