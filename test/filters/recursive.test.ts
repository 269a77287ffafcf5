import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { urlmap } from '../../src/apps/urlmap.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { ForwardRequestException, recursive } from '../../src/filters/recursive.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'
import { serve } from '../support/site.js'

const inner: App = async (req, res) => {
  const env = environ(req)
  const forward = env['paste.recursive.forward']!
  if (env.PATH_INFO === '/go') return forward('/there?x=1')
  if (env.PATH_INFO === '/thrown') throw new ForwardRequestException('/there?x=1')
  if (env.PATH_INFO === '/loop') return forward('/loop')
  if (env.PATH_INFO === '/include-loop') return void (await env['paste.recursive.include']!('/include-loop'))
  if (env.PATH_INFO === '/bad') return forward('//host/x')
  if (env.PATH_INFO === '/late') {
    res.write('begun')
    return forward('/there')
  }
  res.end([env.SCRIPT_NAME, env.PATH_INFO, env.QUERY_STRING, req.url].join(' '))
}

const app = urlmap({ '/m': recursive()(urlmap({ '/': inner, '/deep': inner })) })

test('a request is answered by another path below the filter, from any mount inside it', async () => {
  const { url } = await serveApp(app)
  for (const path of ['/m/go', '/m/deep/go?y=2', '/m/thrown'])
    expect(await (await fetch(url + path)).text()).toBe('/m /there x=1 /there?x=1')
})

test.each([
  ['/m/loop', 'the request was handed on 10 times, last to /loop: a loop'],
  ['/m/include-loop', 'the request was handed on 10 times, last to /include-loop: a loop'],
  ['/m/bad', 'expected a path that begins with /, got "//host/x"'],
  ['/m/late', "can't hand the request on to /there: the answer has begun"],
])('%s fails: %s', async (path, message) => {
  const { url, errors } = await serveApp(app)
  await fetch(url + path)
    .then((response) => response.text())
    .catch(() => {})
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain(message)
})

describe('include', () => {
  /** `/part?x` is a part; every other path is a page that takes in what its query names. */
  const site =
    (part: App, page?: App): App =>
    (req, res) => {
      const env = environ(req)
      if (env.PATH_INFO.startsWith('/part')) return part(req, res)
      return page === undefined ? takesIn(req, res) : page(req, res)
    }
  const takesIn: App = async (req, res) => {
    res.setHeader('X-Page', '1')
    const { status, headers, body } = await environ(req)['paste.recursive.include']!('/part?y=1')
    res.end(JSON.stringify({ status, headers, body: String(body) }))
  }

  test('gives the answer of another path, and leaves no trace of it', async () => {
    const part: App = (req, res) => {
      const { SCRIPT_NAME, PATH_INFO, QUERY_STRING } = environ(req)
      res.writeHead(201, { 'X-Part': '1', 'Set-Cookie': ['a=1'] })
      res.write(`${req.method} ${SCRIPT_NAME} ${PATH_INFO} ${QUERY_STRING} `)
      res.end(String(req.headers['content-length'] ?? req.headers['if-none-match'] ?? 'plain'))
    }
    const { url } = await serveApp(urlmap({ '/m': recursive()(site(part)) }))
    const init = { method: 'POST', body: 'x', headers: { 'If-None-Match': '"x"' } }
    const response = await fetch(`${url}/m/page?z=1`, init)
    expect([response.status, response.headers.has('x-part'), response.headers.get('x-page')]).toEqual([
      200,
      false,
      '1',
    ])
    expect(await response.json()).toEqual({
      status: 201,
      headers: { 'x-part': '1', 'set-cookie': ['a=1'] },
      body: 'GET /m /part y=1 plain',
    })
  })

  test('shares the session with the page', async () => {
    const part: App = async (req, res) => {
      const session = await getSession<{ n: number }>(req)
      session.update('n', (n) => (n ?? 0) + 1)
      res.end(String(session.get('n')))
    }
    const filter = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
    const visitor = (await serve(filter(recursive()(site(part))))).visitor()
    const body = async () => (JSON.parse(await visitor.get('/page')) as { body: string }).body
    expect([await body(), await body()]).toEqual(['1', '2'])
  })

  test('sees what the visitor came with where the session filter is inside, and nothing of what parts inside left', async () => {
    const part: App = async (req, res) => {
      const session = await getSession<{ n: number }>(req)
      res.end(`${session.get('n')} ${'left' in environ(req)}`)
    }
    const page: App = async (req, res) => {
      if (environ(req).PATH_INFO === '/in') (await getSession(req)).set('n', 7)
      Object.assign(environ(req), { left: true })
      return takesIn(req, res)
    }
    const filter = beakerSession({ secret: 'a secret of enough length', type: 'memory', auto: true })
    const visitor = (await serve(recursive()(filter(site(part, page))))).visitor()
    expect(JSON.parse(await visitor.get('/in'))).toMatchObject({ body: 'undefined false' })
    expect(JSON.parse(await visitor.get('/page'))).toMatchObject({ body: '7 false' })
  })

  test('streams, with include_app_iter', async () => {
    let open = () => {}
    const gate = new Promise<void>((resolve) => {
      open = resolve
    })
    const part: App = async (_req, res) => {
      res.write('first ')
      await gate
      res.end('second')
    }
    const page: App = async (req, res) => {
      const { body } = await environ(req)['paste.recursive.include_app_iter']!('/part')
      open()
      res.end(await text(body))
    }
    const { url } = await serveApp(recursive()(site(part, page)))
    expect(await (await fetch(url)).text()).toBe('first second')
  })

  test.each<[string, App]>([
    ['before its head', () => Promise.reject(new Error('boom'))],
    [
      'after its head',
      (_req, res) => {
        res.write('half')
        return Promise.reject(new Error('boom'))
      },
    ],
  ])('rejects with what the other path throws %s', async (_when, part) => {
    const { url, errors } = await serveApp(recursive()(site(part)))
    expect((await fetch(url)).status).toBe(500)
    expect(errors).toEqual(['GET /: boom'])
  })

  test('may be forwarded and taken in itself, and says so where it was', async () => {
    const part: App = async (req, res) => {
      const env = environ(req)
      if (env.PATH_INFO === '/part') return env['paste.recursive.forward']!('/part2')
      if (env.PATH_INFO === '/part3') return void res.end('innermost')
      const { body } = await env['paste.recursive.include']!('/part3')
      res.end(`taken in: ${body}`)
    }
    const { url } = await serveApp(recursive()(site(part)))
    expect(await (await fetch(url)).json()).toMatchObject({ body: 'taken in: innermost' })
  })

  test('ends with its client', async () => {
    let seen: Promise<unknown> = Promise.resolve()
    let begun = () => {}
    const started = new Promise<void>((resolve) => {
      begun = resolve
    })
    const part: App = (req, res) => {
      seen = Promise.all([once(req, 'close'), once(res, 'close')])
      begun()
    }
    const { url, errors } = await serveApp(recursive()(site(part)))
    const abort = new AbortController()
    const response = fetch(url, { signal: abort.signal })
    await started
    abort.abort()
    await expect(response).rejects.toThrow()
    await seen
    expect(errors).toEqual([])
  })
})

test('a ForwardRequestException without the filter says what is missing', () => {
  expect(new ForwardRequestException('/there').message).toBe(
    'no recursive filter is in front of the app, to hand the request on to /there',
  )
})
