import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer as createSecureServer, get as secureGet } from 'node:https'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { factory, urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import { environ } from '../../src/http/environ.js'
import { guard } from '../../src/http/guard.js'
import type { App, Conf, Loader } from '../../src/protocol.js'
import { testCertificate } from '../support/certificate.js'
import { ask, bodyOf, exchange, listenFree, serveApp, serveNode, Wire } from '../support/http.js'

/** An app that says who it is and where it was mounted. */
function named(name: string): App {
  return (req, res) => {
    const { SCRIPT_NAME, PATH_INFO } = environ(req)
    res.end(JSON.stringify({ app: name, SCRIPT_NAME, PATH_INFO }))
  }
}

/** An urlmap of named apps; `paths` may be keys or pairs of key and name. */
function mapOf(...mounts: (string | readonly [string, string])[]): App {
  return urlmap(
    mounts.map((entry): [string, App] =>
      typeof entry === 'string' ? [entry, named(entry)] : [entry[0], named(entry[1])],
    ),
  )
}

async function answerOf(port: number, path: string, host = 'example.com'): Promise<Record<string, unknown>> {
  const answer = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  return answer.startsWith('HTTP/1.1 200') ? JSON.parse(bodyOf(answer)) : { status: answer.slice(9, 12) }
}

interface Vectors {
  readonly parse_path_expression: [string, { address?: string; error?: string }][]
  readonly normalize_url: [string, [string | null, string] | { error: string }][]
  readonly groups: Group[]
}
interface Group {
  readonly name: string
  readonly what: string
  readonly mounts: [string | [string, string], string][]
  readonly not_found_app?: string
  readonly requests: {
    readonly path_info: string
    readonly host: string | null
    readonly scheme: 'http' | 'https'
    readonly script_name: string
    readonly expect: { app?: string; SCRIPT_NAME?: string; PATH_INFO?: string; status?: string }
  }[]
}

const fixture = join(import.meta.dirname, '..', 'fixtures', 'urlmap', 'urlmap.json')
const vectors = JSON.parse(readFileSync(fixture, 'utf8')) as Vectors

/** What is better here than in Paste, by group and path: see docs/parts/urlmap.md. */
const BETTER: Readonly<Record<string, Record<string, unknown>>> = {
  'prefix /foo/../b': { app: 'b', SCRIPT_NAME: '/b', PATH_INFO: '' },
  'bad-path *': { app: 'root', SCRIPT_NAME: '', PATH_INFO: '*' },
  'no-host /nope': { status: '404' },
  'domain-case /': { app: 'foo', SCRIPT_NAME: '', PATH_INFO: '/' },
  'domain-vs-port /x foo.com:8080': { app: 'foo8080x', SCRIPT_NAME: '/x', PATH_INFO: '' },
  'ipv6 /': { app: 'six', SCRIPT_NAME: '', PATH_INFO: '/' },
  'dot-segments /x/../admin': { app: 'admin', SCRIPT_NAME: '/admin', PATH_INFO: '' },
  'dot-segments /admin/../x': { app: 'root', SCRIPT_NAME: '', PATH_INFO: '/x' },
  'dot-segments /.': { app: 'root', SCRIPT_NAME: '', PATH_INFO: '/' },
}

/** Mounts that are errors here: `domain [` is no host, and three keys for one place are two too many. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  ipv6: ['domain ['],
  duplicates: ['/foo/', '//foo'],
}

/** A path as WSGI has it, as it stands in a request. */
function onTheWire(path: string): string {
  return path.startsWith('/') ? path.split('/').map(encodeURIComponent).join('/') : path
}

describe("Paste's urlmap", () => {
  for (const group of vectors.groups) {
    const mounts = group.mounts
      .map(([key, name]) => [typeof key === 'string' ? key : `http://${key.join('')}`, name] as const)
      .filter(([key]) => !REFUSED[group.name]?.includes(key))
    const notFound = group.not_found_app
    for (const request of group.requests) {
      const host = request.host === null ? '' : ` ${request.host}`
      test(`${group.name}: ${request.path_info}${host}`, async () => {
        const map = urlmap(
          mounts.map(([key, name]): [string, App] => [key, named(name)]),
          notFound === undefined ? {} : { notFound: named(notFound) },
        )
        const { port } = await serveApp((req, res) => {
          Object.assign(req, { baseUrl: request.script_name, originalUrl: request.script_name + req.url })
          environ(req)['wsgi.url_scheme'] = request.scheme
          return map(req, res)
        })
        const method = request.path_info === '*' ? 'OPTIONS' : 'GET'
        const hostLine = request.host === null ? '' : `Host: ${request.host}\r\n`
        const version = request.host === null ? '1.0' : '1.1'
        const head = `${method} ${onTheWire(request.path_info)} HTTP/${version}\r\n${hostLine}`
        const answer = await exchange(port, `${head}Connection: close\r\n\r\n`)
        const got = /^HTTP\/1\.1 200/.test(answer)
          ? (JSON.parse(bodyOf(answer)) as object)
          : { status: answer.slice(9, 12) }
        const name = `${group.name} ${request.path_info}`
        const expected =
          BETTER[name + host] ??
          BETTER[name] ??
          (group.name === 'duplicates'
            ? { app: 'one', SCRIPT_NAME: '/foo', PATH_INFO: '' }
            : request.expect.app === undefined
              ? { status: request.expect.status!.slice(0, 3) }
              : request.expect)
        expect(got).toEqual(expected)
      })
    }
  }
})

describe('the longest path wins', () => {
  test('at the borders of segments, whatever the order of the mounts', async () => {
    const { port } = await serveApp(mapOf('/a/b', '/', '/a', '/a/b/c/d'))
    expect(await answerOf(port, '/a/b/c')).toEqual({ app: '/a/b', SCRIPT_NAME: '/a/b', PATH_INFO: '/c' })
    expect(await answerOf(port, '/a/bc')).toEqual({ app: '/a', SCRIPT_NAME: '/a', PATH_INFO: '/bc' })
    expect(await answerOf(port, '/ab')).toEqual({ app: '/', SCRIPT_NAME: '', PATH_INFO: '/ab' })
  })

  test('and an escaped slash is no border', async () => {
    const { port } = await serveApp(mapOf('/a', '/', '/a/b', ['/x%2Fy', 'literal']))
    expect(await answerOf(port, '/a%2fb')).toEqual({ app: '/', SCRIPT_NAME: '', PATH_INFO: '/a%2Fb' })
    expect(await answerOf(port, '/a/%2e%2e%2fb')).toMatchObject({ app: '/a', PATH_INFO: '/..%2Fb' })
    expect(await answerOf(port, '/x%2fy/z')).toEqual({
      app: 'literal',
      SCRIPT_NAME: '/x%2Fy',
      PATH_INFO: '/z',
    })
  })

  test('and escapes make no difference otherwise', async () => {
    const { port } = await serveApp(mapOf('/café-au-lait', '/a+b@c'))
    expect(await answerOf(port, '/caf%c3%A9%2dau-%6c%61it/x')).toMatchObject({
      app: '/café-au-lait',
      PATH_INFO: '/x',
    })
    expect(await answerOf(port, '/a%2Bb%40c')).toMatchObject({ app: '/a+b@c', PATH_INFO: '' })
  })

  test('and names of object methods are names like others', async () => {
    const { port } = await serveApp(mapOf('/__proto__', '/constructor/toString'))
    expect(await answerOf(port, '/__proto__/x')).toMatchObject({ app: '/__proto__' })
    expect(await answerOf(port, '/constructor/toString')).toMatchObject({ app: '/constructor/toString' })
    expect(await answerOf(port, '/constructor')).toEqual({ status: '404' })
    expect(await answerOf(port, '/hasOwnProperty')).toEqual({ status: '404' })
  })

  test('also among ten thousand', async () => {
    const mounts = Array.from({ length: 10_000 }, (_, i) => `/team/${i % 100}/app/${i}`)
    const { port } = await serveApp(mapOf(...mounts))
    expect(await answerOf(port, '/team/99/app/9999/x')).toMatchObject({
      app: '/team/99/app/9999',
      PATH_INFO: '/x',
    })
    expect(await answerOf(port, '/team/99/app/9998')).toEqual({ status: '404' })
  })
})

describe('a mounted app', () => {
  test('gets the rest of the path, with the query, in normal form', async () => {
    const shown: unknown[] = []
    const app: App = (req, res) => {
      const { url, baseUrl, originalUrl } = req as IncomingMessage & Record<'baseUrl' | 'originalUrl', string>
      shown.push([url, baseUrl, originalUrl])
      res.end()
    }
    const { port } = await serveApp(urlmap({ '/a': urlmap({ '/b': app, '/': app }) }))
    await ask(port, '//a/%62/../b/c%2f%64?x=//y')
    await ask(port, '/a/b?x')
    await ask(port, '/a/c/')
    expect(shown).toEqual([
      ['/c%2Fd?x=//y', '/a/b', '/a/b/c%2Fd?x=//y'],
      ['/?x', '/a/b', '/a/b?x'],
      ['/c/', '/a', '/a/c/'],
    ])
  })

  test('that throws is an error of the server, not of the others', async () => {
    const { port, errors } = await serveApp(
      urlmap({
        '/bad': async () => {
          throw new Error('broken app')
        },
        '/good': named('good'),
      }),
    )
    expect(await answerOf(port, '/bad')).toEqual({ status: '500' })
    expect(await answerOf(port, '/good')).toMatchObject({ app: 'good' })
    expect(errors).toEqual(['GET /: broken app'])
  })
})

describe('hosts', () => {
  test('with a port come before hosts, and hosts before none, as long as they have the path', async () => {
    const { port } = await serveApp(
      mapOf(
        ['/', 'any'],
        ['/only', 'only'],
        ['domain foo.com', 'foo'],
        ['domain foo.com port 8080 /x', 'foo8080x'],
        ['domain bar.com /x', 'barx'],
      ),
    )
    expect(await answerOf(port, '/x', 'foo.com:8080')).toMatchObject({ app: 'foo8080x' })
    expect(await answerOf(port, '/y', 'foo.com:8080')).toMatchObject({ app: 'foo' })
    expect(await answerOf(port, '/x', 'foo.com')).toMatchObject({ app: 'foo', PATH_INFO: '/x' })
    expect(await answerOf(port, '/only', 'foo.com')).toMatchObject({ app: 'foo', PATH_INFO: '/only' })
    expect(await answerOf(port, '/only', 'bar.com')).toMatchObject({ app: 'only' })
    expect(await answerOf(port, '/', 'bar.com')).toMatchObject({ app: 'any' })
  })

  test('may be IPv6 addresses, with and without port', async () => {
    const { port } = await serveApp(
      mapOf(['http://[::1]/', 'six'], ['http://[::1]:8080/', 'six8080'], ['/', 'any']),
    )
    expect(await answerOf(port, '/', '[::1]')).toMatchObject({ app: 'six' })
    expect(await answerOf(port, '/', '[::1]:81')).toMatchObject({ app: 'six' })
    expect(await answerOf(port, '/', '[::1]:8080')).toMatchObject({ app: 'six8080' })
    expect(await answerOf(port, '/', '[::2]')).toMatchObject({ app: 'any' })
  })

  test('that are IPv6 addresses are the same in each of their spellings', async () => {
    const { port } = await serveApp(mapOf(['http://[0:0::1]/', 'six'], ['/', 'any']))
    for (const host of ['[::1]', '[0:0:0:0:0:0:0:1]:80'])
      expect(await answerOf(port, '/', host)).toMatchObject({ app: 'six' })
    expect(() => mapOf(['http://[::A]', 'a'], ['http://[0::a]', 'b'])).toThrow(
      'http://[0::a]: the same place as "http://[::A]", where something is mounted',
    )
  })

  test('may be international names, which browsers send in ASCII', async () => {
    const { port } = await serveApp(mapOf(['domain BÜCHER.example', 'books'], ['/', 'any']))
    expect(await answerOf(port, '/', 'xn--bcher-kva.EXAMPLE')).toMatchObject({ app: 'books' })
  })

  test('are taken from the request target if it says one', async () => {
    const { port } = await serveApp(mapOf(['domain foo.com /x', 'foo'], ['/', 'any']))
    expect(await answerOf(port, 'http://foo.com/x/y', 'bar.com')).toMatchObject({
      app: 'foo',
      PATH_INFO: '/y',
    })
    expect(await answerOf(port, 'http://bar.com/x/y', 'foo.com')).toMatchObject({ app: 'any' })
  })

  test('that are none match no host', async () => {
    const { port } = await serveApp(mapOf(['domain foo.com', 'foo'], ['/', 'any']))
    for (const host of [
      '',
      'foo.com,bar.com',
      'foo.com.',
      '[foo.com]',
      ':80',
      'foo.com@bar.com',
      '\xff\xfe',
    ]) {
      expect(await answerOf(port, '/', host)).toMatchObject({ app: 'any' })
    }
  })

  test('have port 443 on https', async () => {
    const map = guard(mapOf(['domain foo.com port 443', 'secure'], ['domain foo.com port 80', 'plain']))
    const port = await listenFree(createSecureServer(testCertificate, (req, res) => void map(req, res)))
    const body = await new Promise((resolve) => {
      const options = {
        port,
        host: '127.0.0.1',
        headers: { host: 'foo.com' },
        rejectUnauthorized: false,
        agent: false,
      }
      secureGet(options, (res) => res.on('data', (chunk) => resolve(String(chunk))))
    })
    expect(body).toContain('"secure"')
  })
})

describe('what no mount is for', () => {
  test('is a bare 404 that tells nothing about the mounts', async () => {
    const { port } = await serveApp(mapOf('/secret-admin'))
    const answer = await ask(port, '/<b>?x')
    expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\nContent-Type: text\/plain; charset=utf-8\r\n/)
    expect(bodyOf(answer)).toBe('404 Not Found\n')
  })

  test('goes to not_found as it came', async () => {
    const { port } = await serveApp(urlmap({ '/foo': named('foo') }, { notFound: named('nf') }))
    expect(await answerOf(port, '/nope/x')).toEqual({ app: 'nf', SCRIPT_NAME: '', PATH_INFO: '/nope/x' })
  })

  test('is 200 for OPTIONS *, which asks for the server', async () => {
    const { port } = await serveApp(mapOf('/foo'))
    expect(await exchange(port, 'OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 200 /,
    )
  })

  test.each(['/%00', '/foo/%0a', 'ftp://h/foo'])(
    'is 400 for %s, without a server that checks first',
    async (target) => {
      const map = mapOf('/', '/foo')
      const { port } = await serveNode((req, res) => void map(req, res))
      expect(await ask(port, target)).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    },
  )
})

describe('an upgrade', () => {
  const socketApp: App = Object.assign<App, Pick<App, 'upgrade'>>(named('ws'), {
    upgrade: (req, socket) => {
      socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${environ(req).SCRIPT_NAME} ${req.url}`)
    },
  })
  const request = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`

  test('goes to the mount that its path is for', async () => {
    const { port } = await serveApp(urlmap({ '/a': urlmap({ '/ws': socketApp }), '/plain': named('plain') }))
    expect(bodyOf(await exchange(port, request('//a/./ws/x?y')))).toBe('/a/ws /x?y')
  })

  test.each([
    ['/none', '404 Not Found'],
    ['/plain', '501 Not Implemented'],
    ['/%00', '400 Bad Request'],
  ])('to %s is refused with %s and closed', async (path, status) => {
    const { port } = await serveApp(urlmap({ '/ws': socketApp, '/plain': named('plain') }))
    const answer = await exchange(port, request(path))
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\nConnection: close\r\n`))
    expect(bodyOf(answer)).toBe(`${status}\n`)
  })

  test('goes to not_found if that takes upgrades', async () => {
    const { port } = await serveApp(urlmap({ '/plain': named('plain') }, { notFound: socketApp }))
    expect(bodyOf(await exchange(port, request('/x')))).toBe(' /x')
  })

  test('that is refused and reset at once does no harm', async () => {
    const { port } = await serveApp(urlmap({ '/ws': socketApp }))
    const wire = new Wire(port)
    wire.send(request('/none'))
    wire.reset()
    await wire.closed
    expect(await ask(port, '/ws')).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('in an INI', () => {
  test('every key is a mount and every value the name of an app', async () => {
    const asked: [string, Conf | undefined][] = []
    const conf = makeConf([['debug', 'true']])
    const map = await factory(
      loaderOf(asked),
      conf,
      makeConf([
        ['/', 'site'],
        ['/404', 'ten'],
        ['/10', 'config:x.ini#y'],
      ]),
    )
    expect(asked).toEqual([
      ['site', conf],
      ['ten', conf],
      ['config:x.ini#y', conf],
    ])
    const { port } = await serveApp(map)
    expect(await answerOf(port, '/10')).toMatchObject({ app: 'config:x.ini#y' })
  })

  test.each([
    ['the section', [['not_found_app', 'nf']], []],
    ['[DEFAULT]', [], [['not_found_app', 'nf']]],
    ['the section rather than [DEFAULT]', [['not_found_app', 'nf']], [['not_found_app', 'other']]],
  ] as [string, [string, string][], [string, string][]][])(
    'not_found_app is taken from %s',
    async (_where, local, global) => {
      const map = await factory(loaderOf(), makeConf(global), makeConf([['/foo', 'foo'], ...local]))
      const { port } = await serveApp(map)
      expect(await answerOf(port, '/x')).toMatchObject({ app: 'nf' })
    },
  )

  test('an empty not_found_app in the section means none', async () => {
    const map = await factory(
      loaderOf(),
      makeConf([['not_found_app', 'nf']]),
      makeConf([['not_found_app', '']]),
    )
    const { port } = await serveApp(map)
    expect(await answerOf(port, '/x')).toEqual({ status: '404' })
  })

  test('a setting that [DEFAULT] has too is no mount, a path is one all the same', async () => {
    const asked: [string, Conf | undefined][] = []
    const conf = makeConf([
      ['debug', 'true'],
      ['/x', 'other'],
    ])
    await factory(
      loaderOf(asked),
      conf,
      makeConf([
        ['debug', 'x'],
        ['/x', 'mine'],
      ]),
    )
    expect(asked).toEqual([['mine', conf]])
  })

  test('all mistakes are told at once, before any app is made', async () => {
    const asked: [string, Conf | undefined][] = []
    const conf = makeConf([
      ['foo', 'a'],
      ['/x', 'b'],
      ['/x/', 'c'],
      ['/y', ' '],
      ['http', '//foo.com/ = d'],
    ])
    await expect(factory(loaderOf(asked), makeConf([]), conf)).rejects.toThrow(
      [
        'foo: expected the path of a mount, which starts with /, or not_found_app',
        '/x/: the same place as "/x", where something is mounted',
        '/y: expected the name of the app to mount, got nothing',
        'http: an INI line is cut at its first colon: write "domain foo.com /path = app"',
      ].join('\n'),
    )
    expect(asked).toEqual([])
  })
})

describe('the key of a mount', () => {
  const WRONG: readonly [string, string][] = [
    ['foo', 'expected the path of a mount, which starts with /, or not_found_app'],
    ['/a b', 'expected one path, got "/a" and "b"'],
    ['domain', 'expected a domain after "domain", got nothing'],
    ['domain a.com port', 'expected a port after "port", got nothing'],
    ['domain a.com domain b.com', 'expected one domain, got "a.com" and "b.com"'],
    ['domain a.com port 80 path /x', 'expected one path, got "path" and "/x"'],
    ['port 1', 'expected a domain with the port, as in "domain foo.com port 8080 /path"'],
    ['domain a.com port http', 'expected a port from 1 to 65535, got "http"'],
    ['domain a.com port 65536', 'expected a port from 1 to 65535, got "65536"'],
    ['http://', 'expected a host name, an IPv4 address or an [IPv6] address, got ""'],
    ['http://[x]/', 'expected a host name, an IPv4 address or an [IPv6] address, got "[x]"'],
    ['/a/../b', 'expected a path without . and .. segments: they are resolved before mounts are looked up'],
    ['/caf%C3%A9', 'expected a path as plain text, not escaped: /café'],
  ]
  test.each(WRONG)('%s is refused with a sentence', (key, reason) => {
    expect(() => urlmap({ [key]: named('x') })).toThrow(new OptionError(key, reason))
  })

  test('two keys for one place are an error that names both', () => {
    expect(() => mapOf('domain FOO.com port 80 /x/', 'http://foo.com:80//x')).toThrow(
      new OptionError(
        'http://foo.com:80//x',
        'the same place as "domain FOO.com port 80 /x/", where something is mounted',
      ),
    )
  })

  test.each(
    vectors.parse_path_expression.filter(
      ([key]) => key !== 'foo' && key !== 'domain a.com port http' && !/path/.test(key),
    ),
  )('%j is read as Paste reads it', async (key, { address, error }) => {
    if (error !== undefined) return expect(() => mapOf([key, 'x'])).toThrow(/expected/)
    const [, host = 'other', path] = /^(?:http:\/\/([^/]*))?(.*)$/.exec(address!)!
    const { port } = await serveApp(mapOf([key, 'x']))
    expect(await answerOf(port, path === '' ? '/' : path!, host)).toMatchObject({ app: 'x' })
  })

  test.each(vectors.normalize_url.filter(([key]) => !/^(HTTP:|http:\/\/\/|a$)/.test(key)))(
    '%j means the same place as in Paste',
    async (key, expected) => {
      const [host, path] = expected as [string | null, string]
      const { port } = await serveApp(mapOf([key, 'x']))
      expect(await answerOf(port, path || '/', host ?? 'other')).toMatchObject({
        app: 'x',
        SCRIPT_NAME: path,
      })
    },
  )
})

function loaderOf(asked: [string, Conf | undefined][] = []): Loader {
  const refuse = () => Promise.reject(new Error('not asked for'))
  return {
    getApp: async (name, conf) => {
      asked.push([name, conf])
      return named(name)
    },
    getFilter: refuse,
    getServer: refuse,
  }
}
