import { createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession, factory } from '../../src/filters/beaker_session.js'
import { getSession, getSessionById } from '../../src/filters/get-session.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { Session } from '../../src/session/session.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'

type Options = Parameters<typeof beakerSession>[0]

const SECRET = 'a secret of more than thirty-two characters'
const OTHER = 'another secret, which came before that one'

const app: App = async (req, res) => {
  const session = await getSession(req)
  const { pathname, searchParams } = new URL(req.url ?? '', 'http://x')
  if (pathname === '/count') {
    session.set('n', ((session.get('n') as number | undefined) ?? 0) + 1)
    session.save()
  } else if (pathname === '/fill') {
    session.set('filling', randomBytes(Number(searchParams.get('bytes'))).toString('base64'))
    session.save()
  } else if (pathname === '/empty') {
    session.unset('filling')
    session.save()
  } else if (pathname === '/logout') {
    session.delete()
  }
  res.end(JSON.stringify(session.get('n') ?? null))
}

async function visit(options: Partial<Options>, served: App = app) {
  const filter = beakerSession({ secret: SECRET, key: 'sid', ...options } as Options)
  onTestFinished(async () => filter.close?.())
  return (await serve(filter(served))).visitor()
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

describe('secret.previous', () => {
  it.each([
    ['stored sessions', { store: true }],
    ['cookie sessions', { type: 'cookie' }],
    ['encrypted cookie sessions', { type: 'cookie', encrypt_key: 'k'.repeat(32) }],
    ['Beaker cookies', { store: true, format: 'beaker' }],
  ] as const)('keeps %s of an older secret good, and signs them anew', async (_what, setting) => {
    const rows = memoryStore()
    const { store, ...rest } = { store: false, ...setting }
    const options = { ...rest, ...(store ? { store: rows } : {}) } as Partial<Options>
    const before = await visit({ ...options, secret: OTHER })
    await before.get('/count')
    const bob = await visit({ ...options, 'secret.previous': [OTHER] })
    bob.jar.set('sid', before.jar.get('sid')!)
    expect(await bob.get('/')).toBe('1')
    expect(bob.jar.get('sid')).not.toBe(before.jar.get('sid'))
    const later = await visit(options)
    later.jar.set('sid', bob.jar.get('sid')!)
    expect(await later.get('/')).toBe('1')
    const without = await visit(options)
    without.jar.set('sid', before.jar.get('sid')!)
    expect(await without.get('/')).toBe('null')
  })
})

describe('id_source', () => {
  it('takes ids from a header, and gives them in one', async () => {
    const client = await visit({ id_source: [{ from: 'header', name: 'x-session' }] })
    const first = await client.fetch('/count')
    const token = first.headers.get('x-session')!
    expect(client.setCookies).toEqual([])
    expect(first.headers.get('vary')).toBe('x-session')
    expect(await client.get('/count', { headers: { 'X-Session': token } })).toBe('2')
    expect(await client.get('/count', { headers: { Cookie: `sid=${token}` } })).toBe('1')
  })

  it('use_cookies = false means the header X-Session', async () => {
    const client = await visit({ use_cookies: false })
    const token = (await client.fetch('/count')).headers.get('x-session')!
    expect(client.setCookies).toEqual([])
    expect(await client.get('/count', { headers: { 'X-Session': token } })).toBe('2')
  })

  it('takes bearer tokens, and cookies beside them', async () => {
    const client = await visit({ id_source: [{ from: 'cookie' }, { from: 'bearer' }] })
    await client.get('/count')
    const token = client.jar.get('sid')!
    client.jar.clear()
    expect(await client.get('/count', { headers: { Authorization: `Bearer ${token}` } })).toBe('2')
    expect(client.setCookies).toEqual([])
    expect(await client.get('/count', { headers: { Authorization: `Basic ${token}` } })).toBe('1')
  })

  it.each(['', 'cookie,', 'header:', 'header:a b', 'path'])('refuses %j', async (text) => {
    const conf = makeConf(Object.entries({ secret: SECRET, id_source: text }))
    await expect(factory(makeConf([]), conf)).rejects.toThrow(
      `id_source: expected cookie, bearer and header:NAME, divided by commas, got ${text === '' ? 'nothing' : `"${text}"`}`,
    )
  })
})

describe('a session that one cookie can not hold', () => {
  it.each([{}, { encrypt_key: 'k'.repeat(32) }])(
    'goes into several, and back into one (%j)',
    async (options) => {
      const bob = await visit({ type: 'cookie', ...options })
      await bob.get('/count')
      expect([...bob.jar.keys()]).toEqual(['sid'])
      await bob.get('/fill?bytes=7000')
      expect([...bob.jar.keys()]).toEqual(['sid', 'sid.1', 'sid.2'])
      for (const header of bob.setCookies) expect(header.length).toBeLessThan(4096)
      expect(await bob.get('/count')).toBe('2')
      await bob.get('/empty')
      expect([...bob.jar.keys()]).toEqual(['sid'])
      expect(await bob.get('/')).toBe('2')
    },
  )

  it('is deleted with all its cookies', async () => {
    const bob = await visit({ type: 'cookie' })
    await bob.get('/fill?bytes=5000')
    await bob.get('/logout')
    expect(bob.jar.size).toBe(0)
  })

  it('is a new session when a part is missing', async () => {
    const bob = await visit({ type: 'cookie' })
    await bob.get('/count')
    await bob.get('/fill?bytes=5000')
    bob.jar.delete('sid.1')
    expect(await bob.get('/')).toBe('null')
  })

  it.each([
    [
      { type: 'cookie' },
      20_000,
      /^session value|^Internal Server Error\na session of \d+ characters does not fit into a cookie of 15198\n$/,
    ],
    [
      { type: 'cookie', overflow: 'error' },
      5_000,
      /^Internal Server Error\na session of \d+ characters does not fit into a cookie of 4096\n$/,
    ],
    [
      { type: 'cookie', format: 'beaker', validate_key: 'v'.repeat(32) },
      5_000,
      /^Internal Server Error\na session of \d+ characters does not fit into a cookie of 4064\n$/,
    ],
    [
      { max_bytes: 1024 },
      5_000,
      /^Internal Server Error\nthe session has \d+ bytes; max_bytes allows 1024\n$/,
    ],
  ] as const)('is an error with %j', async (options, bytes, message) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => void vi.restoreAllMocks())
    const bob = await visit(options as Partial<Options>)
    await bob.get('/count')
    const response = await bob.fetch(`/fill?bytes=${bytes}`)
    expect(response.status).toBe(500)
    expect(await response.text()).toMatch(message)
    expect(bob.setCookies).toEqual([])
    expect(await bob.get('/count')).toBe('2')
  })
})

