import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Duplex } from 'node:stream'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import type { App } from '../../src/protocol.js'
import { factory, listen, options } from '../../src/servers/http.js'
import { ask, bodyOf, exchange, listenFree, serveApp, Wire } from '../support/http.js'

const hello: App = (_req, res) => res.end('hello')

/** Serves by an INI section. */
async function serveSection(settings: Record<string, string>, app = hello) {
  const server = await factory(makeConf([]), makeConf(Object.entries(settings)))
  const running = await server(app)
  onTestFinished(() => running.close())
  return { ...running, port: Number(new URL(running.urls[0]!).port) }
}

/** An app whose answers the test gives, one by one. */
function slowApp() {
  const waiting: ServerResponse[] = []
  const app: App = (_req, res) => void waiting.push(res)
  return { app, waiting, next: (count = 1) => vi.waitFor(() => expect(waiting.length).toBe(count)) }
}

const GET = 'GET / HTTP/1.1\r\nHost: h\r\n\r\n'

describe('[server:main]', () => {
  test('listens on 127.0.0.1 and tells the real port when the port is 0', async () => {
    const { urls, port } = await serveSection({ port: '0' })
    expect(urls).toEqual([`http://127.0.0.1:${port}`])
    expect(port).toBeGreaterThan(0)
    expect(bodyOf(await ask(port, '/'))).toBe('hello')
  })

  test.each([
    [{ host: '', port: '0' }, '127.0.0.1'],
    [{ host: ' localhost ', port: '0' }, 'localhost'],
    [{ host: '127.0.0.1:0' }, '127.0.0.1'],
    [{ host: '0.0.0.0', port: '0' }, '127.0.0.1'],
    [{ host: '*:0' }, '127.0.0.1'],
    [{ listen: 'localhost:0' }, 'localhost'],
    [{ host: 'localhost:0', port: '0' }, 'localhost'],
  ])('takes %j', async (settings, host) => {
    const { urls, port } = await serveSection(settings as Record<string, string>)
    expect(urls).toEqual([`http://${host}:${port}`])
    expect(await (await fetch(urls[0]!)).text()).toBe('hello')
  })

  const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
    list?.some(({ address }) => address === '::1'),
  )
  test.runIf(hasIPv6).each([{ host: '[::1]:0' }, { host: '::1', port: '0' }])(
    'takes the IPv6 host %j',
    async (settings) => {
      const { urls, port } = await serveSection(settings as Record<string, string>)
      expect(urls).toEqual([`http://[::1]:${port}`])
      expect(await (await fetch(urls[0]!)).text()).toBe('hello')
    },
  )

  test.each<[Record<string, string>, string, string]>([
    [{ port: 'abc' }, 'port', 'expected a whole number from 0 to 65535, got "abc"'],
    [{ port: '65536' }, 'port', 'expected a whole number from 0 to 65535, got "65536"'],
    [
      { host: 'localhost:http' },
      'host',
      'expected a host as in 127.0.0.1, localhost:8080, [::1]:8080 or *:8080, got "localhost:http"',
    ],
    [
      { host: '[nonsense]' },
      'host',
      'expected a host as in 127.0.0.1, localhost:8080, [::1]:8080 or *:8080, got "[nonsense]"',
    ],
    [
      { host: 'http://localhost' },
      'host',
      'expected a host as in 127.0.0.1, localhost:8080, [::1]:8080 or *:8080, got "http://localhost"',
    ],
    [{ host: 'localhost:80', port: '81' }, 'port', 'given twice: host says 80'],
    [
      { listen: 'localhost:80', port: '80' },
      'listen',
      'says the same as host and port: give either it or them',
    ],
    [
      { listen: '*:80 [::1:80' },
      'listen',
      'expected addresses as in localhost:8080, *:80 [::1]:80 or unix:/run/app.sock, got "*:80 [::1:80"',
    ],
    [
      { unix_socket: 'x.sock', listen: '*:80' },
      'unix_socket',
      'stands in listen as unix:/path, when listen is given',
    ],
    [
      { unix_socket: 'x.sock', port: '80' },
      'unix_socket',
      'says the same as host and port: give either it or them',
    ],
    [
      { unix_socket_perms: '888' },
      'unix_socket_perms',
      'expected permissions in octal as in 600 or 0660, got "888"',
    ],
    [{ headers_timeout: '400' }, 'headers_timeout', 'expected no more than request_timeout, 300 seconds'],
    [
      { trusted_proxies: '10.0.0.0/33' },
      'trusted_proxies',
      'expected addresses of proxies as in 10.0.0.0/8, 127.0.0.1, fd00::/8, loopback, unix or *, got "10.0.0.0/33"',
    ],
    [{ workers: '0' }, 'workers', 'expected a whole number from 1 to 1024, or auto, got "0"'],
    [{ tls_key: 'x.pem' }, 'tls_key', 'needs tls_cert beside it'],
    [
      { ssl_pem: 'x.pem', tls_cert: 'x.pem' },
      'ssl_pem',
      'says the same as tls_cert and tls_key: give either it or them',
    ],
    [{ ssl_pem: '*' }, 'ssl_pem', 'expected a file; no certificate is made up, as Paste does for *'],
    [{ tls_cert: '/nowhere/x.pem' }, 'tls_cert', "can't read /nowhere/x.pem: ENOENT"],
    [{ prot: '80' }, 'prot', 'no such setting. Did you mean "port"?'],
    [
      { graceful_timeout: '-1' },
      'graceful_timeout',
      'expected a time of at least 0 seconds as in 90, 90s, 30m, 12h or 7d, got "-1"',
    ],
  ])('refuses %j with a sentence', async (settings, key, reason) => {
    const make = async () => factory(makeConf([]), makeConf(Object.entries(settings)))
    await expect(make()).rejects.toThrow(new OptionError(key, reason))
  })

  test("takes the settings of Paste's and waitress' servers that mean nothing here, and says why", async () => {
    const ignored = Object.entries(options).filter(([, { ignored }]) => ignored !== undefined)
    expect(ignored.map(([name]) => name)).toEqual(
      expect.arrayContaining(['threads', 'use_threadpool', 'daemon_threads']),
    )
    const { port } = await serveSection({
      port: '0',
      ...Object.fromEntries(ignored.map(([name]) => [name, 'x'])),
    })
    expect(bodyOf(await ask(port, '/'))).toBe('hello')
  })
})

