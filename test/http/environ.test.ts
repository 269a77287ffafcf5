import { once } from 'node:events'
import type { IncomingMessage, RequestListener } from 'node:http'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import { createServer as createSecureServer, get as secureGet } from 'node:https'
import { inspect } from 'node:util'
import express from 'express'
import { describe, expect, test } from 'vitest'
import { environ, mount, position, returnTo, settle } from '../../src/http/environ.js'
import { testCertificate } from '../support/certificate.js'
import { ask, exchange, listenFree, serveNode, Wire } from '../support/http.js'

/** What `look` answers for one request, seen by a bare server. */
async function seen<T>(look: (req: IncomingMessage) => T, target: string, ...lines: string[]): Promise<T> {
  let result: T | undefined
  const { port } = await serveNode((req, res) => {
    result = look(req)
    res.end()
  })
  await ask(port, target, ...lines)
  return result!
}

/** Settles and mounts at each of `lengths`, then shows what an app sees. */
function mounted(...lengths: number[]) {
  return (req: IncomingMessage) => {
    settle(req)
    for (const length of lengths) mount(req, length)
    const { SCRIPT_NAME, PATH_INFO, QUERY_STRING } = environ(req)
    const { url, baseUrl, originalUrl } = req as IncomingMessage & { baseUrl?: string; originalUrl?: string }
    return { SCRIPT_NAME, PATH_INFO, QUERY_STRING, url, baseUrl, originalUrl }
  }
}