describe('a cookie session', () => {
  it('keeps the changes of overlapping requests, though each sends a cookie', async () => {
    let go = () => {}
    const both = new Promise<void>((resolve) => {
      go = resolve
    })
    let waiting = 0
    const bob = await visit({ type: 'cookie' }, async (req, res) => {
      const session = await getSession(req)
      if (req.url !== '/all') {
        session.set(req.url!, true)
        session.save()
        if (req.url !== '/first') {
          if (++waiting === 2) go()
          await both
        }
      }
      res.end(JSON.stringify([...session.keys()].sort()))
    })
    await bob.get('/first')
    const tab = bob.clone()
    await Promise.all([bob.get('/a'), tab.get('/b')])
    expect(await bob.get('/all')).toBe('["/a","/b","/first"]')
    expect(await tab.get('/all')).toBe('["/a","/b","/first"]')
  })

  it('can be replayed after a log-out with revoke = off, as Beaker has it', async () => {
    const bob = await visit({ type: 'cookie', revoke: 'off' })
    await bob.get('/count')
    const value = bob.jar.get('sid')!
    await bob.get('/logout')
    const elsewhere = await visit({ type: 'cookie', revoke: 'off' })
    elsewhere.jar.set('sid', value)
    expect(await elsewhere.get('/')).toBe('1')
  })

  it('stays ended for all processes that share data_dir, with revoke = store', async () => {
    const options = { type: 'cookie', revoke: 'store', data_dir: temporaryDirectory() } as const
    const bob = await visit(options)
    await bob.get('/count')
    const value = bob.jar.get('sid')!
    await bob.get('/logout')
    const elsewhere = await visit(options)
    elsewhere.jar.set('sid', value)
    expect(await elsewhere.get('/')).toBe('null')
  })

  it('is over when its timeout is, and lives on while it is used', async () => {
    let now = 1_700_000_000_000
    const bob = await visit({ type: 'cookie', timeout: 100, clock: () => now })
    await bob.get('/count')
    for (let i = 0; i < 3; i++) {
      now += 90_000
      expect(await bob.get('/')).toBe('1')
    }
    const copy = bob.clone()
    now += 101_000
    expect(await copy.get('/')).toBe('null')
  })

  it('means nothing under another cookie name', async () => {
    const bob = await visit({ type: 'cookie' })
    await bob.get('/count')
    const eve = await visit({ type: 'cookie', key: 'admin' })
    eve.jar.set('admin', bob.jar.get('sid')!)
    expect(await eve.get('/')).toBe('null')
  })
})

