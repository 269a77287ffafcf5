import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession, factory } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import type { Session } from '../../src/session/session.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve, type Visitor } from '../support/site.js'
import { slowStore } from '../support/slow-store.js'

const SECRET = 'a secret of more than thirty-two characters'

type Options = Parameters<typeof beakerSession>[0]
type Handler = (session: Session, req: Parameters<App>[0], res: Parameters<App>[1]) => unknown

/** A site whose paths are handlers; what they answer is sent as JSON. */
async function site(handlers: Record<string, Handler>, options: Partial<Options> = {}) {
  const filter = beakerSession({ secret: SECRET, key: 'sid', ...options } as Options)
  onTestFinished(async () => filter.close?.())
  return serve(
    filter(async (req, res) => {
      const handler = handlers[req.url ?? ''] as Handler
      const answer = await handler(await getSession(req), req, res)
      if (!res.writableEnded && answer !== HANDLED) res.end(JSON.stringify(answer ?? null))
    }),
  )
}

const HANDLED = Symbol('the handler answers itself')

const basics: Record<string, Handler> = {
  '/login': (session) => {
    session.regenerateId()
    session.set('user', 'bob')
  },
  '/user': (session) => session.get('user') ?? null,
  '/count': (session) => {
    const n = ((session.get('n') as number | undefined) ?? 0) + 1
    session.set('n', n)
    session.save()
    return n
  },
  '/n': (session) => session.get('n') ?? null,
  '/logout': (session) => session.delete(),
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

const beakerKeys = { encrypt_key: 'e'.repeat(32), validate_key: 'v'.repeat(32) }

const stores: [string, () => Partial<Options>][] = [
  ['memory', () => ({ type: 'memory' })],
  ['memory, hashed and encrypted', () => ({ type: 'memory', hash_ids: true, encrypt_key: 'k'.repeat(32) })],
  ['a slow store', () => ({ store: slowStore(memoryStore()) })],
  ['file', () => ({ data_dir: temporaryDirectory() })],
  ['memory in Beaker format', () => ({ type: 'memory', format: 'beaker', data_serializer: 'json' })],
  ['memory in Beaker 1.11 format', () => ({ type: 'memory', format: 'beaker-1.11' })],
  [
    'a cookie in Beaker 1.11 format',
    () => ({ type: 'cookie', format: 'beaker-1.11', validate_key: 'v'.repeat(32) }),
  ],
  ['file in Beaker format', () => ({ data_dir: temporaryDirectory(), format: 'beaker' })],
  [
    'file as JSON in Beaker format',
    () => ({ data_dir: temporaryDirectory(), format: 'beaker', data_serializer: 'json' }),
  ],
  ['file in Beaker 1.11 format', () => ({ data_dir: temporaryDirectory(), format: 'beaker-1.11' })],
  [
    'file, encrypted, in Beaker format',
    () => ({ data_dir: temporaryDirectory(), format: 'beaker', crypto_type: 'nss', ...beakerKeys }),
  ],
  ['a signed cookie', () => ({ type: 'cookie' })],
  ['an encrypted cookie', () => ({ type: 'cookie', encrypt_key: 'k'.repeat(32) })],
  ['a cookie in Beaker format', () => ({ type: 'cookie', format: 'beaker', validate_key: 'v'.repeat(32) })],
  [
    'an encrypted cookie in Beaker format',
    () => ({
      type: 'cookie',
      format: 'beaker',
      crypto_type: 'cryptography',
      ...beakerKeys,
      data_serializer: 'json',
    }),
  ],
]

describe.each(stores)('a session in %s', (_name, makeOptions) => {
  it('is there in the next request', async () => {
    const bob = (await site(basics, makeOptions())).visitor()
    expect(await bob.get('/count')).toBe('1')
    expect(await bob.get('/count')).toBe('2')
    expect(await bob.get('/n')).toBe('2')
  })

  it('is another one for another visitor', async () => {
    const { visitor } = await site(basics, makeOptions())
    const [bob, eve] = [visitor(), visitor()]
    await bob.get('/login')
    expect(await eve.get('/user')).toBe('null')
  })

  it('sends its cookie when it is made, and not again', async () => {
    const bob = (await site(basics, makeOptions())).visitor()
    await bob.get('/count')
    expect(bob.setCookies).toEqual([
      expect.stringMatching(/^sid=[\w.=+/-]{72,}; Path=\/; HttpOnly; SameSite=Lax$/),
    ])
    await bob.get('/n')
    expect(bob.setCookies).toEqual([])
  })

  it('is not made by reading', async () => {
    const bob = (await site(basics, makeOptions())).visitor()
    await bob.get('/n')
    expect(bob.setCookies).toEqual([])
  })

  it('is over after logging out, for a stolen cookie too', async () => {
    const bob = (await site(basics, makeOptions())).visitor()
    await bob.get('/login')
    const thief = bob.clone()
    await bob.get('/logout')
    expect(bob.setCookies).toEqual([
      'sid=; Max-Age=0; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax',
    ])
    expect(bob.jar.size).toBe(0)
    expect(await thief.get('/user')).toBe('null')
    expect(await thief.get('/count')).toBe('1')
    expect(thief.jar.get('sid')).not.toBe(undefined)
  })

  it('keeps its data under a new id, and the old one is dead', async () => {
    const bob = (await site(basics, makeOptions())).visitor()
    await bob.get('/count')
    const fixated = bob.clone()
    await bob.get('/login')
    expect(bob.jar.get('sid')).not.toBe(fixated.jar.get('sid'))
    expect(await bob.get('/user')).toBe('"bob"')
    expect(await bob.get('/n')).toBe('1')
    expect(await fixated.get('/user')).toBe('null')
    expect(await fixated.get('/n')).toBe('null')
  })

  it('never adopts an id that a client made up, changed or kept from a dead session', async () => {
    const { visitor } = await site(basics, makeOptions())
    const bob = visitor()
    await bob.get('/count')
    const good = bob.jar.get('sid')!
    const bad = [
      good.slice(0, 32),
      good.slice(1),
      `${good}x`,
      'x',
      '',
      '../../etc/passwd.',
      good.toUpperCase(),
    ]
    for (const value of bad) {
      const eve = visitor()
      eve.jar.set('sid', value)
      expect(await eve.get('/count')).toBe('1')
      expect(eve.jar.get('sid')).not.toBe(value)
    }
  })

  it('loses none of two overlapping changes', async () => {
    const entered: (() => void)[] = []
    const both = new Promise<void>((go) => entered.push(go))
    let waiting = 0
    const { visitor } = await site(
      {
        ...basics,
        '/a': async (session) => {
          session.set('a', 1)
          session.save()
          if (++waiting === 2) entered[0]!()
          await both
        },
        '/b': async (session) => {
          session.set('b', 2)
          session.save()
          if (++waiting === 2) entered[0]!()
          await both
        },
        '/all': (session) => session.toJSON(),
      },
      makeOptions(),
    )
    const bob = visitor()
    await bob.get('/count')
    await Promise.all([bob.get('/a'), bob.get('/b')])
    expect(JSON.parse(await bob.get('/all'))).toEqual({ n: 1, a: 1, b: 2 })
  })

  it('counts every one of 40 parallel updates', async () => {
    const { visitor } = await site(
      {
        ...basics,
        '/add': (session) => session.update('n', (n) => ((n as number | undefined) ?? 0) + 1),
      },
      makeOptions(),
    )
    const bob = visitor()
    await bob.get('/count')
    await Promise.all(Array.from({ length: 40 }, () => bob.get('/add')))
    expect(await bob.get('/n')).toBe('41')
  })

  it('stays ended when a slow request saves after the log-out', async () => {
    let loaded = () => {}
    let go = () => {}
    const slowIsIn = new Promise<void>((resolve) => {
      loaded = resolve
    })
    const loggedOut = new Promise<void>((resolve) => {
      go = resolve
    })
    const { visitor } = await site(
      {
        ...basics,
        '/slow': async (session) => {
          session.set('late', true)
          session.save()
          loaded()
          await loggedOut
        },
      },
      makeOptions(),
    )
    const bob = visitor()
    await bob.get('/login')
    const tab = bob.clone()
    const slow = tab.get('/slow')
    await slowIsIn
    await bob.get('/logout')
    go()
    await slow
    expect(tab.setCookies).toEqual([])
    expect(await tab.get('/user')).toBe('null')
  })

  it('stays ended when a slow request logs in after the log-out', async () => {
    let loaded = () => {}
    let go = () => {}
    const slowIsIn = new Promise<void>((resolve) => {
      loaded = resolve
    })
    const loggedOut = new Promise<void>((resolve) => {
      go = resolve
    })
    const { visitor } = await site(
      {
        ...basics,
        '/slow-renew': async (session) => {
          session.regenerateId()
          loaded()
          await loggedOut
        },
      },
      makeOptions(),
    )
    const bob = visitor()
    await bob.get('/login')
    const tab = bob.clone()
    const slow = tab.get('/slow-renew')
    await slowIsIn
    await bob.get('/logout')
    go()
    await slow
    expect(tab.setCookies).toEqual([])
    expect(await tab.get('/user')).toBe('null')
  })

  it('goes on under a new id after invalidate(), if something is saved', async () => {
    const { visitor } = await site(
      {
        ...basics,
        '/switch': (session) => {
          session.invalidate()
          session.set('user', 'eve')
          session.save()
        },
      },
      makeOptions(),
    )
    const bob = visitor()
    await bob.get('/login')
    const old = bob.clone()
    await bob.get('/switch')
    expect(await bob.get('/user')).toBe('"eve"')
    expect(await old.get('/user')).toBe('null')
  })

  it('stores before the first byte of a streamed answer, and again before later bytes', async () => {
    const options = makeOptions()
    const { visitor } = await site(
      {
        ...basics,
        '/stream': async (session, _req, res) => {
          session.set('n', 10)
          session.save()
          res.write('a')
          await turn()
          session.set('n', 11)
          session.save()
          res.write('b')
          await turn()
          session.set('n', 12)
          session.save()
          res.end('c')
          return HANDLED
        },
      },
      options,
    )
    const bob = visitor()
    await bob.get('/count')
    expect(await bob.get('/stream')).toBe('abc')
    expect(await bob.get('/n')).toBe('12')
  })

  it('is reloaded and reverted on request', async () => {
    const { visitor } = await site(
      {
        ...basics,
        '/reload': async (session) => {
          session.set('n', 99)
          session.revert()
          const before = session.get('n')
          session.set('n', 98)
          await session.reload()
          return [before, session.get('n')]
        },
      },
      makeOptions(),
    )
    const bob = visitor()
    await bob.get('/count')
    expect(await bob.get('/reload')).toBe('[1,1]')
  })

  it('passes messages and tokens from page to page', async () => {
    const { visitor } = await site(
      {
        '/say': (session) => {
          session.flash('hello')
          session.flash({ level: 'warn' }, 'errors')
        },
        '/hear': (session) => [
          session.peekFlash(),
          session.popFlash(),
          session.popFlash('errors'),
          session.popFlash(),
        ],
        '/token': (session) => session.csrfToken(),
        '/keys': (session) => [...session.keys()],
      },
      makeOptions(),
    )
    const bob = visitor()
    await bob.get('/say')
    expect(await bob.get('/keys')).toBe('["_f_","_f_errors"]')
    expect(await bob.get('/hear')).toBe('[["hello"],["hello"],[{"level":"warn"}],[]]')
    expect(await bob.get('/hear')).toBe('[[],[],[],[]]')
    const token = await bob.get('/token')
    expect(token).toMatch(/^"[0-9a-f]{40}"$/)
    expect(await bob.get('/token')).toBe(token)
  })
})

describe('the cookie of a stored session', () => {
  it('holds an id and its signature, and stays what it is', async () => {
    const bob = (await site(basics)).visitor()
    await bob.get('/count')
    expect(bob.jar.get('sid')).toMatch(/^[0-9a-f]{32}\.[\w-]{43}$/)
    await bob.get('/count')
    expect(bob.setCookies).toEqual([])
  })
})

describe('an untouched session', () => {
  it('asks no store, reads no cookie and changes no header', async () => {
    const untouchable: SessionStore = new Proxy({ scope: 'process' } as SessionStore, {
      get(target, key) {
        if (['scope', 'close', 'sweep', 'ids'].includes(String(key))) return Reflect.get(target, key)
        return () => {
          throw new Error(`the store was asked: ${String(key)}`)
        }
      },
    })
    const filter = beakerSession({ secret: SECRET, key: 'sid', store: untouchable })
    const app: App = (req, res) => {
      Object.defineProperty(req.headers, 'cookie', {
        get() {
          throw new Error('the cookie was read')
        },
      })
      res.writeHead(200, { 'Cache-Control': 'public' }).end('plain')
    }
    const response = await (await serve(filter(app))).visitor().fetch('/')
    expect(await response.text()).toBe('plain')
    expect(response.headers.get('cache-control')).toBe('public')
    expect(response.headers.get('vary')).toBeNull()
  })
})

describe('a request that fails', () => {
  const throwing: Record<string, Handler> = {
    ...basics,
    '/throw': (session) => {
      session.set('n', 99)
      session.save()
      throw new Error('boom')
    },
  }

  it('saves nothing and gets no cookie', async () => {
    const bob = (await site(throwing)).visitor()
    expect((await bob.fetch('/throw')).status).toBe(500)
    expect(bob.setCookies).toEqual([])
    await bob.get('/count')
    expect((await bob.fetch('/throw')).status).toBe(500)
    expect(await bob.get('/n')).toBe('1')
  })

  it('saves all the same with save_on_exception', async () => {
    const bob = (await site(throwing, { save_on_exception: true })).visitor()
    await bob.get('/count')
    expect((await bob.fetch('/throw')).status).toBe(500)
    expect(await bob.get('/n')).toBe('99')
  })

  it('is a 500 that names the key when a value can not be stored', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => void vi.restoreAllMocks())
    const { visitor } = await site({
      ...basics,
      '/bad': (session) => {
        session.set('cart', { items: [1n] })
        session.save()
      },
    })
    const bob = visitor()
    const response = await bob.fetch('/bad')
    expect(response.status).toBe(500)
    expect(await response.text()).toMatch(/^Internal Server Error\nsession value cart\.items\[0\]: /)
    expect(bob.setCookies).toEqual([])
  })

  it('is a 500 without a cookie when the store is broken, and a failed log-out deletes no cookie', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => void vi.restoreAllMocks())
    let broken = false
    const memory = memoryStore()
    const store: SessionStore = {
      scope: 'process',
      load: (id) => memory.load(id),
      save: (...args) => (broken ? Promise.reject(new Error('away')) : memory.save(...args)),
      delete: (id) => (broken ? Promise.reject(new Error('away')) : memory.delete(id)),
    }
    const { visitor } = await site(basics, { store })
    const bob = visitor()
    broken = true
    const response = await bob.fetch('/count')
    expect([response.status, await response.text(), bob.setCookies]).toEqual([
      500,
      'Internal Server Error\n',
      [],
    ])
    broken = false
    await bob.get('/login')
    broken = true
    expect((await bob.fetch('/logout')).status).toBe(500)
    expect(bob.setCookies).toEqual([])
    broken = false
    expect(await bob.get('/user')).toBe('"bob"')
  })
})