describe('environ', () => {
  test('is one object for everybody who sees the request', async () => {
    expect(await seen((req) => environ(req) === (req as { environ?: unknown }).environ, '/')).toBe(true)
  })

  test('shows its names to JSON and console.log, and what filters added', async () => {
    const shown = await seen((req) => {
      Object.assign(environ(req), { 'x.added': 1 })
      return [JSON.parse(JSON.stringify(environ(req))), inspect(environ(req))]
    }, '/a//b%20c?x=%20')
    expect(shown[0]).toEqual({
      SCRIPT_NAME: '',
      PATH_INFO: '/a/b c',
      QUERY_STRING: 'x=%20',
      REQUEST_METHOD: 'GET',
      REQUEST_URI: '/a//b%20c?x=%20',
      REMOTE_ADDR: '127.0.0.1',
      HTTP_HOST: 'test',
      'wsgi.url_scheme': 'http',
      'x.added': 1,
    })
    expect(shown[1]).toContain("PATH_INFO: '/a/b c'")
  })

  test('holds keys of filters as data, whatever they are called', async () => {
    const value = await seen((req) => {
      const env = environ(req) as unknown as Record<string, unknown>
      env['beaker.session'] = 'mine'
      return Object.keys(env)
    }, '/')
    expect(value).toEqual(['beaker.session'])
  })

  test('takes host and path from a target in absolute form, not from Host', async () => {
    const shown = await seen(
      (req) => [
        environ(req).HTTP_HOST,
        environ(req).PATH_INFO,
        req.url,
        req.headers.host,
        environ(req).REQUEST_URI,
      ],
      'http://real.example:81/a//b?x',
    )
    expect(shown).toEqual([
      'real.example:81',
      '/a/b',
      '/a/b?x',
      'real.example:81',
      'http://real.example:81/a//b?x',
    ])
  })

  test('has an empty host for a request without one', async () => {
    let host: string | undefined
    const { port } = await serveNode((req, res) => {
      host = environ(req).HTTP_HOST
      res.end()
    })
    await exchange(port, 'GET / HTTP/1.0\r\n\r\n')
    expect(host).toBe('')
  })

  test('lets a filter say who the client is, how it came and whom it asked', async () => {
    const shown = await seen((req) => {
      const env = environ(req)
      env.REMOTE_ADDR = '10.1.2.3'
      env.HTTP_HOST = 'front.example'
      env['wsgi.url_scheme'] = 'https'
      env.REQUEST_METHOD = 'PURGE'
      return [env.REMOTE_ADDR, env.HTTP_HOST, env['wsgi.url_scheme'], env.REQUEST_METHOD, req.method]
    }, '/')
    expect(shown).toEqual(['10.1.2.3', 'front.example', 'https', 'PURGE', 'PURGE'])
  })

  test('knows https', async () => {
    let scheme: string | undefined
    const listener: RequestListener = (req, res) => {
      scheme = environ(req)['wsgi.url_scheme']
      res.end()
    }
    const port = await listenFree(createSecureServer(testCertificate, listener))
    const [res] = (await once(
      secureGet({ port, host: '127.0.0.1', rejectUnauthorized: false, agent: false }),
      'response',
    )) as [IncomingMessage]
    res.resume()
    await once(res, 'end')
    expect(scheme).toBe('https')
  })

  test('works on HTTP/2 requests', async () => {
    let shown: unknown
    const server = createHttp2Server((req, res) => {
      const plain = req as unknown as IncomingMessage
      settle(plain)
      mount(plain, 2)
      shown = JSON.parse(JSON.stringify(environ(plain)))
      res.end()
    })
    const port = await listenFree(server)
    const client = connectHttp2(`http://127.0.0.1:${port}`)
    const stream = client.request({ ':path': '/a//b?x=1', ':authority': 'two.example' })
    stream.resume()
    await once(stream, 'end')
    client.close()
    expect(shown).toEqual({
      SCRIPT_NAME: '/a',
      PATH_INFO: '/b',
      QUERY_STRING: 'x=1',
      REQUEST_METHOD: 'GET',
      REQUEST_URI: '/a//b?x=1',
      REMOTE_ADDR: '127.0.0.1',
      HTTP_HOST: 'two.example',
      'wsgi.url_scheme': 'http',
    })
  })

  test('works on upgrade requests', async () => {
    const { server, port } = await serveNode(() => {})
    const upgraded = once(server, 'upgrade') as Promise<[IncomingMessage, Wire['socket']]>
    const wire = new Wire(port)
    wire.send('GET /a//ws?x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    const [req, socket] = await upgraded
    socket.destroy()
    expect(mounted(2)(req)).toMatchObject({ SCRIPT_NAME: '/a', PATH_INFO: '/ws', url: '/ws?x' })
  })
})

describe('settling a request', () => {
  test.each(['/%00', '/a%0d%0ab', 'ftp://h/x', 'http://user@h/x'])('refuses %s', async (target) => {
    expect(await seen((req) => [settle(req), req.url], target)).toEqual([false, target])
  })

  test('keeps OPTIONS * and refuses * for other methods', async () => {
    const answers: unknown[] = []
    const { port } = await serveNode((req, res) => {
      answers.push([settle(req), req.url, environ(req).PATH_INFO])
      res.end()
    })
    await exchange(port, 'OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    await exchange(port, 'GET * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
    expect(answers).toEqual([
      [true, '*', '*'],
      [false, '*', '*'],
    ])
  })

  test('happens by itself when somebody reads the path', async () => {
    expect(await seen((req) => [environ(req).PATH_INFO, req.url], '/x/../a%2e//b')).toEqual([
      '/a./b',
      '/a./b',
    ])
  })

  test('happens again after somebody changed req.url', async () => {
    const shown = await seen((req) => {
      settle(req)
      req.url = '/other//%2e%2e/place?y'
      return [settle(req), req.url, environ(req).REQUEST_URI]
    }, '/first')
    expect(shown).toEqual([true, '/place?y', '/place?y'])
  })
})

describe('a mounted app', () => {
  test('sees an empty PATH_INFO at exactly its mount, and / in req.url', async () => {
    expect(await seen(mounted(4), '/foo?x=1')).toEqual({
      SCRIPT_NAME: '/foo',
      PATH_INFO: '',
      QUERY_STRING: 'x=1',
      url: '/?x=1',
      baseUrl: '/foo',
      originalUrl: '/foo?x=1',
    })
  })

  test('sees / with a slash after its mount', async () => {
    expect(await seen(mounted(4), '/foo/')).toMatchObject({ PATH_INFO: '/', url: '/', originalUrl: '/foo/' })
  })

  test('sees both mounts when one is in the other', async () => {
    expect(await seen(mounted(2, 10), '/a/caf%c3%a9//x')).toMatchObject({
      SCRIPT_NAME: '/a/café',
      PATH_INFO: '/x',
      url: '/x',
      baseUrl: '/a/caf%C3%A9',
    })
  })

  test('at the root sees everything', async () => {
    expect(await seen(mounted(0), '/')).toEqual({
      SCRIPT_NAME: '',
      PATH_INFO: '/',
      QUERY_STRING: '',
      url: '/',
      baseUrl: '',
      originalUrl: '/',
    })
  })

  test('leaves no trace when another one is tried', async () => {
    const shown = await seen((req) => {
      settle(req)
      mount(req, 2)
      const place = position(req)
      mount(req, 2)
      returnTo(req, place)
      return mounted()(req)
    }, '/a/b/c?x')
    expect(shown).toMatchObject({ SCRIPT_NAME: '/a', PATH_INFO: '/b/c', url: '/b/c?x', baseUrl: '/a' })
  })

  test('may be in Express and have Express apps in it', async () => {
    const shown: unknown[] = []
    const inner = express()
    inner.get('/c', (req, res) => {
      shown.push([environ(req).SCRIPT_NAME, environ(req).PATH_INFO, req.baseUrl, req.url, req.originalUrl])
      res.end()
    })
    const outer = express()
    outer.use('/a', (req, res) => {
      shown.push([environ(req).SCRIPT_NAME, environ(req).PATH_INFO])
      settle(req)
      mount(req, 2)
      inner(req, res)
    })
    const { port } = await serveNode(outer)
    await ask(port, '/a/b/c')
    await ask(port, '/a')
    expect(shown).toEqual([
      ['/a', '/b/c'],
      ['/a/b', '/c', '/a/b', '/c', '/a/b/c'],
      ['/a', ''],
    ])
  })
})

describe('setting the path, as a filter does', () => {
  test('moves the request for everybody behind', async () => {
    const shown = await seen((req) => {
      const env = environ(req)
      env.SCRIPT_NAME = '/front/'
      env.PATH_INFO = '/a b/ü'
      env.QUERY_STRING = 'y=2'
      return mounted()(req)
    }, '/x?y=1')
    expect(shown).toEqual({
      SCRIPT_NAME: '/front',
      PATH_INFO: '/a b/ü',
      QUERY_STRING: 'y=2',
      url: '/a%20b/%C3%BC?y=2',
      baseUrl: '/front',
      originalUrl: '/front/a%20b/%C3%BC?y=2',
    })
  })

  test('to what it was changes nothing', async () => {
    const shown = await seen((req) => {
      const env = environ(req)
      const { PATH_INFO } = env
      env.PATH_INFO = PATH_INFO
      return req.url
    }, '/a%2Fb/%252F/%E9/100%25/%3Fx?y')
    expect(shown).toBe('/a%2Fb/%252F/%E9/100%25/%3Fx?y')
  })

  test('to the empty PATH_INFO of a mount keeps it empty', async () => {
    const shown = await seen((req) => {
      const env = environ(req)
      env.SCRIPT_NAME = '/front'
      env.PATH_INFO = ''
      return mounted()(req)
    }, '/x')
    expect(shown).toMatchObject({ PATH_INFO: '', url: '/', originalUrl: '/front' })
  })

  test('refuses what is no path', async () => {
    const message = await seen((req) => {
      try {
        environ(req).PATH_INFO = 'x'
        return 'taken'
      } catch (error) {
        return (error as Error).message
      }
    }, '/')
    expect(message).toBe(`environ.PATH_INFO: expected '' or a path that starts with /, got "x"`)
  })
})