describe('a port that is taken', () => {
  test('is an error that names it', async () => {
    const port = await listenFree(createNetServer())
    const error = await listen(hello, { port }).catch((error: unknown) => error)
    expect(error).toMatchObject({
      code: 'EADDRINUSE',
      port,
      message: `listen EADDRINUSE: address already in use 127.0.0.1:${port}`,
    })
  })
})

describe('a running server', () => {
  test.each([
    ['no HTTP', 'nonsense\r\n\r\n', '400 Bad Request'],
    ['HTTP/1.1 without Host', 'GET / HTTP/1.1\r\n\r\n', '400 Bad Request'],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      '400 Bad Request',
    ],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      '400 Bad Request',
    ],
    [
      'a huge header',
      `GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431 Request Header Fields Too Large',
    ],
    ['a path with a NUL', 'GET /%00 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n', '400 Bad Request'],
  ])('answers %s and lives on', async (_what, text, status) => {
    const { port } = await serveApp(hello)
    expect(await exchange(port, text)).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\n`))
    expect(bodyOf(await ask(port, '/'))).toBe('hello')
  })

  test('answers HTTP/1.0 without a Host', async () => {
    const { port } = await serveApp(hello)
    expect(bodyOf(await exchange(port, 'GET / HTTP/1.0\r\n\r\n'))).toBe('hello')
  })

  test('closes a CONNECT that nobody takes', async () => {
    const { port } = await serveApp(hello)
    expect(await exchange(port, 'CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n')).toBe('')
    expect(bodyOf(await ask(port, '/'))).toBe('hello')
  })

  test('hands a WebSocket over to an app that takes it', async () => {
    const { port } = await serveApp(echoingUpgrades())
    const wire = new Wire(port)
    wire.send('GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nearly ')
    await wire.until(/101 Switching Protocols\r\n\r\nearly /)
    wire.send('late')
    await wire.until(/early late/)
  })

  test('serves a request that offers a WebSocket as any other when the app takes none', async () => {
    const { port } = await serveApp(hello)
    expect(bodyOf(await ask(port, '/', 'Connection: Upgrade', 'Upgrade: websocket'))).toBe('hello')
  })

  test.each([
    ['GET', '', ''],
    ['POST', 'Content-Length: 70000\r\n', 'x'.repeat(70_000)],
    ['POST', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'],
  ])('serves a %s that offers HTTP/2 as any other (%s)', async (method, headers, body) => {
    const app = echoingUpgrades()
    const { port } = await serveApp(app)
    const wire = new Wire(port)
    wire.send(
      `${method} /a HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n` +
        `X-Latin: \xe9\r\n${headers}\r\n${body.slice(0, 5)}`,
    )
    wire.send(body.slice(5))
    const bytes = body.startsWith('3') ? 3 : body.length
    await wire.until(new RegExp(`${method} /a ${bytes} é undefined undefined;`.replace('é', '\xe9')))
    wire.send('GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    expect(await wire.untilClosed()).toMatch(/GET \/b 0 /)
  })
})