describe('a change after the headers left', () => {
  const late: Record<string, Handler> = {
    ...basics,
    '/late': async (session, _req, res) => {
      res.writeHead(200)
      res.write('a')
      await turn()
      session.set('n', 7)
      session.save()
      res.end('b')
      return HANDLED
    },
    '/later': async (session, _req, res) => {
      res.end('done')
      await turn()
      session.set('n', 8)
      session.save()
      return HANDLED
    },
  }

  it('is stored for a session that the client knows', async () => {
    const bob = (await site(late)).visitor()
    await bob.get('/count')
    expect(await bob.get('/late')).toBe('ab')
    expect(await bob.get('/n')).toBe('7')
    await bob.get('/later')
    await turn()
    expect(await bob.get('/n')).toBe('8')
  })

  it('leaves no orphan row for a new one, and says so once', async () => {
    const warnings: string[] = []
    const listen = (warning: Error & { code?: string }) => warnings.push(`${warning.code} ${warning.message}`)
    process.on('warning', listen)
    onTestFinished(() => void process.off('warning', listen))
    const directory = temporaryDirectory()
    const { visitor } = await site(late, { data_dir: directory })
    const bob = visitor()
    await bob.get('/late')
    await bob.get('/late')
    await turn()
    expect(bob.setCookies).toEqual([])
    expect(
      readdirSync(directory, { recursive: true }).filter((name) => String(name).endsWith('.cache')),
    ).toEqual([])
    expect(warnings).toEqual([
      'SESSD_LATE GET /late: a new session was saved after the headers had left, so its cookie could not be sent: it was not stored',
    ])
  })
})