describe('every change of one character in a valid cookie', () => {
  it.each([
    ['of an id', {}],
    ['of a signed session', { type: 'cookie' }],
    ['of an encrypted session', { type: 'cookie', encrypt_key: 'k'.repeat(32) }],
    ['of Beaker', { format: 'beaker' }],
    ['of a session of Beaker', { type: 'cookie', format: 'beaker', validate_key: 'v'.repeat(32) }],
  ] as const)('%s gives a new session and status 200', async (_what, options) => {
    const bob = await visit(options as Partial<Options>)
    await bob.get('/count')
    const good = bob.jar.get('sid')!
    for (let at = 0; at < good.length; at++) {
      const other = good[at] === 'A' ? 'B' : 'A'
      const response = await bob.fetch('/', {
        headers: { Cookie: `sid=${good.slice(0, at)}${other}${good.slice(at + 1)}` },
      })
      expect([at, response.status, await response.text()]).toEqual([at, 200, 'null'])
    }
  })
})

describe('cookie attributes', () => {
  it('rolling sends the cookie with each answer that used the session', async () => {
    const bob = await visit({ rolling: true, cookie_expires: 60 })
    await bob.get('/')
    expect(bob.setCookies).toEqual([])
    await bob.get('/count')
    await bob.get('/')
    expect(bob.setCookies).toEqual([expect.stringContaining('; Max-Age=60; ')])
  })

  it('partitioned and priority are sent', async () => {
    const bob = await visit({ partitioned: true, priority: 'high' }, (req, res) => {
      return app(req, res)
    })
    const filter = beakerSession({ secret: SECRET, key: 'sid', partitioned: true, priority: 'high' })
    const { visitor } = await serve((req, res) => {
      environ(req)['wsgi.url_scheme'] = 'https'
      return filter(app)(req, res)
    })
    const eve = visitor()
    await eve.get('/count')
    expect(eve.setCookies[0]).toMatch(
      /; Path=\/; HttpOnly; Secure; Partitioned; Priority=High; SameSite=Lax$/,
    )
    await bob.get('/count')
    expect(bob.setCookies).toEqual([])
  })

  it('a session can have its own domain and path, which stay with it', async () => {
    const bob = await visit({}, async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/own') {
        session.path = '/app'
        session.domain = 'example.com'
      }
      if (req.url === '/logout') session.delete()
      res.end(`${session.domain} ${session.path}`)
    })
    expect(await bob.get('/own')).toBe('example.com /app')
    expect(bob.setCookies[0]).toMatch(/; Domain=example\.com; Path=\/app; HttpOnly/)
    expect(await bob.get('/')).toBe('example.com /app')
    await bob.get('/logout')
    expect(bob.setCookies[0]).toMatch(/^sid=; .*Domain=example\.com; Path=\/app;/)
  })
})

