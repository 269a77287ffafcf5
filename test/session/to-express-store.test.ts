import { EventEmitter } from 'node:events'
import express from 'express'
import session from 'express-session'
import { describe, expect, test } from 'vitest'
import { sessdCodec } from '../../src/session/codecs/sessd.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { toExpressStore } from '../../src/session/to-express-store.js'
import { serve } from '../support/site.js'
import { slowStore } from '../support/slow-store.js'

/** The session as the dictionary that apps use. */
function dataOf(req: express.Request): Record<string, unknown> {
  return req.session as unknown as Record<string, unknown>
}

/** An express app whose sessions are in `store`: `/set/key/value`, `/get/key`, `/unset/key`, `/slow/key/value`, … */
async function site(store: SessionStore, given: Partial<session.SessionOptions> = {}) {
  const gates = new Map<string, () => void>()
  const reached = new Map<string, () => void>()
  const app = express()
  app.use(
    session({
      secret: 'a secret of more than sixteen',
      resave: false,
      saveUninitialized: false,
      store: toExpressStore(store, { session }),
      ...given,
    }),
  )
  app.get('/set/:key/:value', (req, res) => {
    dataOf(req)[req.params.key] = req.params.value
    res.send('set')
  })
  app.get('/unset/:key', (req, res) => {
    delete dataOf(req)[req.params.key]
    res.send('unset')
  })
  app.get('/get/:key', (req, res) => {
    res.send(JSON.stringify(dataOf(req)[req.params.key] ?? null))
  })
  app.get('/destroy', (req, res) => req.session.destroy(() => res.send('destroyed')))
  app.get('/regenerate', (req, res) => req.session.regenerate(() => res.send(req.sessionID)))
  app.get('/reload', (req, res) => {
    dataOf(req).n = 'lost'
    req.session.reload(() => res.send(JSON.stringify(dataOf(req).n ?? null)))
  })
  app.get('/save-twice/:key', (req, res) => {
    dataOf(req)[req.params.key] = 'one'
    req.session.save(() => {
      dataOf(req)[req.params.key] = 'two'
      req.session.save(() => res.send('saved'))
    })
  })
  // Sets the value, then waits for `open`.
  app.get('/slow/:key/:value', async (req, res) => {
    const { key, value } = req.params
    dataOf(req)[key] = value
    reached.get(key)?.()
    await new Promise<void>((resolve) => gates.set(key, resolve))
    res.send('set')
  })
  const served = await serve(app)
  return {
    ...served,
    /** Resolves when `/slow/key/…` has its session. */
    until: (key: string) => new Promise<void>((resolve) => reached.set(key, resolve)),
    open: (key: string) => gates.get(key)?.(),
  }
}

async function rowsOf(store: SessionStore) {
  const rows: Record<string, unknown>[] = []
  for await (const id of store.ids?.() ?? []) {
    const row = await store.load(id)
    rows.push(JSON.parse(Buffer.from(row!.payload).toString()))
  }
  return rows
}

