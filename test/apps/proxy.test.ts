import { readFileSync } from 'node:fs'
import { createServer as createSecureServer } from 'node:https'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { factory, proxy } from '../../src/apps/proxy.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import { environ } from '../../src/http/environ.js'
import { testCertificate } from '../support/certificate.js'
import { ROOT, run } from '../support/cli.js'
import { compile } from '../support/compile.js'
import { ask, bodyOf, exchange, listenFree, serveApp, Wire } from '../support/http.js'
import { serveProxy, upstream } from '../support/upstream.js'

interface Vector {
  readonly address: string
  readonly conf?: Record<string, string>
  readonly in?: {
    readonly PATH_INFO: string
    readonly qs?: string
    readonly headers?: Record<string, string>
    readonly script?: string
    readonly method?: string
    readonly body?: string
    readonly extra?: Record<string, string>
  }
  readonly backend_got?: {
    readonly line: string
    readonly headers: [string, string][]
    readonly body: string
  }[]
  readonly out: { readonly status?: string; readonly body?: string; readonly headers?: [string, string][] }
}

const fixture = join(import.meta.dirname, '..', 'fixtures', 'parts', 'parts.json')
const vectors = (JSON.parse(readFileSync(fixture, 'utf8')) as { proxy: Vector[] }).proxy

/** What is better here than in Paste, by request line: see docs/parts/proxy.md. */
const BETTER: Readonly<Record<string, string>> = {
  'GET /admin HTTP/1.1': 'GET /base/admin HTTP/1.1',
  'GET /evil.com/x HTTP/1.1': 'GET /base/evil.com/x HTTP/1.1',
}
/** Headers that Python's HTTP client adds or drops, and those that a proxy must not pass on but Paste does. */
const OTHER = new Set([
  'accept-encoding',
  'connection',
  'upgrade',
  'te',
  'content-length',
  'host',
  'x-forwarded-for',
])

