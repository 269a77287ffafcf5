import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { factory, prefix } from '../../src/filters/prefix.js'
import { environ } from '../../src/http/environ.js'
import type { App, Filter } from '../../src/protocol.js'
import { ask, bodyOf, exchange, serveApp } from '../support/http.js'

const show: App = (req, res) => {
  const { SCRIPT_NAME, PATH_INFO, HTTP_HOST, REMOTE_ADDR, 'wsgi.url_scheme': scheme } = environ(req)
  const left = Object.keys(req.headers).filter((name) => name.includes('forwarded') || name === 'x-real-ip')
  res.end(
    JSON.stringify({ SCRIPT_NAME, PATH_INFO, HTTP_HOST, REMOTE_ADDR, scheme, left, host: req.headers.host }),
  )
}

async function see(filter: Filter, path: string, ...lines: string[]) {
  const { port } = await serveApp(filter(show))
  return JSON.parse(bodyOf(await ask(port, path, ...lines)))
}

interface Case {
  readonly conf: Record<string, string>
  readonly in: Record<string, string>
  readonly out: Record<string, string>
}

const { prefix: cases } = JSON.parse(
  readFileSync(new URL('../fixtures/parts/parts.json', import.meta.url), 'utf8'),
) as { prefix: Case[] }

/** Where docs/parts/prefix.md says that we do better: dots are dots, slashes are single, lists are lists. */
const better = (given: Case) =>
  given.conf.prefix === '/a.b' ||
  given.in.PATH_INFO === '/a//b' ||
  given.in['X-Forwarded-Proto'] === 'https, http'

