import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { cascade, factory } from '../../src/apps/cascade.js'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { environ } from '../../src/http/environ.js'
import type { App, Loader } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'
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
})