describe('accept', () => {
  it('takes over a session of Beaker, once', async () => {
    const data_dir = temporaryDirectory()
    const before = await visit({ data_dir, format: 'beaker' })
    await before.get('/count')
    const old = before.jar.get('sid')!
    const bob = await visit({ data_dir, accept: 'beaker' })
    bob.jar.set('sid', old)
    expect(await bob.get('/')).toBe('1')
    expect(bob.jar.get('sid')).toMatch(/^[0-9a-f]{32}\.[\w-]{43}$/)
    expect(await bob.get('/count')).toBe('2')
    const late = await visit({ data_dir, accept: 'beaker' })
    late.jar.set('sid', old)
    expect(await late.get('/')).toBe('null')
  })

  it('takes over a session of express-session, once', async () => {
    const store = memoryStore()
    const row = { cookie: { path: '/' }, n: 41, __proto__x: 1 }
    store.save('express-session-id', Buffer.from(JSON.stringify(row)), { expiresAt: null, expected: null })
    const signature = createHmac('sha256', SECRET)
      .update('express-session-id')
      .digest('base64')
      .replace(/=+$/, '')
    const value = encodeURIComponent(`s:express-session-id.${signature}`)
    const bob = await visit({ store, accept: 'express-session' })
    bob.jar.set('sid', value)
    expect(await bob.get('/count')).toBe('42')
    const again = bob.clone()
    again.jar.set('sid', value)
    expect(await again.get('/')).toBe('null')
    again.jar.set('sid', encodeURIComponent('s:express-session-id.forged'))
    expect(await again.get('/')).toBe('null')
    expect(await bob.get('/')).toBe('42')
  })

  it('is refused with a format that others read', () => {
    expect(() => beakerSession({ secret: SECRET, format: 'beaker', accept: 'beaker' })).toThrow(
      'beaker.session.accept: format = beaker writes what others read: accept needs format = sessd',
    )
  })
})

describe('where the session stands', () => {
  it('environ_key gives two filters room on one path', async () => {
    const one = beakerSession({ secret: SECRET, key: 'a', environ_key: 'one' })
    const two = beakerSession({ secret: SECRET, key: 'b', environ_key: 'two' })
    const site = await serve(
      one(
        two(async (req, res) => {
          for (const key of ['one', 'two']) {
            const session = await getSession(req, key)
            session.set('key', key)
            session.save()
          }
          res.end()
        }),
      ),
    )
    const bob = site.visitor()
    await bob.get('/')
    expect([...bob.jar.keys()].sort()).toEqual(['a', 'b'])
  })

  it('req_property with preload puts the session on the request as express-session has it', async () => {
    const bob = await visit({ req_property: 'session', preload: true }, (req, res) => {
      const { session } = req as unknown as { session: { n?: number } }
      session.n = (session.n ?? 0) + 1
      res.end(String(session.n))
    })
    await bob.get('/')
    expect(await bob.get('/')).toBe('2')
  })

  it('another session is found by its id, and null when there is none', async () => {
    const bob = await visit({}, async (req, res) => {
      const [, path, id] = req.url!.split('/') as [string, string, string]
      if (path === 'new') {
        const session = await getSession(req)
        session.set('user', 'bob')
        session.save()
        return res.end(session.id)
      }
      const found = await getSessionById(req, id)
      if (path === 'rename') {
        found?.set('user', 'alice')
        await found?.persist()
      }
      if (path === 'end') {
        found?.delete()
        await found?.persist()
      }
      res.end(String(found?.get('user')))
    })
    const id = await bob.get('/new')
    expect(await bob.get(`/show/${id}`)).toBe('bob')
    expect(await bob.get(`/rename/${id}`)).toBe('alice')
    expect(await bob.get(`/show/${id}`)).toBe('alice')
    expect(await bob.get('/show/nothing')).toBe('undefined')
    expect(await bob.get('/show/..')).toBe('undefined')
    await bob.get(`/end/${id}`)
    expect(await bob.get(`/show/${id}`)).toBe('undefined')
  })
})

