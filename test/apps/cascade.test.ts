import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect as connectHttp2, createServer, type IncomingHttpHeaders } from 'node:http2'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import compression from 'compression'
import express from 'express'
import morgan from 'morgan'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { adaptMiddleware } from '../../src/apps/adapt.js'
import { cascade, factory } from '../../src/apps/cascade.js'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { errordocument } from '../../src/filters/errordocument.js'
import { getSession } from '../../src/filters/get-session.js'
import { gzip } from '../../src/filters/gzip.js'
import { lint } from '../../src/filters/lint.js'
import { translogger } from '../../src/filters/translogger.js'
import { environ } from '../../src/http/environ.js'
import { guard } from '../../src/http/guard.js'
import type { App, Filter, Loader } from '../../src/protocol.js'
import { listenFree, serveApp } from '../support/http.js'
import { serve } from '../support/site.js'

interface Case {
  readonly conf: Record<string, string>
  readonly request: { method?: string; body?: string }
  readonly called: [name: string, path: string, body: string, length: number][]
  readonly out: { status?: string; body?: string; error?: string; message?: string }
}

const { cascade: cases } = JSON.parse(
  readFileSync(new URL('../fixtures/parts/parts.json', import.meta.url), 'utf8'),
) as { cascade: Case[] }

/** `404/a` answers 404 with its own name, `boom/a` throws; all tell what they got. */
function loaderOf(called: unknown[]): Loader {
  const getApp = async (name: string): Promise<App> => {
    return async (req, res) => {
      let body = ''
      for await (const chunk of req) body += chunk
      called.push([name, environ(req).PATH_INFO, body, Number(req.headers['content-length'] ?? 0)])
      const status = Number(name.split('/')[0])
      if (Number.isNaN(status)) throw new Error('boom')
      res.writeHead(status).end(name)
    }
  }
  return { getApp } as unknown as Loader
}

const status =
  (code: number, headers: Record<string, string> = {}): App =>
  (_req, res) =>
    void res.writeHead(code, headers).end(`${code}`)

const echo: App = async (req, res) => {
  const parts: Buffer[] = []
  for await (const part of req) parts.push(part)
  res.end(Buffer.concat(parts))
}

describe('egg:Paste#cascade', () => {
  it.each(cases)("does what Paste's does: $conf", async ({ conf, request, called, out }) => {
    const seen: unknown[] = []
    const app = await factory(loaderOf(seen), makeConf([]), makeConf(Object.entries(conf)))
    const { url, errors } = await serveApp(app)
    const response = await fetch(`${url}/p`, request)
    expect(seen).toEqual(called)
    if (out.error !== undefined) {
      expect(response.status).toBe(500)
      expect(errors).toEqual([`GET /p: ${out.message}`])
    } else {
      expect(response.status).toBe(Number(out.status!.split(' ')[0]))
      expect(await response.text()).toBe(out.body)
    }
  })

  it.each([
    [{ x: 'v', app1: 'a' }, 'x: no such setting.'],
    [
      { app1: 'a', catch: '404 nope' },
      'catch: expected statuses from 400 to 599, divided by spaces, got "404 nope"',
    ],
    [{ app1: ' ' }, 'app1: expected the name of an app, got nothing'],
    [{}, 'app1: missing: the apps to try'],
  ])('refuses %o', async (conf, message) => {
    await expect(factory(loaderOf([]), makeConf([]), makeConf(Object.entries(conf)))).rejects.toThrow(message)
  })
})