describe('settings', () => {
  it('auto stores changes without save()', async () => {
    const { visitor } = await site(
      { '/set': (session) => void session.set('n', 1), '/n': basics['/n']! },
      { auto: true },
    )
    const bob = visitor()
    await bob.get('/n')
    expect(bob.setCookies).toEqual([])
    await bob.get('/set')
    expect(await bob.get('/n')).toBe('1')
  })

  it('without auto, a change that is never saved is told once', async () => {
    const warnings: string[] = []
    const listen = (warning: Error) => warnings.push(warning.message)
    process.on('warning', listen)
    onTestFinished(() => void process.off('warning', listen))
    const { visitor } = await site({ ...basics, '/set': (session) => void session.set('n', 5) })
    const bob = visitor()
    await bob.get('/count')
    await bob.get('/set')
    await bob.get('/set')
    await turn()
    expect(await bob.get('/n')).toBe('1')
    expect(warnings).toEqual([
      'GET /set: a session was changed and never saved: call session.save(), or set beaker.session.auto = true',
    ])
  })

  it('timeout ends a session that is not used, and reading keeps it alive', async () => {
    let now = 1_700_000_000_000
    const bob = (await site(basics, { timeout: 100, clock: () => now })).visitor()
    await bob.get('/count')
    for (let i = 0; i < 5; i++) {
      now += 90_000
      expect(await bob.get('/n')).toBe('1')
    }
    now += 100_001
    expect(await bob.get('/n')).toBe('null')
  })

  it('save_accessed_time = false lets only saving keep a session alive', async () => {
    let now = 1_700_000_000_000
    const bob = (await site(basics, { timeout: 100, save_accessed_time: false, clock: () => now })).visitor()
    await bob.get('/count')
    now += 90_000
    expect(await bob.get('/n')).toBe('1')
    now += 20_000
    expect(await bob.get('/n')).toBe('null')
  })

  it('absolute_timeout ends a session however much it is used', async () => {
    let now = 1_700_000_000_000
    const bob = (await site(basics, { timeout: 100, absolute_timeout: 250, clock: () => now })).visitor()
    for (let i = 1; i <= 3; i++) {
      expect(await bob.get('/count')).toBe(String(i))
      now += 90_000
    }
    expect(await bob.get('/n')).toBe('null')
  })

  it('lastAccessed is the access before this one, created does not move', async () => {
    let now = 1_700_000_000_000
    const { visitor } = await site(
      { ...basics, '/times': (session) => [session.isNew, session.created, session.lastAccessed] },
      { timeout: 100, touch_after: 0, clock: () => now },
    )
    const bob = visitor()
    expect(await bob.get('/times')).toBe('[true,null,null]')
    await bob.get('/count')
    now += 10_000
    expect(await bob.get('/times')).toBe('[false,1700000000000,1700000000000]')
    now += 10_000
    expect(await bob.get('/times')).toBe('[false,1700000000000,1700000010000]')
  })

  it('cookie attributes are what the settings say', async () => {
    const bob = (
      await site(basics, {
        key: 'app.sid',
        cookie_domain: 'localhost.test',
        cookie_path: '/',
        cookie_expires: 3600,
        httponly: false,
        samesite: 'Strict',
      })
    ).visitor()
    await bob.get('/count')
    expect(bob.setCookies[0]).toMatch(
      /^app\.sid=\S+; Max-Age=3600; Domain=localhost\.test; Path=\/; SameSite=Strict; Expires=.* GMT$/,
    )
  })

  it('secure = true sends no cookie over plain http, and says so', async () => {
    const warnings: string[] = []
    const listen = (warning: Error) => warnings.push(warning.message)
    process.on('warning', listen)
    onTestFinished(() => void process.off('warning', listen))
    const bob = (await site(basics, { secure: true })).visitor()
    await bob.get('/count')
    await turn()
    expect(bob.setCookies).toEqual([])
    expect(warnings).toEqual([
      'GET /count: a session cookie is for https alone and the request came by http: it was not sent',
    ])
  })

  it('secure = auto marks the cookie when the request came by https', async () => {
    const filter = beakerSession({ secret: SECRET, key: 'sid' })
    const app = filter(async (req, res) => {
      const session = await getSession(req)
      session.save()
      res.end()
    })
    const bob = (
      await serve((req, res) => {
        environ(req)['wsgi.url_scheme'] = 'https'
        return app(req, res)
      })
    ).visitor()
    await bob.get('/')
    expect(bob.setCookies[0]).toMatch(/; HttpOnly; Secure; SameSite=Lax$/)
  })

  it('answers that depend on the session say so to caches', async () => {
    const bob = (
      await site({
        ...basics,
        '/cached': (session, _req, res) => {
          res.setHeader('Cache-Control', 'public, max-age=60')
          res.setHeader('Vary', 'Accept')
          session.save()
        },
      })
    ).visitor()
    const made = await bob.fetch('/cached')
    expect(made.headers.get('vary')).toBe('Accept, Cookie')
    expect(made.headers.get('cache-control')).toBe('private, max-age=60')
    const read = await bob.fetch('/n')
    expect(read.headers.get('vary')).toBe('Cookie')
    expect(read.headers.get('cache-control')).toBeNull()
  })
})

