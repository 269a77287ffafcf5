// What an app may do while its response is held back, with everything that comes from outside as bad as it can be.

import { once } from 'node:events'
import { createServer as createHttp2Server, connect as http2Connect } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import express from 'express'
import fc from 'fast-check'
import fastify from 'fastify'
import Koa from 'koa'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'
import { slowStore } from '../support/slow-store.js'

const secret = 'a secret of more than thirty-two characters'

async function countRows(rows: SessionStore): Promise<number> {
  let count = 0
  for await (const _ of rows.ids!()) count++
  return count
}

/** A site on a slow store, whose saves fail on demand. */
async function slowSite(app: App) {
  const rows = memoryStore()
  const slow = slowStore(rows, 5)
  const broken = { save: false, delete: false }
  const store: SessionStore = {
    ...slow,
    save: async (...args) => {
      const result = await (broken.save ? turn() : slow.save(...args))
      if (broken.save) throw new Error('disk full')
      return result as Awaited<ReturnType<typeof slow.save>>
    },
    delete: async (id) => {
      if (broken.delete) throw new Error('disk full')
      return slow.delete(id)
    },
  }
  const filter = beakerSession({ secret, key: 'sid', store })
  onTestFinished(async () => filter.close?.())
  return { ...(await serve(filter(app))), rows, broken, filter }
}

function quiet(): void {
  const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => spy.mockRestore())
}

describe('an app that does not wait for persist()', () => {
  it('gets its cookie, and the client sees nothing before it is stored', async () => {
    const { visitor, rows } = await slowSite(async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/user') return res.end(String(session.get('user')))
      session.set('user', 'bob')
      void session.persist()
      res.end('welcome')
    })
    const bob = visitor()
    expect(await bob.get('/')).toBe('welcome')
    expect(await countRows(rows)).toBe(1)
    expect(await bob.get('/user')).toBe('bob')
  })

  it('is a 500 without a cookie when it can not be stored', async () => {
    quiet()
    const { visitor, broken } = await slowSite(async (req, res) => {
      const session = await getSession(req)
      session.set('user', 'bob')
      session.persist().catch(() => {})
      res.end('welcome')
    })
    broken.save = true
    const bob = visitor()
    const answer = await bob.fetch('/')
    expect(answer.status).toBe(500)
    expect(await answer.text()).toBe('Internal Server Error\n')
    expect(bob.setCookies).toEqual([])
  })
})

describe('an app that stores after the head left', () => {
  it('leaves no row that nobody can find', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
    onTestFinished(() => warned.mockRestore())
    const { visitor, rows } = await slowSite(async (req, res) => {
      if (req.url === '/loaded') await getSession(req)
      res.write('a')
      const session = await getSession(req)
      session.set('user', 'bob')
      await session.persist()
      session.regenerateId()
      await session.persist()
      res.end('b')
    })
    expect(await visitor().get('/')).toBe('ab')
    expect(await visitor().get('/loaded')).toBe('ab')
    expect(await countRows(rows)).toBe(0)
    expect(warned.mock.calls.map(([message]) => message)).toEqual([
      'GET /: a new session was saved after the headers had left, so its cookie could not be sent: it was not stored',
    ])
  })

  it('goes on under the id that the client knows', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
    onTestFinished(() => warned.mockRestore())
    const { visitor, rows } = await slowSite(async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/late') res.write('a')
      session.set('url', req.url)
      session.regenerateId()
      await session.persist()
      res.end('b')
    })
    const bob = visitor()
    await bob.get('/first')
    const { cookie } = bob
    expect(await bob.get('/late')).toBe('ab')
    expect([bob.cookie, await countRows(rows)]).toEqual([cookie, 1])
  })
})