describe('egg:PasteDeploy#prefix', () => {
  it.each(cases.filter((each) => each.out.error === undefined && !better(each)))(
    "does what PasteDeploy's does: $conf $in",
    async ({ conf, in: given, out }) => {
      const filter = factory(
        makeConf([]),
        makeConf([...Object.entries(conf), ['trusted_proxies', 'loopback']]),
      )
      const { port } = await serveApp(filter(show))
      const headers = Object.entries(given).filter(([name]) => /^(?:X-|Host)/.test(name))
      const text = headers.map(([name, value]) => `${name}: ${value}`)
      const host = given.Host === undefined ? [] : text.filter((line) => line.startsWith('Host'))
      const lines = text.filter((line) => !line.startsWith('Host'))
      const { HTTP_HOST, ...seen } = JSON.parse(
        bodyOf(
          await (host.length === 0
            ? ask(port, given.PATH_INFO!, ...lines)
            : exchange(
                port,
                `${[`GET ${given.PATH_INFO} HTTP/1.1`, ...host, 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`,
              )),
        ),
      )
      expect(seen).toMatchObject({
        SCRIPT_NAME: out.SCRIPT_NAME,
        PATH_INFO: out.PATH_INFO,
        scheme: out['wsgi.url_scheme'],
        left: [],
      })
      if (out.HTTP_HOST !== undefined) expect(HTTP_HOST).toBe(out.HTTP_HOST)
    },
  )

  it.each([
    ['/a.b', '/axb/y', ['/a.b', '/axb/y']],
    ['/james', '/jamesfoo', ['/james', '/jamesfoo']],
    ['/james', '/james', ['/james', '']],
    ['/james', '/james?x=/james', ['/james', '']],
    ['/a(b', '/a(b/c', ['/a(b', '/c']],
    ['/café', '/caf%C3%A9/x', ['/café', '/x']],
    ['/', '/x', ['', '/x']],
  ])('prefix = %s finds %s at %j', async (path, url, [script, rest] = []) => {
    expect(await see(prefix({ prefix: path }), url)).toMatchObject({ SCRIPT_NAME: script, PATH_INFO: rest })
  })

  it('keeps the mount that it stands in', async () => {
    const { url } = await serveApp(urlmap({ '/outer': prefix({ prefix: '/james' })(show) }))
    expect(await (await fetch(`${url}/outer/james/x`)).json()).toMatchObject({
      SCRIPT_NAME: '/outer/james',
      PATH_INFO: '/x',
    })
  })

  it('believes nobody when nobody is named, and lets no such header through', async () => {
    const lines = [
      'X-Forwarded-For: 6.6.6.6',
      'X-Forwarded-Host: evil',
      'X-Forwarded-Proto: https',
      'X-Real-IP: 6',
    ]
    expect(await see(prefix(), '/x', ...lines, 'Forwarded: for=6.6.6.6;host=evil;proto=https')).toEqual({
      SCRIPT_NAME: '',
      PATH_INFO: '/x',
      HTTP_HOST: 'test',
      REMOTE_ADDR: '127.0.0.1',
      scheme: 'http',
      left: [],
      host: 'test',
    })
  })

  it('leaves the headers alone without translate_forwarded_server', async () => {
    const seen = await see(prefix({ translate_forwarded_server: false }), '/', 'X-Forwarded-For: 6.6.6.6')
    expect(seen).toMatchObject({ REMOTE_ADDR: '127.0.0.1', left: ['x-forwarded-for'] })
  })

  it.each([
    ['the last entry', { trusted_proxies: ['loopback'] }, '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    [
      'the first that is no proxy',
      { trusted_proxies: ['127.0.0.1', '10.0.0.0/8'] },
      '6.6.6.6, 1.2.3.4, 10.1.1.1',
      '1.2.3.4',
    ],
    ['as many hops as there are', { trusted_hops: 2 }, '6.6.6.6, 1.2.3.4, 9.9.9.9', '1.2.3.4'],
    [
      'no more hops than said',
      { trusted_proxies: ['loopback', '10.0.0.0/8'], trusted_hops: 1 },
      '1.2.3.4, 10.1.1.1',
      '10.1.1.1',
    ],
    ['no entry of a stranger', { trusted_proxies: ['10.0.0.0/8'] }, '1.2.3.4', '127.0.0.1'],
    ['no nonsense', { trusted_proxies: ['loopback'] }, '1.2.3.4, unknown', '127.0.0.1'],
    ['an address with a port', { trusted_proxies: ['loopback'] }, '1.2.3.4:567', '1.2.3.4'],
    [
      'IPv6',
      { trusted_proxies: ['loopback', '2001:db8::/32'] },
      '2001:db9::1, [2001:db8::1]:80',
      '2001:db9::1',
    ],
    ['IPv4 in IPv6', { trusted_proxies: ['loopback', '10.0.0.1'] }, '1.2.3.4, ::ffff:10.0.0.1', '1.2.3.4'],
  ])('takes %s for the client', async (_what, given, header, address) => {
    expect(await see(prefix(given), '/', `X-Forwarded-For: ${header}`)).toMatchObject({
      REMOTE_ADDR: address,
    })
  })

  it('takes host, port, scheme and prefix from a trusted proxy', async () => {
    const lines = ['X-Forwarded-Host: shop.example', 'X-Forwarded-Port: 8443', 'X-Forwarded-Proto: https']
    const seen = await see(
      prefix({ trusted_proxies: ['loopback'] }),
      '/x',
      ...lines,
      'X-Forwarded-Prefix: /shop/',
    )
    expect(seen).toMatchObject({
      HTTP_HOST: 'shop.example:8443',
      host: 'shop.example:8443',
      scheme: 'https',
      SCRIPT_NAME: '/shop',
      PATH_INFO: '/x',
    })
  })

  it('reads Forwarded where that is what the proxies write, and nothing else', async () => {
    const filter = prefix({ trusted_proxies: ['loopback', '10.0.0.0/8'], trusted_headers: 'forwarded' })
    const header =
      'Forwarded: for=6.6.6.6;host=evil, for="[2001:db9::1]:4711";proto=https;host="shop.example", For=10.0.0.1'
    expect(await see(filter, '/', header, 'X-Forwarded-For: 6.6.6.6')).toMatchObject({
      REMOTE_ADDR: '2001:db9::1',
      HTTP_HOST: 'shop.example',
      scheme: 'https',
    })
  })

  it.each(['evil.example/path', 'evil.example, x y', 'a"b', ''])(
    'takes no host from X-Forwarded-Host: %s',
    async (host) => {
      const seen = await see(prefix({ trusted_proxies: ['loopback'] }), '/', `X-Forwarded-Host: ${host}`)
      expect(seen.HTTP_HOST).toBe('test')
    },
  )

  it('reads long and broken headers in time', async () => {
    const filter = prefix({ trusted_proxies: ['loopback'], trusted_headers: 'forwarded' })
    for (const part of ['"', '\\"', 'for=', ',', '="', ';']) {
      const seen = await see(filter, '/', `Forwarded: ${part.repeat(12_000 / part.length)}`)
      expect(seen.REMOTE_ADDR).toBe('127.0.0.1')
    }
  })

  it.each([
    [{ prefix: 'x' }, 'prefix: expected a path that starts with /, got "x"'],
    [{ force_port: 'http' }, 'force_port: expected a port, or nothing for the usual one, got "http"'],
    [
      { translate_forwarded_server: 'maybe' },
      'translate_forwarded_server: expected true or false, got "maybe"',
    ],
    [
      { trusted_proxies: '10.0.0.0/33' },
      'trusted_proxies: expected addresses of proxies as in 10.0.0.0/8, 127.0.0.1, fd00::/8, loopback, unix or *, got "10.0.0.0/33"',
    ],
  ])('refuses %o', (conf, message) => {
    expect(() => factory(makeConf([]), makeConf(Object.entries(conf)))).toThrow(message)
  })
})
