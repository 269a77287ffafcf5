// What lint lets pass, and the sentence for each rule that is broken.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { factory, lint } from '../../src/filters/lint.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { ask, bodyOf, serveUnchecked } from '../support/http.js'

async function linted(app: App, outside: (inner: App) => App = (inner) => inner) {
  const broken: string[] = []
  const inner = lint({ onError: (error) => broken.push(error.message) })(app)
  const site = await serveUnchecked(outside(inner))
  return { ...site, broken }
}

describe('an app that keeps the rules is served as without lint:', () => {
  test.each<[string, App, string]>([
    ['end alone', (_req, res) => res.end('hello'), 'hello'],
    ['end with a callback', (_req, res) => res.end('hello', () => {}), 'hello'],
    ['a promised length', (_req, res) => res.writeHead(200, { 'Content-Length': 2 }).end('é'), 'é'],
    [
      'pairs',
      (_req, res) => res.writeHead(200, 'Fine', ['Content-Length', '3', 'Set-Cookie', 'a=1']).end('abc'),
      'abc',
    ],
    [
      'several writes',
      (_req, res) => {
        res.write('a')
        res.write(Buffer.from('b'))
        res.end('YQ==', 'base64')
      },
      'aba',
    ],
    ['no body', (_req, res) => res.writeHead(204).end(), ''],
    ['a redirect', (_req, res) => res.writeHead(302, { Location: '/' }).end(), ''],
  ])('%s', async (_title, app, body) => {
    const { url, broken } = await linted(app)
    expect(await (await fetch(url, { redirect: 'manual' })).text()).toBe(body)
    expect(broken).toEqual([])
  })

  test('HEAD with the length of the GET', async () => {
    const { url, broken } = await linted((_req, res) => res.writeHead(200, { 'Content-Length': 9 }).end())
    expect((await fetch(url, { method: 'HEAD' })).headers.get('content-length')).toBe('9')
    expect(broken).toEqual([])
  })

  test('with a session inside', async () => {
    const session = beakerSession({ secret: 'a secret for the tests of lint', auto: true })
    const { url, broken } = await linted(
      session(async (req, res) => {
        ;(await getSession(req)).set('n', 1)
        res.writeHead(200, { 'Content-Length': 2 }).end('ok')
      }),
    )
    const response = await fetch(url)
    expect([response.status, response.headers.getSetCookie().length]).toEqual([200, 1])
    expect(broken).toEqual([])
  })
})

const respond = (act: (res: ServerResponse, req: IncomingMessage) => unknown): App => {
  return (req, res) => void act(res, req)
}

