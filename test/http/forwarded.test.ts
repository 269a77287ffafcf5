// What proxies say, as [server:main] and the filter prefix read it: the two are one, whatever a client forges.

import { describe, expect, onTestFinished, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import { factory as makePrefix } from '../../src/filters/prefix.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { factory as makeServer } from '../../src/servers/http.js'
import { ask, bodyOf } from '../support/http.js'

const show: App = (req, res) => {
  const { REMOTE_ADDR, HTTP_HOST, 'wsgi.url_scheme': scheme } = environ(req)
  res.end(`${scheme} ${HTTP_HOST} ${REMOTE_ADDR}`)
}

type Settings = Record<string, string>

async function serve(app: App, settings: Settings): Promise<number> {
  const running = await makeServer(makeConf([]), makeConf(Object.entries({ port: '0', ...settings })))(app)
  onTestFinished(() => running.close())
  return Number(new URL(running.urls[0]!).port)
}

/** What each of the two makes of a request. */
async function read(settings: Settings, lines: readonly string[]): Promise<string[]> {
  const prefix = await makePrefix(makeConf([]), makeConf(Object.entries(settings)))
  const ports = [await serve(show, settings), await serve(prefix(show), {})]
  return Promise.all(ports.map(async (port) => bodyOf(await ask(port, '/', ...lines))))
}

const xff = { trusted_proxies: 'loopback 10.0.0.0/8', trusted_headers: 'x-forwarded' }
const standard = { trusted_proxies: 'loopback 10.0.0.0/8', trusted_headers: 'forwarded' }

describe('[server:main] and prefix agree', () => {
  test.each<[string, Settings, string[], string]>([
    ['nothing said', xff, [], 'http test 127.0.0.1'],
    ['a chain', xff, ['X-Forwarded-For: 6.6.6.6, 1.2.3.4, 10.1.1.1'], 'http test 1.2.3.4'],
    ['a chain with a gap', xff, ['X-Forwarded-For: 1.2.3.4, unknown, 10.1.1.1'], 'http test 10.1.1.1'],
    ['several lines', xff, ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-For: 1.2.3.4'], 'http test 1.2.3.4'],
    [
      'a limit of hops',
      { ...xff, trusted_hops: '1' },
      ['X-Forwarded-For: 1.2.3.4, 10.1.1.1'],
      'http test 10.1.1.1',
    ],
    [
      'everybody, behind one proxy',
      { ...xff, trusted_proxies: '*', trusted_hops: '1' },
      ['X-Forwarded-For: 6.6.6.6, 1.2.3.4', 'X-Forwarded-Proto: https'],
      'https test 1.2.3.4',
    ],
    ['a port of its own', xff, ['X-Forwarded-Host: a.b', 'X-Forwarded-Port: 81'], 'http a.b:81 127.0.0.1'],
    [
      'two schemes that differ',
      xff,
      ['X-Forwarded-Proto: http', 'X-Forwarded-Scheme: https'],
      'http test 127.0.0.1',
    ],
    [
      'two schemes alike',
      xff,
      ['X-Forwarded-Proto: https', 'X-Forwarded-Scheme: HTTPS'],
      'https test 127.0.0.1',
    ],
    [
      'only what is named',
      { ...xff, trusted_headers: 'X-Forwarded-For, x-forwarded-proto x-forwarded-by' },
      [
        'X-Forwarded-For: 1.2.3.4',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: evil',
        'X-Forwarded-Scheme: http',
      ],
      'https test 1.2.3.4',
    ],
    ['the other kind', xff, ['Forwarded: for=6.6.6.6;host=evil;proto=https'], 'http test 127.0.0.1'],
    ['Forwarded', standard, ['Forwarded: for=1.2.3.4;host=a.b;proto=https'], 'https a.b 1.2.3.4'],
    [
      'Forwarded by two proxies',
      standard,
      [
        'Forwarded: for=6.6.6.6;host=evil, for="[2001:db8::1]:4711";proto=https;host="a.b", For=10.0.0.1;proto=http',
      ],
      'https a.b 2001:db8::1',
    ],
    [
      'Forwarded in two lines',
      standard,
      ['Forwarded: for=6.6.6.6;proto=https', 'Forwarded: for=1.2.3.4;proto=http'],
      'http test 1.2.3.4',
    ],
    [
      'Forwarded, names hidden',
      standard,
      ['Forwarded: for=6.6.6.6, for=_hidden;proto=https'],
      'https test 127.0.0.1',
    ],
    [
      'Forwarded, quotes left open',
      standard,
      ['Forwarded: for="1.2.3.4, for=6.6.6.6'],
      'http test 127.0.0.1',
    ],
    ['Forwarded, a comma in quotes', standard, ['Forwarded: for=1.2.3.4;host="a,b"'], 'http test 1.2.3.4'],
    [
      'Forwarded, said twice',
      standard,
      ['Forwarded: for=1.2.3.4;for=6.6.6.6;proto=https;proto=x'],
      'https test 1.2.3.4',
    ],
    [
      'X-Forwarded-* beside Forwarded',
      standard,
      ['X-Forwarded-For: 6.6.6.6', 'X-Real-IP: 6.6.6.6'],
      'http test 127.0.0.1',
    ],
    ['somebody else', { trusted_proxies: '10.0.0.0/8' }, ['X-Forwarded-For: 6.6.6.6'], 'http test 127.0.0.1'],
  ])('on %s', async (_what, settings, lines, told) => {
    expect(await read(settings, lines)).toEqual([told, told])
  })

  test('on hosts that are none', async () => {
    for (const host of [
      'a b',
      'a/b',
      'a@b',
      '<x>',
      'a"b',
      'a:1:2',
      '[::1',
      'a:123456',
      `${'a'.repeat(5000)}/`,
    ])
      expect(await read(xff, [`X-Forwarded-Host: ${host}`])).toEqual(Array(2).fill('http test 127.0.0.1'))
    expect(await read(xff, ['X-Forwarded-Host: [::1]:81'])).toEqual(Array(2).fill('http [::1]:81 127.0.0.1'))
  })

  test('on the settings', () => {
    const reason =
      'expected x-forwarded, forwarded, or headers as in x-forwarded-for x-forwarded-proto, got "forwarded x-forwarded-for"'
    const conf = makeConf([['trusted_headers', 'forwarded x-forwarded-for']])
    for (const factory of [makeServer, makePrefix])
      expect(() => factory(makeConf([]), conf)).toThrow(new OptionError('trusted_headers', reason))
  })
})

test("[server:main] takes waitress' names, and refuses hops without proxies", async () => {
  const settings = { trusted_proxy: '*', trusted_proxy_count: '2', trusted_proxy_headers: 'x-forwarded-for' }
  const port = await serve(show, settings)
  const lines = ['X-Forwarded-For: 6.6.6.6, 1.2.3.4, 5.6.7.8', 'X-Forwarded-Proto: https']
  expect(bodyOf(await ask(port, '/', ...lines))).toBe('http test 1.2.3.4')
  expect(() => makeServer(makeConf([]), makeConf([['trusted_hops', '1']]))).toThrow(
    new OptionError('trusted_hops', 'needs trusted_proxies beside it'),
  )
})
