// Where the server listens, whom it believes, and what it limits.

import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request as plainRequest } from 'node:http'
import { Agent, request as tlsRequest } from 'node:https'
import { connect, createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { isDraining } from '../../src/http/draining.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { factory } from '../../src/servers/http.js'
import { ask, bodyOf, Wire } from '../support/http.js'

const TLS = join(import.meta.dirname, '../fixtures/tls')

const who: App = (req, res) => {
  const { REMOTE_ADDR, HTTP_HOST, 'wsgi.url_scheme': scheme } = environ(req)
  res.end(`${scheme} ${HTTP_HOST} ${REMOTE_ADDR}`)
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'sessd-http-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

async function serve(settings: Record<string, string>, here = tmpdir(), app = who) {
  const server = factory(makeConf([['here', here]]), makeConf(Object.entries(settings)))
  const running = await server(app)
  onTestFinished(() => running.close())
  return running
}

const portOf = (url: string | undefined) => Number(new URL(url!).port)

async function askUnix(path: string): Promise<string> {
  const socket = connect(path)
  socket.write('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  return bodyOf(await text(socket))
}

describe('listen', () => {
  test('takes several addresses, unix sockets among them', async () => {
    const here = directory()
    const { urls } = await serve({ listen: '127.0.0.1:0 localhost:0 unix:app.sock' }, here)
    expect(urls).toEqual([
      expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^http:\/\/localhost:\d+$/),
      `unix:${here}/app.sock`,
    ])
    expect(bodyOf(await ask(portOf(urls[0]), '/'))).toBe('http test 127.0.0.1')
    expect(await askUnix(join(here, 'app.sock'))).toBe('http h ')
    expect(statSync(join(here, 'app.sock')).mode & 0o777).toBe(0o600)
  })

  test('closes what it opened when one address is taken', async () => {
    const other = createNetServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const { port } = other.address() as { port: number }
    const here = directory()
    await expect(serve({ listen: `unix:app.sock 127.0.0.1:${port}` }, here)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    })
    await expect(askUnix(join(here, 'app.sock'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('unix_socket', () => {
  test('gets the permissions of unix_socket_perms, and is gone in the end', async () => {
    const here = directory()
    const running = await serve({ unix_socket: 'app.sock', unix_socket_perms: '660' }, here)
    expect(statSync(join(here, 'app.sock')).mode & 0o777).toBe(0o660)
    await running.close()
    await expect(askUnix(join(here, 'app.sock'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('takes the place of a socket whose program is gone, never of one that is served', async () => {
    const here = directory()
    const first = await serve({ unix_socket: 'app.sock' }, here)
    await expect(serve({ unix_socket: 'app.sock' }, here)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(await askUnix(join(here, 'app.sock'))).toBe('http h ')
    await first.close()
  })
})

describe('tls_cert and tls_key', () => {
  const paths = { tls_cert: join(TLS, 'cert.pem'), tls_key: join(TLS, 'key.pem') }

  async function askTls(url: string): Promise<string> {
    const agent = new Agent({ rejectUnauthorized: false })
    onTestFinished(() => agent.destroy())
    const [res] = await once(tlsRequest(url, { agent, headers: { host: 'h' } }).end(), 'response')
    return text(res)
  }

  test('make it speak TLS, and the environ say https', async () => {
    const { urls } = await serve({ listen: '127.0.0.1:0', ...paths })
    expect(urls[0]).toMatch(/^https:/)
    expect(await askTls(urls[0]!)).toBe('https h 127.0.0.1')
  })

  test('may be one file, which Paste calls ssl_pem', async () => {
    const here = directory()
    writeFileSync(
      join(here, 'both.pem'),
      readFileSync(paths.tls_cert, 'utf8') + readFileSync(paths.tls_key, 'utf8'),
    )
    for (const settings of [{ ssl_pem: 'both.pem' }, { tls_cert: 'both.pem' }]) {
      const { urls } = await serve({ listen: '127.0.0.1:0', ...(settings as Record<string, string>) }, here)
      expect(await askTls(urls[0]!)).toBe('https h 127.0.0.1')
    }
  })

  test('are read again by reload(), and the old ones stay when the new ones are bad', async () => {
    const here = directory()
    for (const file of ['cert.pem', 'key.pem']) copyFileSync(join(TLS, file), join(here, file))
    const running = await serve({ listen: '127.0.0.1:0', tls_cert: 'cert.pem', tls_key: 'key.pem' }, here)
    await running.reload!()
    expect(await askTls(running.urls[0]!)).toBe('https h 127.0.0.1')
    writeFileSync(join(here, 'cert.pem'), 'nonsense')
    expect(() => running.reload!()).toThrow(
      `tls_key: expected a certificate in ${here}/cert.pem and its key in ${here}/key.pem, both PEM (OpenSSL: no start line)`,
    )
    expect(await askTls(running.urls[0]!)).toBe('https h 127.0.0.1')
  })

  test('leave nothing open at the end, be it idle, unused or half shaken hands', async () => {
    const running = await serve({ listen: '127.0.0.1:0', graceful_timeout: '30', ...paths })
    const port = portOf(running.urls[0])
    const bare = connect(port, '127.0.0.1').on('error', () => {})
    const unused = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await Promise.all([once(bare, 'connect'), once(unused, 'secureConnect')])
    await askTls(running.urls[0]!)
    const closed = Promise.all([once(bare, 'close'), once(unused.resume(), 'close')])
    await running.close()
    await closed
  })
})

describe('trusted_proxies', () => {
  const ask3 = async (settings: Record<string, string>, ...lines: string[]) => {
    const { urls } = await serve({ listen: '127.0.0.1:0', ...settings })
    return bodyOf(await ask(portOf(urls[0]), '/', ...lines))
  }
  const FORGED = ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: evil']

  test('are nobody unless given: what clients forge is not believed', async () => {
    expect(await ask3({}, ...FORGED)).toBe('http test 127.0.0.1')
    expect(await ask3({ trusted_proxies: '10.0.0.0/8 unix' }, ...FORGED)).toBe('http test 127.0.0.1')
  })

  test.each<[string, string[], string]>([
    ['loopback', ['X-Forwarded-For: 1.2.3.4'], 'http test 1.2.3.4'],
    ['127.0.0.1', ['X-Forwarded-For: 6.6.6.6, 1.2.3.4'], 'http test 1.2.3.4'],
    [
      'loopback, 10.0.0.0/8',
      ['X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1', 'X-Forwarded-Proto: https, http'],
      'https test 1.2.3.4',
    ],
    [
      '*',
      ['X-Forwarded-Proto: https', 'X-Forwarded-Host: www.example.org:8443'],
      'https www.example.org:8443 127.0.0.1',
    ],
    ['loopback', ['X-Forwarded-For: [2001:db8::1]:99'], 'http test 2001:db8::1'],
    ['loopback', ['X-Forwarded-For: 1.2.3.4:5678'], 'http test 1.2.3.4'],
    ['loopback', ['X-Forwarded-For: unknown', 'X-Forwarded-Proto: ftp'], 'http test 127.0.0.1'],
    ['loopback', ['X-Forwarded-Host: <script>'], 'http test 127.0.0.1'],
  ])('%s: believes the last word of %j', async (trusted_proxies, lines, told) => {
    expect(await ask3({ trusted_proxies }, ...lines)).toBe(told)
    expect(await ask3({ trusted_proxy: trusted_proxies }, ...lines)).toBe(told)
  })
})

describe('limits', () => {
  test('go by their own names and by those of Node', async () => {
    for (const name of ['max_header_size', 'maxHeaderSize']) {
      const { urls } = await serve({ listen: '127.0.0.1:0', [name]: '2k' })
      expect(await ask(portOf(urls[0]), '/', `X: ${'x'.repeat(3000)}`)).toMatch(/^HTTP\/1\.1 431 /)
    }
    const { urls } = await serve({ listen: '127.0.0.1:0', maxRequestsPerSocket: '1' })
    const wire = new Wire(portOf(urls[0]))
    wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    expect(await wire.untilClosed()).toMatch(/Connection: close/)
  })

  test('are for the head of a request no longer than for all of it', async () => {
    const { urls } = await serve({ listen: '127.0.0.1:0', requestTimeout: '5s' })
    expect(await ask(portOf(urls[0]), '/')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('drop an idle connection after keep_alive_timeout', async () => {
    const { urls } = await serve({ listen: '127.0.0.1:0', keep_alive_timeout: '1' })
    const wire = new Wire(portOf(urls[0]))
    wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
    expect(await wire.untilClosed()).toMatch(/Keep-Alive: timeout=1\r\n/)
  })
})

describe('while it stops', () => {
  test('isDraining says so, and with drain_delay new connections still hear it', async () => {
    const health: App = (req, res) => res.end(String(isDraining(req)))
    const running = await serve({ listen: '127.0.0.1:0', drain_delay: '1' }, tmpdir(), health)
    const port = portOf(running.urls[0])
    expect(bodyOf(await ask(port, '/'))).toBe('false')
    const closed = running.close()
    expect(bodyOf(await ask(port, '/'))).toBe('true')
    await closed
  })

  test('a patient close lets an idle connection ask once more', async () => {
    const running = await serve({ listen: '127.0.0.1:0' })
    const wire = new Wire(portOf(running.urls[0]))
    wire.send('GET / HTTP/1.1\r\nHost: one\r\n\r\n')
    await wire.until(/http one/)
    const closed = running.close({ patient: true })
    wire.send('GET / HTTP/1.1\r\nHost: two\r\n\r\n')
    expect(await wire.untilClosed()).toMatch(/Connection: close\r\n(.*\r\n)*\r\nhttp two/)
    await closed
  })

  test('a server that nobody asks anything is closed at once', async () => {
    const running = await serve({ listen: '127.0.0.1:0' })
    const [res] = await once(plainRequest(running.urls[0]!).end(), 'response')
    await text(res)
    await running.close()
  })
})