describe('egg:Beaker#beaker_session', () => {
  const conf = (pairs: Record<string, string>) => makeConf(Object.entries(pairs))

  it('reads settings with both prefixes and with none', async () => {
    const filter = await factory(
      conf({ 'beaker.session.timeout': '10' }),
      conf({
        'beaker.session.secret': SECRET,
        'session.key': 'a',
        auto: 'yes',
        'beaker.cache.type': 'memory',
      }),
    )
    const bob = (
      await serve(filter(async (req, res) => res.end(String((await getSession(req)).set('x', 1).id))))
    ).visitor()
    await bob.get('/')
    expect(bob.jar.has('a')).toBe(true)
  })

  it('keeps sessions in cache_dir/sessions, as Pylons does', async () => {
    const directory = temporaryDirectory()
    const filter = await factory(conf({ cache_dir: directory }), conf({ secret: SECRET, auto: 'true' }))
    const bob = (
      await serve(filter(async (req, res) => res.end(String((await getSession(req)).set('x', 1).size))))
    ).visitor()
    await bob.get('/')
    expect(readdirSync(join(directory, 'sessions'))).toContain('container_file')
  })

  it.each([
    [{}, 'beaker.session.secret: missing: the key that signs cookies. `sessd secret` makes a good one'],
    [{ secret: ' ' }, 'secret: expected some text, got something else'],
    [{ secret: SECRET, timeuot: '3' }, 'timeuot: no such setting. Did you mean "timeout"?'],
    [
      { 'session.secret': SECRET, 'session.tpye': 'file' },
      'session.tpye: no such setting. Did you mean "session.type"?',
    ],
    [
      { secret: SECRET, timeout: 'soon' },
      'timeout: expected a time of at least 1 second as in 90, 90s, 30m, 12h or 7d, got "soon"',
    ],
    [
      { secret: SECRET, timeout: '' },
      'timeout: expected a time of at least 1 second as in 90, 90s, 30m, 12h or 7d, got nothing',
    ],
    [
      { secret: SECRET, cookie_expires: '0' },
      'cookie_expires: expected true (until the browser is closed), false (never), or a time as in 300, 30m, 12h or 7d, got "0"',
    ],
    [{ secret: SECRET, auto: 'maybe' }, 'auto: expected true or false, got "maybe"'],
    [
      { secret: SECRET, key: 'a=b' },
      'key: expected a cookie name: letters, digits and !#$%&\'*+-.^_`|~, got "a=b"',
    ],
    [{ secret: SECRET, samesite: 'bogus' }, 'samesite: expected Lax, Strict, None or false, got "bogus"'],
    [
      { secret: SECRET, samesite: 'None', secure: 'false' },
      'samesite: browsers refuse SameSite=None without secure = true',
    ],
    [
      { secret: SECRET, key: '__Host-sid', cookie_domain: 'example.com' },
      'key: browsers refuse "__Host-sid" with a cookie_domain, or a cookie_path other than /',
    ],
    [{ secret: SECRET, type: 'file' }, 'beaker.session.data_dir: missing: type = file needs a directory'],
    [
      { secret: SECRET, type: 'redsi' },
      'type: expected memory, file, dbm, ext:database, ext:sqla, ext:redis, ext:rediscluster, ext:memcached, ext:mongodb, cookie, chain, database, sqla, memcached or express:PACKAGE, got "redsi"',
    ],
    [
      { secret: SECRET, key: 'a', 'session.key': 'b' },
      'session.key: given twice: key says the same with another value',
    ],
  ])('refuses %j', async (settings, message) => {
    await expect(factory(conf({}), conf(settings as unknown as Record<string, string>))).rejects.toThrow(
      message,
    )
  })

  it('refuses secrets that stand in documentation, in production', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    onTestFinished(() => void vi.unstubAllEnvs())
    await expect(factory(conf({}), conf({ secret: 'i_wear_two_layers_of_socks' }))).rejects.toThrow(
      'secret: this secret stands in public documentation: make one of your own with `sessd secret`',
    )
  })
})