describe.each([
  ['memory', () => memoryStore()],
  ['a slow store', () => ({ ...slowStore(memoryStore()), touch: undefined as never })],
])('express-session on %s', (_name, make) => {
  test('keeps sessions, in rows that other apps can read', async () => {
    const store = memoryStore()
    const visitor = (await site(store)).visitor()
    await visitor.get('/set/user/bob')
    expect(await visitor.get('/get/user')).toBe('"bob"')
    expect(await rowsOf(store)).toEqual([
      {
        sessd: 1,
        created: expect.any(Number),
        accessed: expect.any(Number),
        data: {
          cookie: { originalMaxAge: null, expires: null, httpOnly: true, path: '/' },
          user: 'bob',
        },
      },
    ])
    await visitor.get('/unset/user')
    expect(await visitor.get('/get/user')).toBe('null')
  })

  test('loses no change of two requests to different keys', async () => {
    const { visitor, until, open } = await site(make())
    const bob = visitor()
    await bob.get('/set/n/0')
    const waiting = until('a')
    const slow = bob.get('/slow/a/1')
    await waiting
    await bob.get('/set/b/2')
    await bob.get('/unset/n')
    open('a')
    await slow
    expect(await bob.get('/get/a')).toBe('"1"')
    expect(await bob.get('/get/b')).toBe('"2"')
    expect(await bob.get('/get/n')).toBe('null')
  })

  test('brings no session back that was ended while a slow request had it', async () => {
    const store = make()
    const { visitor, until, open } = await site(store)
    const bob = visitor()
    await bob.get('/set/user/bob')
    const thief = bob.clone()
    const waiting = until('a')
    const slow = thief.get('/slow/a/1')
    await waiting
    await bob.get('/destroy')
    open('a')
    await slow
    expect(await thief.get('/get/user')).toBe('null')
  })

  test('regenerates, reloads, and saves twice', async () => {
    const bob = (await site(make())).visitor()
    await bob.get('/set/n/1')
    const before = bob.cookie
    const id = await bob.get('/regenerate')
    expect(id).toMatch(/^[\w-]{32}$/)
    await bob.get('/set/n/2')
    expect(bob.cookie).not.toBe(before)
    expect(await bob.get('/reload')).toBe('"2"')
    await bob.get('/save-twice/x')
    expect(await bob.get('/get/x')).toBe('"two"')
  })
})

describe('how long sessions live', () => {
  test('is said by the cookie, and moved by each request', async () => {
    let now = Date.now()
    const clock = () => now
    const store = memoryStore({ clock })
    const visitor = (await site(store, { cookie: { maxAge: 60_000 } })).visitor()
    await visitor.get('/set/user/bob')
    const [id] = [...store.ids()]
    const first = store.load(id!)?.expiresAt ?? 0
    expect(first - Date.now()).toBeGreaterThan(50_000)
    store.touch(id!, first - 30_000)
    await visitor.get('/get/user')
    expect(store.load(id!)?.expiresAt).toBeGreaterThanOrEqual(first)
    now += 70_000
    expect(await visitor.get('/get/user')).toBe('null')
  })

  test('is a day, or as told, for cookies that end with the browser', async () => {
    const now = 1_700_000_000_000
    for (const [ttl, expected] of [
      [undefined, 86_400_000],
      [1000, 1000],
    ]) {
      const store = memoryStore({ clock: () => now })
      const express = toExpressStore(store, { session, ttl, clock: () => now })
      await call(express, 'set', 'abc', { cookie: { originalMaxAge: null, expires: null } })
      expect(store.load('abc')?.expiresAt).toBe(now + (expected ?? 0))
    }
  })

  test('is shown in the cookie as it is after a touch', async () => {
    const now = Date.now()
    const store = memoryStore()
    const express = toExpressStore(store, { session })
    const cookie = { originalMaxAge: 60_000, expires: new Date(now + 60_000) }
    await call(express, 'set', 'abc', { cookie })
    await call(express, 'touch', 'abc', { cookie: { ...cookie, expires: new Date(now + 90_000) } })
    expect(await call(express, 'get', 'abc')).toEqual({
      cookie: { originalMaxAge: 60_000, expires: new Date(now + 90_000).toISOString() },
    })
  })
})