describe('an app that goes on while its response is held back', () => {
  it('logs out a session that is just being made', async () => {
    const { visitor, rows } = await slowSite(async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/user') return res.end(JSON.stringify(session.toJSON()))
      session.set('user', 'bob')
      session.save()
      res.write('a')
      session.delete()
      res.end('b')
    })
    const bob = visitor()
    expect(await bob.get('/')).toBe('ab')
    expect(await bob.get('/user')).toBe('{}')
    expect(await countRows(rows)).toBe(0)
  })

  it('logs out a known session before the cookie is deleted, and fails as a whole when that fails', async () => {
    quiet()
    const { visitor, rows, broken } = await slowSite(async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/user') return res.end(JSON.stringify(session.toJSON()))
      session.set('user', 'bob')
      session.update('n', (n) => ((n as number | undefined) ?? 0) + 1)
      res.write('a')
      if (req.url === '/logout') session.delete()
      res.end('b')
    })
    const bob = visitor()
    expect(await bob.get('/')).toBe('ab')
    broken.delete = true
    expect((await bob.fetch('/logout')).status).toBe(500)
    expect(bob.setCookies).toEqual([])
    expect(await bob.get('/user')).toBe('{"user":"bob","n":2}')
    broken.delete = false
    const thief = bob.clone()
    expect(await bob.get('/logout')).toBe('ab')
    expect(bob.jar.size).toBe(0)
    expect(await thief.get('/user')).toBe('{}')
    expect(await countRows(rows)).toBe(0)
  })

  it('may be left by its client', async () => {
    let ended = () => {}
    const over = new Promise<void>((resolve) => {
      ended = resolve
    })
    const { port, rows, visitor } = await slowSite(async (req, res) => {
      if (req.url === '/alive') return res.end('alive')
      const session = await getSession(req)
      session.set('user', 'bob')
      session.save()
      res.once('close', ended)
      Readable.from(Array.from({ length: 20 }, () => Buffer.alloc(50_000))).pipe(res)
      await turn()
      client.resetAndDestroy()
    })
    const client = connect(port, '127.0.0.1')
    client.on('error', () => {})
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await over
    await vi.waitFor(async () => expect(await countRows(rows)).toBe(1))
    expect(await visitor().get('/alive')).toBe('alive')
  })
})

describe.each([
  [
    'Express',
    async (count: (req: never) => Promise<number>): Promise<App> => {
      const app = express()
      app.get('/send', async (req, res) => void res.send({ n: await count(req as never) }))
      app.get('/redirect', async (req, res) => {
        await count(req as never)
        res.redirect('/send')
      })
      app.get('/pipe', async (req, res) => {
        await count(req as never)
        Readable.from(Array.from({ length: 30 }, () => Buffer.alloc(9000, 'x'))).pipe(res)
      })
      return app as unknown as App
    },
  ],
  [
    'Koa',
    async (count: (req: never) => Promise<number>): Promise<App> => {
      const app = new Koa()
      app.silent = true
      app.use(async (context) => {
        const n = await count(context as never)
        if (context.path === '/send') context.body = { n }
        if (context.path === '/redirect') context.redirect('/send')
        if (context.path === '/pipe')
          context.body = Readable.from(Array.from({ length: 30 }, () => Buffer.alloc(9000, 'x')))
      })
      return app.callback() as unknown as App
    },
  ],
  [
    'Fastify',
    async (count: (req: never) => Promise<number>): Promise<App> => {
      const app = fastify()
      app.get('/send', async (req) => ({ n: await count(req as never) }))
      app.get('/redirect', async (req, reply) => {
        await count(req as never)
        return reply.redirect('/send')
      })
      app.get('/pipe', async (req, reply) => {
        await count(req as never)
        return reply.send(Readable.from(Array.from({ length: 30 }, () => Buffer.alloc(9000, 'x'))))
      })
      await app.ready()
      onTestFinished(() => app.close())
      return ((req, res) => app.routing(req, res)) as App
    },
  ],
])('%s on a slow store', (_name, make) => {
  const count = async (req: never) => {
    const session = await getSession<{ n: number }>(req)
    return session.update('n', (n) => (n ?? 0) + 1)!
  }

  it('sends, redirects and streams with what it stored', async () => {
    const { visitor } = await slowSite(await make(count))
    const bob = visitor()
    expect(await bob.get('/send')).toBe('{"n":1}')
    const redirect = await bob.fetch('/redirect')
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, '/send'])
    expect((await bob.get('/pipe')).length).toBe(270_000)
    expect((await bob.fetch('/send', { method: 'HEAD' })).status).toBe(200)
    expect(await bob.get('/send')).toMatch(/^\{"n":[45]\}$/)
  })

  it('answers 500 without a cookie when a save fails, and goes on living', async () => {
    quiet()
    const { visitor, broken } = await slowSite(await make(count))
    broken.save = true
    const bob = visitor()
    for (const path of ['/send', '/redirect', '/pipe']) {
      const answer = await bob.fetch(path)
      expect([answer.status, await answer.text()]).toEqual([500, 'Internal Server Error\n'])
      expect(bob.setCookies).toEqual([])
    }
    broken.save = false
    expect(await bob.get('/send')).toBe('{"n":1}')
  })
})