describe('exports of the user', () => {
  async function filterOf(settings: Record<string, string>, source: string) {
    const here = temporaryDirectory()
    writeFileSync(join(here, 'own.mjs'), source)
    return factory(
      makeConf([['here', here]]),
      makeConf(Object.entries({ secret: SECRET, key: 'sid', ...settings })),
    )
  }

  it('namespace_class makes the store', async () => {
    const source = `
      const rows = new Map()
      let revisions = 0
      export const makeStore = (settings) => ({
        scope: 'process',
        load: (id) => rows.get(id) ?? null,
        save(id, payload, { expiresAt, expected }) {
          const current = rows.get(id) ?? null
          if ((current?.revision ?? null) !== expected) return { saved: false, current }
          const revision = ++revisions
          rows.set(id, { payload, revision, expiresAt })
          return { saved: true, revision }
        },
        delete: (id) => rows.delete(id),
      })`
    const filter = await filterOf({ namespace_class: 'file:./own.mjs#makeStore' }, source)
    const bob = (await serve(filter(app))).visitor()
    await bob.get('/count')
    expect(await bob.get('/count')).toBe('2')
  })

  it('a name that the file does not export is told', async () => {
    await expect(
      filterOf({ namespace_class: 'file:./own.mjs#nope' }, 'export const makeStore = 1'),
    ).rejects.toThrow('namespace_class: ./own.mjs exports no "nope": it exports makeStore')
    await expect(filterOf({ session_class: 'file:./own.mjs#Own' }, 'export class Own {}')).rejects.toThrow(
      'session_class: expected a subclass of Session',
    )
  })

  it('sessionClass makes sessions of a class of one’s own', async () => {
    class Cart extends Session<{ items?: string[] }> {
      add(item: string): void {
        this.update('items', (items) => [...(items ?? []), item])
      }
    }
    const bob = await visit({ sessionClass: Cart as unknown as typeof Session }, async (req, res) => {
      const cart = (await getSession(req)) as unknown as Cart
      cart.add(req.url!)
      res.end(JSON.stringify(cart.get('items')))
    })
    await bob.get('/a')
    expect(await bob.get('/b')).toBe('["/a","/b"]')
  })
})

describe('settings that do not go together', () => {
  it.each([
    [
      { data_serializer: 'pickle' },
      'beaker.session.data_serializer: format = sessd writes JSON: pickle needs format = beaker',
    ],
    [
      { format: 'beaker', type: 'cookie' },
      'beaker.session.validate_key: missing: Beaker signs sessions of type = cookie with it',
    ],
    [
      { format: 'beaker', encrypt_key: 'k'.repeat(32) },
      'beaker.session.validate_key: missing: Beaker encrypts with it and encrypt_key together',
    ],
    [
      { format: 'beaker', encrypt_key: 'k'.repeat(32), validate_key: 'v'.repeat(32) },
      'beaker.session.crypto_type: expected pycrypto, nss or cryptography: Beaker takes what is installed, and only you ' +
        'know what that is (pycrypto also stands for pycryptodome and pycryptopp)',
    ],
    [
      {
        format: 'beaker',
        encrypt_key: 'k'.repeat(32),
        validate_key: 'v'.repeat(32),
        crypto_type: 'nss',
        encrypt_nonce_bits: 50,
      },
      'beaker.session.encrypt_nonce_bits: expected a multiple of 8, got 50',
    ],
    [
      { partitioned: true, secure: false },
      'beaker.session.partitioned: browsers refuse partitioned cookies without secure = true',
    ],
  ])('are refused: %j', (options, message) => {
    expect(() => beakerSession({ secret: SECRET, ...options } as Options)).toThrow(message)
  })
})