describe("Paste's proxy", () => {
  for (const vector of vectors.filter((vector) => vector.in !== undefined)) {
    const { PATH_INFO, qs, headers = {}, script = '', method = 'GET', body = '', extra = {} } = vector.in!
    const { line, headers: expected } = vector.backend_got![0]!
    test(`${vector.address} ${JSON.stringify(vector.conf)} ${method} ${script}${PATH_INFO}`, async () => {
      const behind = await upstream((_req, res) => {
        res.setHeader('Set-Cookie', ['a=1', 'b=2'])
        res.setHeader('Location', 'http://127.0.0.1:PORT/elsewhere')
        res.setHeader('X-Up', '1')
        res.end('ok')
      })
      const address = vector.address.replace('PORT', String(behind.port))
      const app = await factory(
        makeConf([]),
        makeConf([['address', address], ...Object.entries(vector.conf ?? {})]),
      )
      const { port } = await serveApp((req, res) => {
        Object.assign(req, { baseUrl: script, originalUrl: script + req.url })
        environ(req).REMOTE_ADDR = '10.0.0.9'
        return app(req, res)
      })
      const sent = {
        ...headers,
        ...(extra.CONTENT_TYPE === undefined ? {} : { 'Content-Type': extra.CONTENT_TYPE }),
      }
      delete (sent as Record<string, string>).Upgrade // Node's fetch may not say these
      delete (sent as Record<string, string>).Connection
      const lines = Object.entries({ Host: 'front.example', ...sent }).map(
        ([name, value]) => `${name}: ${value}\r\n`,
      )
      const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`
      const target = PATH_INFO + (qs === undefined ? '' : `?${qs}`)
      const answer = await exchange(
        port,
        `${method} ${target} HTTP/1.1\r\n${lines.join('')}${length}Connection: close\r\n\r\n${body}`,
      )
      const got = behind.got[0]!
      expect(`${got.method} ${got.url} HTTP/1.1`).toBe(BETTER[line] ?? line)
      expect(got.body).toBe(vector.backend_got![0]!.body)
      expect(got.headers.host).toBe(`127.0.0.1:${behind.port}`)
      expect(got.headers['x-forwarded-for']).toBe('10.0.0.9')
      for (const [name, value] of expected)
        if (!OTHER.has(name.toLowerCase())) expect(got.headers[name]).toBe(value)
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
      expect(answer).toMatch(
        /Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nLocation: http:\/\/127.0.0.1:PORT\/elsewhere\r\nX-Up: 1\r\n/,
      )
      expect(bodyOf(answer)).toBe(vector.out.body)
    })
  }

  test('whose backend is down is a 502 here', async () => {
    const { port, reports } = await serveProxy(`http://127.0.0.1:${await freePort()}`)
    const answer = await ask(port, '/')
    expect(answer).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(bodyOf(answer)).toBe(
      '502 Bad Gateway: the server behind this address could not be reached or broke off\n',
    )
    expect(reports).toEqual([
      expect.stringMatching(/^GET: proxy to http:\/\/127\.0\.0\.1:\d+: connect ECONNREFUSED /),
    ])
  })
})

describe('a proxy', () => {
  test('sends the rest of the path below the address, however the address is written', async () => {
    const behind = await upstream()
    const mounts = urlmap({
      '/': proxy({ address: behind.url }),
      '/bare': proxy({ address: `${behind.url}/base` }),
      '/slash': proxy({ address: `${behind.url}/base/` }),
    })
    const { port } = await serveApp(mounts)
    const asked = ['/', '/x?y', '/bare', '/bare?q', '/bare/', '/bare/x', '/slash', '/slash/', '/slash/x?q']
    for (const path of asked) await ask(port, path)
    expect(behind.got.map(({ url }) => url)).toEqual([
      '/',
      '/x?y',
      '/base',
      '/base?q',
      '/base/',
      '/base/x',
      '/base/',
      '/base/',
      '/base/x?q',
    ])
  })

  test('sends paths as urlmap and filters read them', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(`${behind.url}/base`)
    for (const path of [
      '//a//b',
      '/a/%2e%2e/%2E%2E/b',
      '/%61%2f%c3%a9;x',
      '/a\\b',
      '/100%?next=http://h//x/../y',
    ]) {
      await ask(port, path)
    }
    await exchange(port, 'OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    await ask(port, 'http://front.example/abs//olute')
    expect(behind.got.map(({ url }) => url)).toEqual([
      '/base/a/b',
      '/base/b',
      '/base/a%2F%C3%A9;x',
      '/base/a%5Cb',
      '/base/100%25?next=http://h//x/../y',
      '/base',
      '/base/abs/olute',
    ])
  })

  test('never asks for anything outside of the base path', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(`${behind.url}/base`)
    for (const path of ['/../admin', '/%2e%2e/admin', '/x/../../admin']) await ask(port, path)
    for (const { url } of behind.got) expect(url).toMatch(/^\/base\//)
    const refused = [
      '/..%2fadmin',
      '/..//..\\..',
      '/..%5cadmin',
      '/..;/admin',
      '/x/..;a=b/admin',
      '/%2f..%2f',
      '/a%5c..',
      '/..%3b',
    ]
    for (const path of refused) expect(await ask(port, path)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(behind.got).toHaveLength(3)
  })

  test('passes names with dots that step nowhere', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    for (const path of ['/a..b', '/...', '/..a', '/a..;x', '/x?a=/../..%2f']) await ask(port, path)
    expect(behind.got.map(({ url }) => url)).toEqual(['/a..b', '/...', '/..a', '/a..;x', '/x?a=/../..%2f'])
  })

  test('lets only allowed methods pass', async () => {
    const behind = await upstream()
    const { port } = await serveProxy({ address: behind.url, allowed_request_methods: ['get', 'HEAD'] })
    const answer = await exchange(port, 'DELETE / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\n/)
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 200 /)
    expect(behind.got).toHaveLength(1)
  })

  test('speaks https with no upstream whose certificate it does not trust', async () => {
    const port = await listenFree(createSecureServer(testCertificate, (_req, res) => res.end('secret')))
    const { port: front, reports } = await serveProxy(`https://localhost:${port}`)
    expect(await ask(front, '/')).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(reports).toEqual([
      expect.stringContaining(`proxy to https://localhost:${port}: self-signed certificate`),
    ])
  })

  test('speaks https with one that it trusts, whatever host a client asks for, and prints no warning', async () => {
    const secure = createSecureServer(testCertificate, (req, res) => {
      res.end(`${req.headers.host} ${(req.socket as TLSSocket & { servername: unknown }).servername}`)
    })
    const port = await listenFree(secure)
    const { stdout, stderr, code } = await run(
      process.execPath,
      ['--input-type=module', '-e', OTHER_PROCESS],
      {
        env: {
          NODE_EXTRA_CA_CERTS: join(import.meta.dirname, '../fixtures/tls/cert.pem'),
          NODE_PATH: join(ROOT, 'node_modules'),
          PROXY: pathToFileURL(compile('src/apps/proxy.ts')).href,
          PORT: `${port}`,
        },
      },
    )
    expect({ stdout, stderr, code }).toEqual({
      stdout: 'evil.example localhost\nevil.example false\n',
      stderr: '',
      code: 0,
    })
  })

  test('does not crash by an upgrade request, and passes none on but WebSockets (tunnel.test.ts)', async () => {
    const behind = await upstream()
    const { port } = await serveProxy(behind.url)
    const answer = await ask(port, '/ws', 'Connection: Upgrade', 'Upgrade: h2c')
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(behind.got[0]!.headers).not.toHaveProperty('upgrade')
    const wire = new Wire(port)
    wire.send('GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    wire.reset()
    await wire.closed
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('closes its connections when it is closed', async () => {
    const behind = await upstream()
    const app = proxy({ address: behind.url })
    const { port } = await serveApp(app)
    await ask(port, '/')
    const closed = new Promise((resolve) => behind.server.close(resolve))
    await app.close!()
    await closed
  })
})

/** Asks an https upstream by its name and by its address. http-proxy prints DEP0060 in a process of its own, if at all. */
const OTHER_PROCESS = `
  import { createServer, get } from 'node:http'
  const { proxy } = await import(process.env.PROXY)
  for (const name of ['localhost', '127.0.0.1']) {
    const app = proxy({ address: 'https://' + name + ':' + process.env.PORT, preserve_host: true })
    const server = createServer(app).listen(0, '127.0.0.1')
    await new Promise((done) => server.once('listening', done))
    const { port } = server.address()
    await new Promise((done) => {
      get({ port, host: '127.0.0.1', headers: { host: 'evil.example' }, agent: false }, async (res) => {
        for await (const chunk of res) console.log(String(chunk))
        done()
      })
    })
    app.close()
    server.close()
  }
`

describe('the settings of a proxy', () => {
  test.each<[Record<string, string>, string, string]>([
    [
      {},
      'address',
      'missing: Where requests go: http or https, a host, perhaps a path that all of them are below.',
    ],
    [{ address: 'localhost:80' }, 'address', ADDRESS()],
    [{ address: 'ftp://h/' }, 'address', ADDRESS()],
    [{ address: 'http://' }, 'address', ADDRESS()],
    [
      { address: 'http://u:geheim@h/' },
      'address',
      'expected no user name or password in it: they would be sent for everybody',
    ],
    [{ address: 'http://h/?x' }, 'address', 'expected no query and no # in it'],
    [{ address: 'http://h/', adress: 'x' }, 'adress', 'no such setting. Did you mean "address"?'],
    [
      { address: 'http://h/', trust_forwarded: 'maybe' },
      'trust_forwarded',
      'expected true or false, got "maybe"',
    ],
  ])('%j are refused with a sentence', (settings, key, reason) => {
    expect(() => factory(makeConf([]), makeConf(Object.entries(settings)))).toThrow(
      new OptionError(key, reason),
    )
  })
})

function ADDRESS(): string {
  return 'expected where to send requests, as in http://127.0.0.1:8080/base'
}

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  const port = await listenFree(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}