describe('http2', () => {
  it('has sessions, and answers 500 without a cookie when a save fails', async () => {
    quiet()
    const rows = memoryStore()
    let isBroken = false
    const save: SessionStore['save'] = async (...args) => {
      await turn()
      if (isBroken) throw new Error('disk full')
      return rows.save(...args)
    }
    const filter = beakerSession({ secret, key: 'sid', store: { ...slowStore(rows), save } })
    const app = filter(async (req, res) => {
      const session = await getSession<{ n: number }>(req)
      res.end(String(session.update('n', (n) => (n ?? 0) + 1)))
    })
    const server = createHttp2Server((req, res) => void app(req as never, res as never))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const client = http2Connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    onTestFinished(() => {
      client.destroy()
      server.close()
    })
    const ask = async (cookie = '') => {
      const stream = client.request({ ':path': '/', ...(cookie === '' ? {} : { cookie }) })
      const response = once(stream, 'response') as Promise<[Record<string, unknown>]>
      let body = ''
      for await (const chunk of stream) body += chunk
      const [headers] = await response
      return { status: headers[':status'], cookies: (headers['set-cookie'] as string[]) ?? [], body }
    }
    const first = await ask()
    expect(first).toMatchObject({ status: 200, body: '1' })
    const cookie = first.cookies[0]!.split(';')[0]!
    expect(await ask(cookie)).toMatchObject({ body: '2' })
    isBroken = true
    expect(await ask(cookie)).toEqual({ status: 500, cookies: [], body: 'Internal Server Error\n' })
    isBroken = false
    expect(await ask(cookie)).toMatchObject({ body: '3' })
  })
})

describe('random cookie headers', () => {
  const kinds: [string, Parameters<typeof beakerSession>[0]][] = [
    ['a store', { secret }],
    ['a store, from Express sessions', { secret, accept: 'express-session' }],
    ['a store, from Beaker', { secret, accept: 'beaker' }],
    ['a cookie', { secret, type: 'cookie' }],
    ['an encrypted cookie', { secret, type: 'cookie', encrypt_key: 'k'.repeat(20) }],
    ['a Beaker store', { secret, format: 'beaker' }],
    ['a Beaker cookie', { secret, type: 'cookie', format: 'beaker', validate_key: 'v'.repeat(20) }],
  ]

  it.each(kinds)(
    'are answered 200, and never with the session of somebody else (%s)',
    async (_name, options) => {
      const filter = beakerSession({ key: 'sid', ...options })
      const { visitor, port } = await serve(
        filter(async (req, res) => {
          const session = await getSession(req)
          if (req.url === '/login') {
            session.set('user', 'bob')
            session.save()
          }
          res.end(String(session.get('user')))
        }),
      )
      const bob = visitor()
      await bob.get('/login')
      const good = bob.jar.get('sid')!
      const piece = fc.oneof(
        fc.constantFrom(
          'sid',
          'sid=',
          '=',
          ';',
          '; ',
          ' ',
          '"',
          '\t',
          '%',
          '~',
          '2~',
          's:',
          'sid.1=',
          '$Version=1',
          '__proto__',
        ),
        fc.nat(good.length).map((at) => good.slice(0, at)),
        fc.nat(good.length - 1).map((at) => good.slice(at + 1)),
        fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 33, max: 126 })).map(([at, code]) => {
          const byte = code === good.charCodeAt(at) ? code - 1 : code
          return `sid=${good.slice(0, at)}${String.fromCharCode(byte)}${good.slice(at + 1)}`
        }),
        fc.string({
          unit: fc.integer({ min: 32, max: 255 }).map((code) => String.fromCharCode(code === 127 ? 9 : code)),
          maxLength: 60,
        }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
          const header = pieces.join('')
          const [status, body] = await rawGet(port, header)
          expect(status).toBe('200')
          expect(body).toBe(holdsPair(header, good) ? 'bob' : 'undefined')
        }),
        { numRuns: 150 },
      )
    },
  )

  /** Whether the header does hold `sid=<good>`, as the filter reads headers. */
  function holdsPair(header: string, good: string): boolean {
    return header.split(';').some((pair) => {
      const [, name, value] = /^[ \t]*([^=]*?)[ \t]*=(.*)$/s.exec(pair) ?? []
      return name === 'sid' && value!.replace(/^[ \t"]+|[ \t"]+$/g, '') === good
    })
  }

  function rawGet(port: number, cookie: string): Promise<[string | undefined, string | undefined]> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      let text = ''
      socket.setEncoding('latin1')
      socket.on('data', (chunk) => {
        text += chunk
      })
      socket.on('error', reject)
      socket.on('close', () => {
        resolve([/^HTTP\/1.1 (\d+)/.exec(text)?.[1], text.split('\r\n').at(-1) || text.split('\r\n').at(-4)])
      })
      socket.end(`GET / HTTP/1.0\r\nHost: x\r\nCookie: ${cookie}\r\n\r\n`, 'latin1')
    })
  }
})
