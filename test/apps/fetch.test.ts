// Fetch handlers over HTTP: what they see, what the client gets, and what happens when one of them goes away.

import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { type FetchHandler, fetchApp } from '../../src/apps/fetch.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { environ } from '../../src/http/environ.js'
import { ask, bodyOf, exchange, serveApp, Wire } from '../support/http.js'

const site = (handler: FetchHandler) => serveApp(fetchApp(handler))

describe('the Request', () => {
  test('shows method, headers, the rest of the path and the scheme and host that the environ knows', async () => {
    const app = fetchApp((request) => {
      const { method, url, headers } = request
      return Response.json([method, url, headers.get('x-a'), headers.get('cookie')])
    })
    const { port } = await serveApp(
      urlmap({
        '/m': (req, res) => {
          environ(req).HTTP_HOST = 'example.org'
          environ(req)['wsgi.url_scheme'] = 'https'
          return app(req, res)
        },
      }),
    )
    const lines = ['X-A: 1', 'X-A: 2', 'Cookie: a=1']
    expect(JSON.parse(bodyOf(await ask(port, '/m/x%20y?q=1', ...lines)))).toEqual([
      'GET',
      'https://example.org/x%20y?q=1',
      '1, 2',
      'a=1',
    ])
  })

  test('has the raw request at hand, as c.env of Hono has', async () => {
    const { url } = await site((request, { incoming, outgoing }) => {
      outgoing.setHeader('X-Beside', '1')
      return Response.json([
        incoming.method,
        (request as unknown as { environ: object }).environ === environ(incoming),
      ])
    })
    const response = await fetch(url, { method: 'PUT', body: 'x' })
    expect([await response.json(), response.headers.get('x-beside')]).toEqual([['PUT', true], '1'])
  })

  test.each([
    ['TRACE / HTTP/1.1\r\nHost: h', 501],
    ['GET / HTTP/1.1\r\nHost: a b', 400],
    ['GET / HTTP/1.1\r\nHost: [', 400],
    ['OPTIONS * HTTP/1.1\r\nHost: h', 200],
    ['GET / HTTP/1.0', 200],
  ])('of %j is answered %i', async (head, status) => {
    const { port, errors } = await site(() => new Response('fine'))
    expect(await exchange(port, `${head}\r\nConnection: close\r\n\r\n`)).toMatch(
      new RegExp(`^HTTP/1.1 ${status} `),
    )
    expect(errors).toEqual([])
  })
})

describe('the Response', () => {
  test('keeps status, words, headers and every cookie', async () => {
    const { port } = await site(() => {
      const headers = new Headers([
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['X-A', '1'],
      ])
      return new Response(null, { status: 202, statusText: 'Taken', headers })
    })
    const answer = await ask(port, '/')
    expect(answer).toMatch(/^HTTP\/1\.1 202 Taken\r\n/)
    expect(answer.match(/^set-cookie: .*$/gim)).toEqual(['Set-Cookie: a=1', 'Set-Cookie: b=2'])
    expect(answer).toMatch(/^x-a: 1$/im)
  })

  test('of one piece has a length, and one of several is chunked', async () => {
    const { url, port } = await site((request) => {
      if (!request.url.endsWith('/several')) return new Response('one piece')
      return new Response(ReadableStream.from(['a', 'b']).pipeThrough(new TextEncoderStream()))
    })
    expect((await fetch(url)).headers.get('content-length')).toBe('9')
    const several = await ask(port, '/several')
    expect(several).toMatch(/^transfer-encoding: chunked$/im)
    expect(bodyOf(several)).toBe('1\r\na\r\n1\r\nb\r\n0\r\n\r\n')
  })

  test('to HEAD has no body, and its stream is let go', async () => {
    let cancelled = () => {}
    const let_go = new Promise<void>((resolve) => {
      cancelled = resolve
    })
    const { url } = await site(() => new Response(new ReadableStream({ cancel: () => cancelled() })))
    expect(await (await fetch(url, { method: 'HEAD' })).text()).toBe('')
    await let_go
  })

  test('must be one', async () => {
    const { url, errors } = await site((() => 'text') as never)
    expect((await fetch(url)).status).toBe(500)
    expect(errors).toEqual(['GET /: a fetch handler gave back text, expected a Response'])
  })

  test('whose stream breaks is a 500 before the head, and a broken connection after it', async () => {
    const { url, errors } = await site((request, { outgoing }) => {
      const late = request.url.endsWith('/late')
      return new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode('half')),
          async pull(controller) {
            while (late && !outgoing.headersSent) await new Promise(setImmediate)
            controller.error(new Error('broke'))
          },
        }),
      )
    })
    expect((await fetch(url)).status).toBe(500)
    await expect(fetch(`${url}/late`).then((response) => response.text())).rejects.toThrow(TypeError)
    expect(errors).toEqual(['GET /: broke', 'GET /late: broke'])
  })
})

test('a client that goes away aborts the signal and lets the stream go', async () => {
  let resolve: (seen: [string, boolean]) => void = () => {}
  const promise = new Promise<[string, boolean]>((settle) => {
    resolve = settle
  })
  const { port } = await site((request) => {
    const stream = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('begun')),
      cancel: (reason) => resolve([(reason as Error).message, request.signal.aborted]),
    })
    return new Response(stream)
  })
  const wire = new Wire(port)
  wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  await wire.until(/begun/)
  wire.reset()
  expect(await promise).toEqual(['the client went away', true])
})

test('a slow reader holds the stream back', async () => {
  let pulled = 0
  const piece = new Uint8Array(64 * 1024)
  const { port } = await site(() => {
    const stream = new ReadableStream({
      pull(controller) {
        if (++pulled > 2000) controller.close()
        else controller.enqueue(piece)
      },
    })
    return new Response(stream)
  })
  const wire = new Wire(port)
  wire.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  await wire.until(/\r\n\r\n/)
  wire.socket.pause()
  let before = -1
  while (before !== pulled) {
    before = pulled
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
  }
  expect(pulled).toBeLessThan(2000)
  wire.socket.resume()
  await once(wire.socket, 'close')
  expect(pulled).toBe(2001)
})