describe('a late save of a cookie session', () => {
  it('is told, for no cookie can carry it', async () => {
    const warnings: string[] = []
    const listen = (warning: Error & { code?: string }) => warnings.push(String(warning.code))
    process.on('warning', listen)
    onTestFinished(() => void process.off('warning', listen))
    const bob = await visit({ type: 'cookie' }, async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/late') {
        res.write('a')
        session.set('n', 5)
      }
      session.save()
      res.end()
    })
    await bob.get('/')
    await bob.get('/late')
    await turn()
    expect(warnings).toEqual(['SESSD_LATE'])
  })
})

describe('on_conflict = fail', () => {
  it('makes the second of two overlapping changes fail', async () => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => void vi.restoreAllMocks())
    let waiting = 0
    let go = () => {}
    const both = new Promise<void>((resolve) => {
      go = resolve
    })
    const bob = await visit({ on_conflict: 'fail' }, async (req, res) => {
      const session = await getSession(req)
      session.set(req.url!, true)
      session.save()
      if (req.url !== '/first' && ++waiting === 2) go()
      if (req.url !== '/first') await both
      res.end()
    })
    await bob.get('/first')
    const answers = await Promise.all([bob.fetch('/a'), bob.fetch('/b')])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 500])
  })
})

describe('locks', () => {
  /** How many requests were between load and answer at the same time, at most. */
  async function overlap(options: Partial<Options>, enter: (session: Session) => Promise<void>) {
    let inside = 0
    let most = 0
    const bob = await visit(options, async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/work') {
        await enter(session)
        most = Math.max(most, ++inside)
        const n = (session.get('n') as number | undefined) ?? 0
        await turn()
        await turn()
        session.set('n', n + 1)
        inside--
      }
      session.save()
      res.end(JSON.stringify(session.get('n') ?? null))
    })
    await bob.get('/')
    await Promise.all(Array.from({ length: 10 }, () => bob.get('/work')))
    return { most, n: await bob.get('/') }
  }

  it('lock = request lets one request at a time work with a session', async () => {
    expect(await overlap({ lock: 'request' }, async () => {})).toEqual({ most: 1, n: '10' })
  })

  it('session.lock() does so for those that call it', async () => {
    expect(await overlap({}, (session) => session.lock())).toEqual({ most: 1, n: '10' })
  })

  it('without a lock they overlap', async () => {
    expect((await overlap({}, async () => {})).most).toBeGreaterThan(1)
  })

  it('are given up after lock_timeout, and die with their holder', async () => {
    let now = 1_700_000_000_000
    const store = memoryStore({ clock: () => now })
    const bob = await visit({ store, lock_timeout: 1, clock: () => now }, async (req, res) => {
      const session = await getSession(req)
      session.save()
      if (req.url === '/lock') {
        const outcome = await session.lock().then(
          () => 'locked',
          (error: Error) => error.message,
        )
        return res.end(outcome)
      }
      res.end(session.id)
    })
    const id = await bob.get('/')
    store.save(`lock-${id}`, new Uint8Array(), { expiresAt: now + 1000, expected: null })
    expect(await bob.get('/lock')).toBe('the session was not free within 1000 ms')
    now += 1001
    expect(await bob.get('/lock')).toBe('locked')
  })

  it('do not make a request wait for itself', async () => {
    const bob = await visit({ lock_timeout: 1 }, async (req, res) => {
      const session = await getSession(req)
      await Promise.all([session.lock(), session.lock()])
      await session.lock()
      session.save()
      res.end('locked')
    })
    await bob.get('/')
    expect(await bob.get('/')).toBe('locked')
  })

  it('are not for cookie sessions', async () => {
    const bob = await visit({ type: 'cookie' }, async (req, res) => {
      res.end(await (await getSession(req)).lock().catch((error: Error) => error.message))
    })
    expect(await bob.get('/')).toBe('sessions of type = cookie can not be locked')
  })
})