describe('close()', () => {
  test('lets a running request finish, and says that the connection ends', async () => {
    const { app, waiting, next } = slowApp()
    const { port, server } = await serveApp(app, 30)
    const wire = new Wire(port)
    wire.send(GET)
    await next()
    const closed = server.close()
    await refusal(port)
    waiting[0]!.end('finished')
    expect(await wire.untilClosed()).toMatch(
      /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*Connection: close\r\n(.*\r\n)*\r\nfinished$/,
    )
    await closed
  })

  test('closes a connection whose answer had begun when it ends', async () => {
    const { app, waiting, next } = slowApp()
    const { port, server } = await serveApp(app, 30)
    const wire = new Wire(port)
    wire.send(GET)
    await next()
    waiting[0]!.write('begun, ')
    await wire.until(/begun/)
    const closed = server.close()
    waiting[0]!.end('finished')
    expect(await wire.untilClosed()).toMatch(
      /Connection: keep-alive\r\n(.|\r\n)*begun, (.|\r\n)*finished\r\n0\r\n\r\n$/,
    )
    await closed
  })

  test('closes idle connections at once, used ones and new ones', async () => {
    const { port, server } = await serveApp(hello, 30)
    const used = new Wire(port)
    used.send(GET)
    await used.until(/hello/)
    const fresh = new Wire(port)
    await once(fresh.socket, 'connect')
    await bodyOf(await ask(port, '/'))
    await server.close()
    expect(await used.untilClosed()).toMatch(/Connection: keep-alive/)
    expect(await fresh.untilClosed()).toBe('')
  })

  test('still answers a request that was being received, and says that the connection ends', async () => {
    const { port, server } = await serveApp(hello, 30)
    const wire = new Wire(port)
    wire.send('GET / HTTP/1.1\r\n')
    await ask(port, '/') // by now the first half has been read
    const closed = server.close()
    wire.send('Host: h\r\n\r\n')
    expect(await wire.untilClosed()).toMatch(/Connection: close\r\n(.*\r\n)*\r\nhello$/)
    await closed
  })

  test('answers all pipelined requests before the connection ends', async () => {
    const { app, waiting, next } = slowApp()
    const { port, server } = await serveApp(app, 30)
    const wire = new Wire(port)
    wire.send(GET + GET)
    await next(2)
    const closed = server.close()
    waiting[0]!.end('first')
    await wire.until(/first/)
    waiting[1]!.end('second')
    const answers = await wire.untilClosed()
    expect(answers.match(/Connection: [a-z-]+/g)).toEqual(['Connection: keep-alive', 'Connection: close'])
    expect(answers).toMatch(/second$/)
    await closed
  })

  test('does not cut off an answer that is ended but not all sent yet', async () => {
    const size = 30_000_000
    const { port, server } = await serveApp((_req, res) => res.end(Buffer.alloc(size, 'x')), 30)
    const wire = new Wire(port)
    wire.socket.pause()
    wire.send(GET)
    const other = await ask(port, '/none', 'Range: none').then(() => true) // the first answer is under way
    expect(other).toBe(true)
    const closed = server.close()
    wire.socket.resume()
    const answer = await wire.untilClosed()
    expect(answer.length - answer.indexOf('\r\n\r\n') - 4).toBe(size)
    await closed
  })

  test('ends what is left when graceful_timeout is over', async () => {
    const { app, next } = slowApp()
    const { port, server } = await serveApp(app, 0.05)
    const wire = new Wire(port)
    wire.send(GET)
    await next()
    await server.close()
    expect(await wire.untilClosed()).toBe('')
  })

  test('ends WebSockets politely, and for good when time is over', async () => {
    const { port, server } = await serveApp(echoingUpgrades(), 0.05)
    const request = 'GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'
    const polite = new Wire(port)
    polite.send(request)
    await polite.until(/101/)
    const deaf = new Wire(port)
    deaf.socket.allowHalfOpen = true
    deaf.send(request)
    await deaf.until(/101/)
    await server.close()
    await polite.closed
    deaf.socket.end()
    await deaf.closed
  })

  test('twice is once', async () => {
    const { server } = await serveApp(hello, 30)
    expect(server.close()).toBe(server.close())
    await server.close()
  })

  test('leaves the port free', async () => {
    const { port, server } = await serveApp(hello, 30)
    await server.close()
    const next = createServer()
    next.listen(port, '127.0.0.1')
    await once(next, 'listening')
    next.close()
  })
})

/** Resolves when `port` refuses connections. */
async function refusal(port: number): Promise<void> {
  await vi.waitFor(async () => {
    const wire = new Wire(port)
    const error = await new Promise<Error | undefined>((resolve) => {
      wire.socket.once('error', resolve).once('connect', () => resolve(undefined))
    })
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })
}

/** Tells what it got; takes every upgrade and sends back what comes. */
function echoingUpgrades(): App {
  const app: App = async (req, res) => {
    let bytes = 0
    for await (const chunk of req) bytes += (chunk as Buffer).length
    const { upgrade, 'http2-settings': settings, 'x-latin': latin } = req.headers
    res.end(Buffer.from(`${req.method} ${req.url} ${bytes} ${latin} ${upgrade} ${settings};`, 'latin1'))
  }
  app.upgrade = (_req, socket: Duplex, head) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    socket.write(head)
    socket.on('data', (chunk) => socket.write(chunk)).on('end', () => {})
  }
  return app
}
