import { describe, expect, test } from 'vitest'
import { proxy } from '../../../src/apps/proxy.js'
import { urlmap } from '../../../src/apps/urlmap.js'
import { beakerSession } from '../../../src/filters/beaker_session.js'
import { getSession } from '../../../src/filters/get-session.js'
import { environ } from '../../../src/http/environ.js'
import { ask, bodyOf, exchange, serveApp, serveUnchecked } from '../../support/http.js'
import { rawAnswer, serveProxy, upstream } from '../../support/upstream.js'

describe('the headers of a request', () => {
  test('that belong to the connection stay here, those that Connection names too', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    const text = [
      'GET / HTTP/1.1',
      'Host: front.example',
      'Connection: close, X-Named, cookie',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic c2VjcmV0',
      'Proxy: http://evil.example/',
      'TE: trailers',
      'Trailer: X',
      'Upgrade: h2c',
      'HTTP2-Settings: AA',
      'Expect: 100-continue',
      'X-Named: 1',
      'Cookie: c=1',
      'X-Kept: 1',
      'Accept: */*',
    ]
    await exchange(port, `${text.join('\r\n')}\r\n\r\n`)
    expect(behind.got[0]!.headers).toEqual({
      host: `127.0.0.1:${behind.port}`,
      connection: 'keep-alive',
      'x-kept': '1',
      accept: '*/*',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'front.example',
      'x-forwarded-proto': 'http',
    })
  })

  const CLAIMS = [
    'X-Forwarded-For: 1.2.3.4',
    'X_Forwarded_For: 1.2.3.5',
    'X-Forwarded-Host: evil.example',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Prefix: /evil',
    'X-Forwarded-Port: 1',
    'X-Real-IP: 1.2.3.6',
    'Forwarded: for=1.2.3.7',
    'Connection: close, X-Forwarded-For, X-Forwarded-Proto',
  ]

  test('in which a client says who it is are replaced by what is so', async () => {
    const behind = await upstream()
    const { port } = await serveApp(urlmap({ '/mnt': urlmap({ '/café': proxy({ address: behind.url }) }) }))
    await ask(port, '/mnt/caf%c3%a9/x', ...CLAIMS)
    const { host, connection, ...rest } = behind.got[0]!.headers
    expect(rest).toEqual({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': 'test',
      'x-forwarded-proto': 'http',
      'x-forwarded-prefix': '/mnt/caf%C3%A9',
    })
  })

  test('of a trusted proxy in front are kept, and our part is added', async () => {
    const behind = await upstream()
    const { port } = await serveApp(urlmap({ '/mnt': proxy({ address: behind.url, trust_forwarded: true }) }))
    await ask(port, '/mnt', ...CLAIMS.slice(2, -1), 'X-Forwarded-For: 9.9.9.9')
    const { host, connection, ...rest } = behind.got[0]!.headers
    expect(rest).toEqual({
      'x-forwarded-for': '9.9.9.9, 127.0.0.1',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
      'x-forwarded-prefix': '/evil/mnt',
      'x-forwarded-port': '1',
      'x-real-ip': '1.2.3.6',
      forwarded: 'for=1.2.3.7',
    })
  })

  test('tell what a filter has found out about the client', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url, (app) => (req, res) => {
      Object.assign(environ(req), {
        REMOTE_ADDR: '10.1.1.1',
        HTTP_HOST: 'public.example',
        'wsgi.url_scheme': 'https',
      })
      return app(req, res)
    })
    await ask(port, '/')
    expect(behind.got[0]!.headers).toMatchObject({
      'x-forwarded-for': '10.1.1.1',
      'x-forwarded-host': 'public.example',
      'x-forwarded-proto': 'https',
    })
  })

  test('say the host of the address, or with preserve_host the one that the client asked', async () => {
    const behind = await upstream()
    const plain = await serveProxy(behind.url)
    const preserving = await serveProxy({ address: behind.url, preserve_host: true })
    await ask(plain.port, '/')
    await ask(preserving.port, '/')
    await exchange(preserving.port, 'GET / HTTP/1.0\r\n\r\n')
    await ask(preserving.port, 'http://absolute.example/x')
    const own = `127.0.0.1:${behind.port}`
    expect(behind.got.map(({ headers }) => headers.host)).toEqual([own, 'test', own, 'absolute.example'])
  })

  test('named by suppress_http_headers stay here, however they are written', async () => {
    const behind = await upstream()
    const { port } = await serveProxy({
      address: behind.url,
      suppress_http_headers: ['Authorization', 'x-forwarded-for', 'x-key'],
    })
    await ask(port, '/', 'authorization: Basic c2VjcmV0', 'X_Key: 1', 'X-Other: 1')
    const { host, connection, ...rest } = behind.got[0]!.headers
    expect(rest).toEqual({ 'x-other': '1', 'x-forwarded-host': 'test', 'x-forwarded-proto': 'http' })
  })

  test('are data, whatever they are called and hold', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    await ask(port, '/', '__proto__: x', 'constructor: y', 'X-Latin: \xe9\xff', 'Cookie: a=1', 'Cookie: b=2')
    expect(behind.got[0]!.headers).toMatchObject({
      constructor: 'y',
      'x-latin': '\xe9\xff',
      cookie: 'a=1; b=2',
    })
  })
})