describe('getSession', () => {
  it('says what is missing when no filter is in front of the app', async () => {
    const { visitor } = await serve(async (req, res) => res.end(String(await getSession(req))))
    expect(await visitor().get('/')).toContain('no beaker_session filter is in front of the app')
  })

  it('gives one session to all who ask in one request', async () => {
    const { visitor } = await site({
      '/': async (session, req) =>
        session === (await getSession(req)) && session === (await getSession({ req })),
    })
    expect(await visitor().get('/')).toBe('true')
  })

  it.each(['beaker.session', 'another'])('tells of two filters with one cookie name (%s)', async (key) => {
    const outer = beakerSession({ secret: SECRET, key: 'sid' })
    const inner = beakerSession({ secret: SECRET, key: 'sid', environ_key: key })
    const { visitor } = await serve(outer(inner((_req, res) => res.end())))
    expect(await visitor().get('/')).toBe(
      'caught: two session filters with the cookie name "sid" are in front of one app',
    )
  })

  it('refuses delete(key), which would end the whole session', async () => {
    const { visitor } = await site({ '/': (session) => (session.delete as (key: string) => void)('user') })
    expect(await (visitor() as Visitor).get('/')).toBe(
      'caught: session.delete() ends the whole session and takes no argument: use unset(key) for one key',
    )
  })
})