describe('names the rule that an app breaks, and answers 500:', () => {
  test.each<[string, App, string]>([
    [
      'status',
      respond((res) => res.writeHead(700).end()),
      'lint: status: expected a final status from 200 to 599, got 700',
    ],
    [
      'needed-header',
      respond((res) => res.writeHead(302).end()),
      'lint: needed-header: expected a header location with status 302, got []',
    ],
    [
      'needed-header of 405',
      respond((res) => res.writeHead(405, { 'X-A': '1' }).end()),
      "lint: needed-header: expected a header allow with status 405, got [ 'x-a' ]",
    ],
    [
      'content-length',
      respond((res) => {
        res.setHeader('Content-Length', 3)
        res.end('four')
      }),
      'lint: content-length: expected 3 bytes as Content-Length says, got 4',
    ],
    [
      'no-body',
      respond((res) => res.writeHead(204, { 'Content-Length': '0' }).end()),
      "lint: no-body: a 204 has no Content-Length (RFC 9110, 8.6), got '0'",
    ],
    [
      'set-cookie',
      respond((res) => {
        res.setHeader('Set-Cookie', ['a=1', 'rubbish'])
        res.end()
      }),
      "lint: set-cookie: expected Set-Cookie to begin with name=, got 'rubbish'",
    ],
    [
      'chunk',
      respond((res) => res.end(42 as never)),
      'lint: chunk: expected a string, a Buffer or a Uint8Array as body, got 42',
    ],
    [
      'environ-kept',
      respond((res, req) => {
        Object.assign(req, { environ: null })
        res.end()
      }),
      'lint: environ-kept: expected req.environ to stay the same object, got null',
    ],
  ])('%s', async (_title, app, message) => {
    const { port, broken } = await linted(app)
    const answer = await ask(port, '/')
    expect(answer).toMatch(/^HTTP\/1\.1 500 /)
    expect(bodyOf(answer)).toBe(`500 Internal Server Error\n${message}\n`)
    expect(broken).toEqual([message])
  })

  test('or closes the connection when the head is out', async () => {
    const { port, broken } = await linted((_req, res) => {
      res.writeHead(200, { 'Content-Length': 10 })
      res.write('half')
      res.end()
    })
    expect(await ask(port, '/')).not.toContain('500')
    expect(broken).toEqual(['lint: content-length: expected 10 bytes as Content-Length says, got 4'])
  })

  test('also what comes after the end, where a bare server would lose its process', async () => {
    const { url, broken } = await linted((_req, res) => {
      res.end('done')
      res.write('more')
    })
    await fetch(url).then((response) => response.text())
    expect(broken).toEqual(["lint: after-end: the app wrote to a response that it had ended, got 'more'"])
  })
})

describe('names the rule that a server or filter outside breaks, and never calls the app:', () => {
  const tampered = (tamper: (req: IncomingMessage, res: ServerResponse) => void) => (inner: App) => {
    const app: App = (req, res) => {
      tamper(req, res)
      return inner(req, res)
    }
    return app
  }

  test.each<[string, (req: IncomingMessage) => void, string]>([
    [
      'url',
      (req) => {
        req.url = 'no-slash'
      },
      "lint: url: expected req.url to be a path that begins with / and has no blanks, got 'no-slash'",
    ],
    [
      'base-url',
      (req) => Object.assign(req, { baseUrl: '/x/' }),
      "lint: base-url: expected req.baseUrl to be '' or a path without a slash at its end, got '/x/'",
    ],
    [
      'method',
      (req) => {
        req.method = 'G ET'
      },
      "lint: method: expected req.method to be a token such as GET, got 'G ET'",
    ],
    [
      'environ',
      (req) => {
        environ(req).REMOTE_ADDR = 1 as never
      },
      'lint: environ: expected environ.REMOTE_ADDR to be a string, got 1',
    ],
    [
      'url-scheme',
      (req) => {
        environ(req)['wsgi.url_scheme'] = 'ftp' as never
      },
      "lint: url-scheme: expected wsgi.url_scheme to be http or https, got 'ftp'",
    ],
  ])('%s', async (_title, tamper, message) => {
    let called = false
    const app: App = (_req, res) => {
      called = true
      res.end()
    }
    const { url, broken } = await linted(app, tampered(tamper))
    expect((await fetch(url)).status).toBe(500)
    expect([called, broken]).toEqual([false, [message]])
  })

  test('fresh-response', async () => {
    const { url, broken } = await linted(
      (_req, res) => res.end(),
      tampered((_req, res) => res.writeHead(202)),
    )
    await fetch(url).catch(() => {})
    expect(broken).toEqual([
      "lint: fresh-response: expected a response that nobody has begun, got 'status 202'",
    ])
  })
})

test('egg:Paste#lint takes no settings', () => {
  const conf = makeConf([['colour', 'red']])
  expect(() => factory(conf, conf)).toThrow('colour: no such setting.')
})

test('a second lint in front of the same app changes nothing', async () => {
  const { url, broken } = await linted(lint()((_req, res) => res.end('fine')))
  expect(await (await fetch(url)).text()).toBe('fine')
  expect(broken).toEqual([])
})