describe('rows of other apps', () => {
  test('are sessions with all their keys, and keep what express-session has no room for', async () => {
    const store = memoryStore()
    const express = toExpressStore(store, { session })
    const values = { user: '"bob"', save: '"now"', __proto__x: '1', id: '7', req: '[]', cookies: '{}' }
    const document = {
      created: 1,
      accessed: 2,
      values: new Map([...Object.entries(values), ['__proto__', '{"polluted":true}']]),
    }
    store.save('abc', sessdCodec.encode(document), { expiresAt: null, expected: null })
    const data = (await call(express, 'get', 'abc')) as Record<string, unknown>
    expect((data as { polluted?: unknown }).polluted).toBe(undefined)
    const live = express.createSession({} as never, data as never) as unknown as Record<string, unknown>
    live.user = 'eve'
    await call(express, 'set', 'abc', live)
    const after = sessdCodec.decode(store.load('abc')!.payload)
    expect(after.created).toBe(1)
    expect(
      Object.fromEntries([...after.values].filter(([key]) => key !== 'cookie' && key !== '__proto__')),
    ).toEqual({ ...values, user: '"eve"' })
    expect(after.values.get('__proto__')).toBe('{"polluted":true}')
  })

  test('that are broken, or a newer version, are no sessions', async () => {
    const store = memoryStore()
    const express = toExpressStore(store, { session })
    for (const [index, text] of ['', 'x', '{"sessd":99,"data":{}}'].entries()) {
      store.save(`id${index}`, Buffer.from(text), { expiresAt: null, expected: null })
      expect(await call(express, 'get', `id${index}`)).toBe(null)
    }
  })
})

describe('the store itself', () => {
  test('is a store of express-session, with all that it may have', async () => {
    const store = memoryStore()
    const express = toExpressStore(store, { session })
    expect(express).toBeInstanceOf(session.Store)
    expect(express).toBeInstanceOf(EventEmitter)
    const cookie = { originalMaxAge: null, expires: null, path: '/' }
    for (const id of ['a', 'b', 'c']) await call(express, 'set', id, { cookie, name: id })
    expect(await call(express, 'length')).toBe(3)
    expect(await call(express, 'all')).toEqual(['a', 'b', 'c'].map((id) => ({ cookie, name: id, id })))
    await call(express, 'destroy', 'b')
    await call(express, 'destroy', 'b')
    expect(await call(express, 'length')).toBe(2)
    await call(express, 'clear')
    expect(await call(express, 'length')).toBe(0)
    express.clear?.()
    express.destroy('a')
  })

  test('writes whole sessions that nobody loaded before, as any store does', async () => {
    const express = toExpressStore(memoryStore(), { session })
    const cookie = { originalMaxAge: null, expires: null, path: '/' }
    await call(express, 'set', 'abc', { cookie, one: 1 })
    await call(express, 'set', 'abc', { cookie, two: 2 })
    expect(await call(express, 'get', 'abc')).toEqual({ cookie, two: 2 })
    const data = (await call(express, 'get', 'abc')) as Record<string, unknown>
    await call(express, 'destroy', 'abc')
    await call(express, 'set', 'abc', data)
    expect(await call(express, 'get', 'abc')).toBe(null)
  })

  test('takes only ids that a store can hold', async () => {
    const express = toExpressStore(memoryStore(), { session })
    expect(await call(express, 'get', '../x')).toBe(null)
    await call(express, 'destroy', '../x')
    await call(express, 'touch', '../x', {})
    await expect(call(express, 'set', '../x', {})).rejects.toThrow(
      'genid: expected ids of 1 to 128 of A-Z a-z 0-9 _ -',
    )
  })

  test('reports what the store reports', async () => {
    const broken = async () => {
      throw new Error('away')
    }
    const express = toExpressStore(
      { ...memoryStore(), load: broken, save: broken, delete: broken, ids: undefined as never },
      { session },
    )
    await expect(call(express, 'get', 'abc')).rejects.toThrow('away')
    await expect(call(express, 'set', 'abc', {})).rejects.toThrow('away')
    await expect(call(express, 'destroy', 'abc')).rejects.toThrow('away')
    await expect(call(express, 'length')).rejects.toThrow('this kind of store can not list its sessions')
  })
})

/** Calls a method as express-session does; resolves with what it calls back. */
function call(store: object, method: string, ...args: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const methods = store as Record<string, (...args: unknown[]) => void>
    methods[method]!(...args, (error: unknown, result: unknown) => (error ? reject(error) : resolve(result)))
  })
}