describe('the headers of an answer', () => {
  test('that belong to the connection stay there, those that Connection names too', async () => {
    const behind = await rawAnswer(
      'HTTP/1.1 201 Made Up\r\nConnection: keep-alive, X-Named\r\nKeep-Alive: timeout=77\r\nX-Named: 1\r\n' +
        'Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nTrailer: X\r\nX-Kept: \xe9\r\nx-twice: 1\r\nX-Twice: 2\r\n' +
        'Content-Length: 2\r\n\r\nok',
    )
    const { port } = await serveProxy(behind.url)
    const answer = await ask(port, '/')
    expect(answer.replace(/Date: .*\r\n/, '')).toBe(
      'HTTP/1.1 201 Made Up\r\nX-Kept: \xe9\r\nx-twice: 1\r\nX-Twice: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok',
    )
  })

  test('are added to what filters have set for Set-Cookie and Vary, and replace the rest', async () => {
    const behind = await upstream((_req, res) => {
      res.setHeader('Set-Cookie', ['up=1', 'up=2'])
      res.setHeader('vary', 'Accept-Encoding')
      res.setHeader('X-Frame-Options', 'DENY')
      res.setHeader('Link', ['<a>', '<b>'])
      res.end('ok')
    })
    const { port } = await serveProxy(behind.url, (app) => (req, res) => {
      res.setHeader('Set-Cookie', 'front=1')
      res.setHeader('Vary', 'Cookie')
      res.setHeader('X-Frame-Options', 'SAMEORIGIN')
      res.setHeader('X-Front', '1')
      return app(req, res)
    })
    const response = await fetch(`http://127.0.0.1:${port}/`)
    expect(response.headers.getSetCookie()).toEqual(['front=1', 'up=1', 'up=2'])
    expect(Object.fromEntries(response.headers)).toMatchObject({
      vary: 'Cookie, Accept-Encoding',
      'x-frame-options': 'DENY',
      'x-front': '1',
      link: '<a>, <b>',
    })
  })

  test('reach the client together with the cookie of the session in front', async () => {
    const behind = await upstream((_req, res) => {
      res.setHeader('Set-Cookie', ['up=1', 'up=2'])
      res.end('ok')
    })
    const session = beakerSession({ key: 'sid', secret: 'only-for-this-test' })
    const { port } = await serveProxy(behind.url, (app) =>
      session(async (req, res) => {
        const mine = await getSession(req)
        mine.set('seen', true)
        mine.save()
        return app(req, res)
      }),
    )
    const response = await fetch(`http://127.0.0.1:${port}/`)
    expect(await response.text()).toBe('ok')
    expect(response.headers.getSetCookie()).toEqual(['up=1', 'up=2', expect.stringMatching(/^sid=/)])
  })

  test('that no client should get are a 502', async () => {
    for (const head of [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      'HTTP/1.1 200 OK\r\nBad Header: 1\r\n\r\n',
      `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'SSH-2.0-OpenSSH\r\n',
    ]) {
      const behind = await rawAnswer(head, 'close')
      const { port, reports } = await serveProxy(behind.url, (app) => app, serveUnchecked)
      const answer = await ask(port, '/')
      expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
      expect(answer).not.toMatch(/transfer-encoding|x: x/i)
      expect(reports).toHaveLength(1)
    }
  })

  test.each(['000', '099', '101'])('under the status %s, which ends nothing, are a 502', async (status) => {
    const behind = await rawAnswer(
      `HTTP/1.1 ${status} What\r\nSet-Cookie: up=1\r\nContent-Length: 4\r\n\r\nbody`,
    )
    const { port, reports } = await serveProxy(behind.url, (app) => (req, res) => {
      res.setHeader('X-Outer', '1')
      return app(req, res)
    })
    const answer = await ask(port, '/')
    expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(answer).not.toMatch(/set-cookie/i)
    expect(bodyOf(answer)).toMatch(/^502 Bad Gateway: /)
    expect(reports).toEqual([
      `GET: proxy to ${behind.url}: the answer has the status ${Number(status)}, expected 200 to 999`,
    ])
  })

  test('come without a length for 204, which has no body', async () => {
    const behind = await rawAnswer('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nX-Kept: 1\r\n\r\n')
    const { port } = await serveProxy(behind.url)
    const answer = await ask(port, '/')
    expect(answer).toMatch(/^HTTP\/1\.1 204 No Content\r\nX-Kept: 1\r\n/)
    expect(answer).not.toMatch(/content-length|transfer-encoding/i)
    expect(bodyOf(answer)).toBe('')
  })
})