describe('cascade', () => {
  it('sends nothing of an answer that was passed over, and keeps what was set outside', async () => {
    const inner = cascade([
      status(404, {
        'Set-Cookie': 'leak=1',
        'X-Leak': '1',
        'Content-Type': 'text/leak',
        'X-Outer': 'changed',
      }),
      (_req, res) => void res.end('yes'),
    ])
    const { url } = await serveApp((req, res) => {
      res.setHeader('X-Outer', 'kept')
      return inner(req, res)
    })
    const response = await fetch(url)
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({ 'x-outer': 'kept', 'content-length': '3' })
    for (const name of ['set-cookie', 'x-leak', 'content-type'])
      expect(response.headers.has(name)).toBe(false)
    expect(await response.text()).toBe('yes')
  })

  it('asks the next app when one throws an error of a caught status', async () => {
    const missing: App = () => Promise.reject(Object.assign(new Error('none'), { status: 404 }))
    const { url } = await serveApp(cascade([missing, status(201)]))
    expect((await fetch(url)).status).toBe(201)
  })

  it("lets the last app's answer stand, whatever it is", async () => {
    const { url } = await serveApp(cascade([status(404), status(404, { 'X-Last': '1' })]))
    const response = await fetch(url)
    expect([response.status, response.headers.get('x-last')]).toEqual([404, '1'])
  })

  it.each([10, 300_000])('gives each app the whole body of %i bytes', async (size) => {
    const reads: App = async (req, res) => {
      let length = 0
      for await (const chunk of req) length += chunk.length
      res.writeHead(404, { 'X-Length': length }).end()
    }
    const { url } = await serveApp(cascade([reads, express(), reads, echo]))
    const body = 'x'.repeat(size)
    const response = await fetch(url, { method: 'POST', body })
    expect(await response.text()).toBe(body)
  })

  it('gives the body on where an app did not read it', async () => {
    const { url } = await serveApp(cascade([status(404), echo]))
    expect(await (await fetch(url, { method: 'POST', body: 'hello' })).text()).toBe('hello')
  })

  it.each([
    ['with a length', 'x'.repeat(100)],
    ['in chunks', new Blob(['x'.repeat(100)]).stream()],
  ])('answers 413 to a body beyond max_body (%s)', async (_how, body) => {
    const { url } = await serveApp(cascade([status(404), echo], { max_body: 99 }))
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit
    expect((await fetch(url, init)).status).toBe(413)
  })

  it('shows each app the request as it came, whatever another did to it', async () => {
    const moves: App = (req, res) => {
      environ(req).PATH_INFO = '/moved'
      environ(req).REMOTE_ADDR = 'nobody'
      Object.assign(environ(req), { mark: true })
      req.headers['x-mark'] = '1'
      res.writeHead(404).end()
    }
    const { url } = await serveApp(
      cascade([
        moves,
        (req, res) => {
          const { PATH_INFO, REMOTE_ADDR } = environ(req)
          res.end(
            JSON.stringify([PATH_INFO, REMOTE_ADDR, 'mark' in environ(req), req.headers['x-mark'] ?? null]),
          )
        },
      ]),
    )
    expect(await (await fetch(`${url}/here`)).json()).toEqual(['/here', '127.0.0.1', false, null])
  })

  it('does not mix up answers when an app ends twice', async () => {
    const twice: App = (_req, res) => {
      res.statusCode = 404
      res.end('no')
      res.end('no')
      res.write('no', () => {})
    }
    const { url } = await serveApp(cascade([twice, (_req, res) => void res.end('yes')]))
    expect(await (await fetch(url)).text()).toBe('yes')
  })

  it('tells an app whose answer is dropped that it was sent', async () => {
    const seen: unknown[] = []
    const first: App = (_req, res) => {
      res.writeHead(404)
      seen.push(res.headersSent, res.write('a'), res.writableEnded)
      res.end('b', () => seen.push('ended'))
      seen.push(res.writableEnded)
    }
    const { url } = await serveApp(cascade([first, status(200)]))
    await (await fetch(url)).text()
    expect(seen).toEqual([true, true, false, true, 'ended'])
  })

  it('tries apps that answer later, without a promise', async () => {
    const late: App = (_req, res) => void setImmediate(() => res.writeHead(404).end())
    const { url } = await serveApp(cascade([late, (_req, res) => void setImmediate(() => res.end('ok'))]))
    expect(await (await fetch(url)).text()).toBe('ok')
  })

  it.each(['outside', 'inside'])('keeps one session with the filter %s', async (where) => {
    const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
    const counts: App = async (req, res) => {
      const held = await getSession<{ n: number }>(req)
      held.set('n', (held.get('n') ?? 0) + 1)
      held.save()
      res.end(`${held.get('n')}`)
    }
    const misses: App = async (req, res) => {
      const held = await getSession<{ first: number }>(req)
      held.set('first', 1)
      held.save()
      res.writeHead(404).end('no')
    }
    const app =
      where === 'outside' ? session(cascade([misses, counts])) : cascade([session(misses), session(counts)])
    const visitor = (await serve(app)).visitor()
    expect(await visitor.get('/')).toBe('1')
    expect(visitor.setCookies).toHaveLength(1)
    expect(await visitor.get('/')).toBe('2')
  })

  it('hands an upgrade to the first app that takes one', async () => {
    const takes: App = status(200)
    takes.upgrade = (_req, socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nX-Taken: 1\r\n\r\n')
    const app = cascade([status(404), takes])
    expect(app.upgrade).toBeDefined()
    expect(cascade([status(404), status(404)]).upgrade).toBeUndefined()
  })

  it('survives a client that goes away in the middle of a try', async () => {
    let gone: Promise<unknown> = Promise.resolve()
    const waits: App = async (req) => {
      gone = once(req, 'close')
      await gone
    }
    const { url } = await serveApp(cascade([waits, status(200)]))
    const abort = new AbortController()
    const response = fetch(url, { signal: abort.signal })
    setImmediate(() => setImmediate(() => abort.abort()))
    await expect(response).rejects.toThrow()
    await gone
  })

  it('does not wait for an answer that was passed over and never ends', async () => {
    let gone: Promise<unknown> = Promise.resolve()
    const endless: App = (req, res) => {
      res.writeHead(404)
      res.write('and so on')
      gone = Promise.all([once(res, 'close'), once(req, 'close')])
    }
    const { url } = await serveApp(cascade([endless, (_req, res) => void res.end('ok')]))
    expect(await (await fetch(url)).text()).toBe('ok')
    await gone
  })

  it('cuts off an answer that was passed over and floods, and its connection stays', async () => {
    const seen: unknown[] = []
    async function* flood() {
      for (;;) yield Buffer.alloc(64 * 1024)
    }
    const floods: App = async (req, res) => {
      res.writeHead(404)
      req.once('close', () => seen.push(req.socket.destroyed))
      await pipeline(flood(), res).catch((error) => seen.push(error.code))
      seen.push(res.destroyed, res.writableFinished)
    }
    const { url } = await serveApp(cascade([floods, async (_req, res) => void res.end('ok')]))
    expect(await (await fetch(url)).text()).toBe('ok')
    expect(seen).toEqual([false, 'ERR_STREAM_PREMATURE_CLOSE', true, false])
  })

  it('closes the request that each app got when its answer is over', async () => {
    const closed: string[] = []
    const app =
      (name: string, code: number): App =>
      (req, res) => {
        req.once('close', () => closed.push(name))
        res.writeHead(code).end()
      }
    const { url } = await serveApp(cascade([app('first', 404), app('second', 200)]))
    await (await fetch(url, { method: 'POST', body: 'x'.repeat(100_000) })).text()
    await vi.waitUntil(() => closed.length === 2)
    expect(closed).toEqual(['first', 'second'])
  })

  it('takes nothing of an app that answers after it has thrown', async () => {
    const zombie: App = (_req, res) => {
      setImmediate(() => res.end('from the dead'))
      throw Object.assign(new Error('none'), { status: 404 })
    }
    const { url } = await serveApp(cascade([zombie, (_req, res) => void setImmediate(() => res.end('ok'))]))
    expect(await (await fetch(url)).text()).toBe('ok')
  })

  it('asks as many apps as there are', async () => {
    const warned = vi.fn()
    process.on('warning', warned)
    onTestFinished(() => void process.off('warning', warned))
    const throws: App = () => Promise.reject(Object.assign(new Error('none'), { status: 404 }))
    const many = Array.from({ length: 40 }, (_each, at) => (at % 2 === 0 ? status(404) : throws))
    const { url } = await serveApp(cascade([...many, status(200)]))
    expect((await fetch(url)).status).toBe(200)
    await new Promise(setImmediate)
    expect(warned).not.toHaveBeenCalled()
  })
})

describe('middleware that patches the response, between the session and a cascade', () => {
  const session = beakerSession({ secret: 'a secret of enough length', type: 'memory', auto: true })
  const counts: App = async (req, res) => {
    const held = await getSession<{ n: number }>(req)
    held.set('n', (held.get('n') ?? 0) + 1)
    if (environ(req).PATH_INFO === '/missing') return void res.writeHead(404, { 'X-Skipped': '1' }).end('no')
    res.setHeader('Content-Type', 'text/plain')
    res.write('x'.repeat(3000))
    ;(res as { flush?(): void }).flush?.()
    res.end(`${held.get('n')}`)
  }
  const misses: App = async (req, res) => {
    const held = await getSession<{ tries: number }>(req)
    held.set('tries', (held.get('tries') ?? 0) + 1)
    res.setHeader('Content-Type', 'text/html')
    res.write('skipped')
    await new Promise(setImmediate)
    res.end('skipped')
  }
  const missing: App = (req, res) => {
    res.statusCode = 404
    return misses(req, res)
  }
  const connect = (middleware: unknown) => adaptMiddleware(middleware)!

  it.each<[string, Filter]>([
    ['compression', connect(compression({ threshold: 0 }))],
    ['morgan', connect(morgan(':status', { stream: { write: (line) => void lines.push(line.trim()) } }))],
    ['lint', lint({ onError: (error) => void lines.push(error.message) })],
    ['gzip', gzip({ min_size: 0 })],
    ['translogger', translogger({ format: '%(status)s', write: (line) => void lines.push(line) })],
  ])('%s sees one answer, the one that stands', async (name, filter) => {
    lines.length = 0
    const visitor = (await serve(session(filter(cascade([missing, counts]))))).visitor()
    const first = await visitor.fetch('/', { headers: { 'Accept-Encoding': 'gzip' } })
    expect(await first.text()).toBe(`${'x'.repeat(3000)}1`)
    expect([first.status, first.headers.get('content-type')]).toEqual([200, 'text/plain'])
    expect(first.headers.get('content-encoding')).toBe(/gzip|compression/.test(name) ? 'gzip' : null)
    expect(visitor.setCookies).toHaveLength(1)
    expect(await visitor.get('/')).toBe(`${'x'.repeat(3000)}2`)
    expect(lines).toEqual(/morgan|translogger/.test(name) ? ['200', '200'] : [])
  })

  it.each<[string, Filter]>([
    ['compression', connect(compression({ threshold: 0 }))],
    ['lint', lint({ onError: (error) => void lines.push(error.message) })],
  ])('%s and errordocument too', async (_name, filter) => {
    lines.length = 0
    const pages = errordocument({ 404: '/page' })
    const app = session(filter(pages(cascade([missing, counts]))))
    const visitor = (await serve(app)).visitor()
    const response = await visitor.fetch('/missing')
    expect(response.status).toBe(404)
    expect(await response.text()).toBe(`${'x'.repeat(3000)}2`)
    expect(response.headers.get('x-skipped')).toBe('1')
    expect(lines).toEqual([])
  })
})

const lines: string[] = []

describe('over HTTP/2', () => {
  async function arrive(app: App) {
    const server = createServer(guard(app, { onError: () => {} }) as never)
    const client = connectHttp2(`http://127.0.0.1:${await listenFree(server)}`)
    onTestFinished(() => client.destroy())
    return async (headers: Record<string, string> = {}, body?: string | Readable) => {
      const stream = client.request({ ':method': body === undefined ? 'GET' : 'POST', ...headers })
      if (body instanceof Readable) body.pipe(stream)
      else stream.end(body)
      stream.on('error', () => {})
      const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders]
      return { status: head[':status'], head, text: await text(stream) }
    }
  }

  it('passes over answers, gives bodies on, and keeps one session', async () => {
    const session = beakerSession({ secret: 'a secret of enough length', type: 'memory', auto: true })
    const counts: App = async (req, res) => {
      const held = await getSession<{ n: number }>(req)
      held.set('n', (held.get('n') ?? 0) + 1)
      res.setHeader('Connection', 'keep-alive')
      res.statusMessage = 'Never seen'
      res.end(`${held.get('n')} ${await text(req)}`)
    }
    const reads: App = async (req, res) => {
      await text(req)
      res.writeHead(404, 'None', { 'X-Skipped': '1', 'Transfer-Encoding': 'chunked' }).end('no')
    }
    const ask = await arrive(session(cascade([reads, express() as unknown as App, counts, status(200)])))
    const first = await ask({}, 'hello')
    expect([first.status, first.text, first.head['x-skipped']]).toEqual([200, '1 hello', undefined])
    const cookie = first.head['set-cookie']![0]!.split(';')[0]!
    expect((await ask({ cookie })).text).toBe('2 ')
    expect((await ask({ cookie }, 'x'.repeat(200_000))).text).toBe(`3 ${'x'.repeat(200_000)}`)
  })

  it('answers 413 to a body beyond max_body, and reads no more of it', async () => {
    const ask = await arrive(cascade([status(404), echo], { max_body: 99 }))
    async function* endless() {
      for (;;) yield 'x'.repeat(1000)
    }
    const { status: found, text } = await ask({}, Readable.from(endless()))
    expect([found, text]).toEqual([413, '413 Payload Too Large\n'])
  })

  it('cuts the stream when the app that stands fails in its middle', async () => {
    const half: App = async (_req, res) => {
      res.write('half')
      throw new Error('boom')
    }
    const ask = await arrive(cascade([half, status(200)]))
    await expect(ask()).rejects.toThrow('Stream closed with error code NGHTTP2_INTERNAL_ERROR')
  })
})
