import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, test } from 'vitest'
import { OptionError } from '../../../src/config/errors.js'
import { readOptions } from '../../../src/config/options.js'
import type { SessionStore } from '../../../src/session/store.js'
import { chainStore, options } from '../../../src/session/stores/chain.js'
import { decodeCopy, encodeCopy } from '../../../src/session/stores/chain-copy.js'
import { fileStore } from '../../../src/session/stores/file.js'
import { memoryStore } from '../../../src/session/stores/memory.js'
import { redisStore } from '../../../src/session/stores/redis.js'
import { storeConformance } from '../../../src/session/testing.js'
import { realTimeConformance } from '../../support/real-time.js'
import { describeWith, startRedis, type TestServer } from '../../support/servers.js'
import { slowStore } from '../../support/slow-store.js'

const forever = { expiresAt: null, expected: null }

describe('of memory and memory conforms', () => {
  storeConformance({
    describe,
    it,
    open: (clock) => chainStore([memoryStore({ clock }), memoryStore({ clock })], { maxAge: 60_000, clock }),
  })
})

describe('of memory, slow memory and files conforms', () => {
  const directory = mkdtempSync(join(tmpdir(), 'chain-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  let count = 0
  storeConformance({
    describe,
    it,
    open: (clock) =>
      chainStore(
        [
          memoryStore({ clock }),
          slowStore(memoryStore({ clock })),
          fileStore({ directory: join(directory, String(++count)), clock }),
        ],
        { maxAge: 60_000, clock },
      ),
  })
})

describe('of slow stores conforms', () => {
  storeConformance({
    describe,
    it,
    open: (clock) =>
      chainStore([slowStore(memoryStore({ clock }), 5), slowStore(memoryStore({ clock }), 2)], {
        maxAge: 60_000,
        clock,
      }),
  })
})

describeWith(['redis-server', 'redis-cli'], 'of memory and Redis', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.stop())

  describe('conforms', () => {
    realTimeConformance({
      open: (owner) =>
        chainStore(
          [memoryStore(), redisStore({ url: `redis://${server.address}`, keys: { prefix: `${owner}:` } })],
          { maxAge: 100 },
        ),
      shared: false,
    })
  })

  test('asks Redis no more than it must, and answers at once from memory', async () => {
    const redis = counting(redisStore({ url: `redis://${server.address}` }))
    const store = chainStore([memoryStore(), redis], { maxAge: 60_000 })
    onTestFinished(() => store.close?.())
    await store.save('abc', Buffer.from('one'), forever)
    for (let time = 0; time < 10; time++) {
      expect(store.load('abc')).toMatchObject({ payload: Buffer.from('one'), expiresAt: null })
    }
    expect(redis.calls).toEqual(['save'])
  })
})

/** Two processes: chains with a near store each, and the last in common. The clock is turned by hand. */
function twoProcesses(maxAge = 5000) {
  const time = { now: 1_000_000 }
  const clock = () => time.now
  const last = counting(memoryStore({ clock }))
  const near = [memoryStore({ clock }), memoryStore({ clock })] as const
  const [here, there] = near.map((store) => chainStore([store, last], { maxAge, clock })) as [
    ReturnType<typeof chainStore>,
    ReturnType<typeof chainStore>,
  ]
  return { time, clock, last, near, here, there }
}

describe('what another process did', () => {
  test('is seen at the latest after max_age', async () => {
    const { time, here, there } = twoProcesses()
    await here.save('abc', Buffer.from('one'), forever)
    const row = await there.load('abc')
    await there.save('abc', Buffer.from('two'), { expiresAt: null, expected: row?.revision ?? null })
    time.now += 4999
    expect((await here.load('abc'))?.payload).toEqual(Buffer.from('one'))
    time.now += 1
    expect((await here.load('abc'))?.payload).toEqual(Buffer.from('two'))
    await there.delete('abc')
    time.now += 5000
    expect(await here.load('abc')).toBe(null)
  })

  test('is never written over: who changes an old copy gets the row as it is', async () => {
    const { here, there } = twoProcesses()
    await here.save('abc', Buffer.from('one'), forever)
    const copy = await here.load('abc')
    const expected = copy?.revision ?? null
    await there.save('abc', Buffer.from('two'), { expiresAt: null, expected })
    const late = await here.save('abc', Buffer.from('three'), { expiresAt: null, expected })
    expect(late).toMatchObject({ saved: false, current: { payload: Buffer.from('two') } })
    expect((await here.load('abc'))?.payload).toEqual(Buffer.from('two'))
  })

  test('never comes back: who changes a session that is over learns that, and sees it no more', async () => {
    const { here, there } = twoProcesses()
    await here.save('abc', Buffer.from('one'), forever)
    const copy = await here.load('abc')
    await there.delete('abc')
    const late = await here.save('abc', Buffer.from('two'), {
      expiresAt: null,
      expected: copy?.revision ?? null,
    })
    expect(late).toEqual({ saved: false, current: null })
    expect(await here.load('abc')).toBe(null)
    expect(await there.load('abc')).toBe(null)
  })

  test('counts from when the last store was asked, however often copies are copied', async () => {
    const time = { now: 1_000_000 }
    const clock = () => time.now
    const shared = memoryStore({ clock })
    const last = memoryStore({ clock })
    const first = chainStore([memoryStore({ clock }), shared, last], { maxAge: 5000, clock })
    const second = chainStore([memoryStore({ clock }), shared, last], { maxAge: 5000, clock })
    await first.save('abc', Buffer.from('one'), forever)
    last.delete('abc')
    time.now += 4000
    expect((await second.load('abc'))?.payload).toEqual(Buffer.from('one'))
    time.now += 1000
    expect(await second.load('abc')).toBe(null)
    expect(await first.load('abc')).toBe(null)
  })
})

describe('what this process did', () => {
  test('is seen at once', async () => {
    const { here } = twoProcesses()
    const first = await here.save('abc', Buffer.from('one'), forever)
    expect((await here.load('abc'))?.payload).toEqual(Buffer.from('one'))
    const expected = first.saved ? first.revision : null
    await here.save('abc', Buffer.from('two'), { expiresAt: 2_000_000, expected })
    expect(await here.load('abc')).toMatchObject({ payload: Buffer.from('two'), expiresAt: 2_000_000 })
    await here.touch?.('abc', 3_000_000)
    expect(await here.load('abc')).toMatchObject({ payload: Buffer.from('two'), expiresAt: 3_000_000 })
    await here.delete('abc')
    expect(await here.load('abc')).toBe(null)
  })

  test('is not undone by a load that was under way', async () => {
    const last = memoryStore()
    last.save('abc', Buffer.from('one'), forever)
    const gate = gated(last, 'load')
    const near = memoryStore()
    const store = chainStore([near, gate.store], { maxAge: 60_000 })
    const reading = store.load('abc')
    await gate.reached
    await store.delete('abc')
    gate.open()
    expect((await reading)?.payload).toEqual(Buffer.from('one'))
    expect(near.load('abc')).toBe(null)
    expect(await store.load('abc')).toBe(null)
  })

  test('is not undone by a copy that took its time', async () => {
    const near = memoryStore()
    const gate = gated(near, 'save')
    const last = memoryStore()
    last.save('abc', Buffer.from('one'), forever)
    const store = chainStore([gate.store, last], { maxAge: 60_000 })
    const reading = store.load('abc')
    await gate.reached
    const deleting = store.delete('abc')
    gate.open()
    await Promise.all([reading, deleting])
    expect(near.load('abc')).toBe(null)
    expect(await store.load('abc')).toBe(null)
  })

  test('leaves no copy when the last store fails', async () => {
    const near = memoryStore()
    const last = memoryStore()
    const store = chainStore([near, { ...last, delete: broken, save: broken }], { maxAge: 60_000 })
    last.save('abc', Buffer.from('one'), forever)
    await store.load('abc')
    expect([...near.ids()]).toEqual(['abc'])
    await expect(store.delete('abc')).rejects.toThrow('broken')
    expect([...near.ids()]).toEqual([])
    await store.load('abc')
    await expect(store.save('abc', Buffer.from('two'), forever)).rejects.toThrow('broken')
    expect([...near.ids()]).toEqual([])
  })
})

describe('a near store that fails', () => {
  test('is only counted', async () => {
    const last = memoryStore()
    const near = { ...memoryStore(), load: broken, save: broken, delete: broken }
    const store = chainStore([near, last], { maxAge: 1 })
    const first = await store.save('abc', Buffer.from('one'), forever)
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('one'))
    const expected = first.saved ? first.revision : null
    expect((await store.save('abc', Buffer.from('two'), { expiresAt: null, expected })).saved).toBe(true)
    expect(await store.delete('abc')).toBe(true)
    await store.ping?.()
    expect(store.stats().near[0]?.failures).toBeGreaterThan(0)
  })

  test('holds nobody up who does not answer at all', async () => {
    const near = { ...memoryStore(), load: () => new Promise<never>(() => {}) }
    const last = memoryStore()
    last.save('abc', Buffer.from('one'), forever)
    const store = chainStore([near, last], { maxAge: 60_000 })
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('one'))
    expect(store.stats().near).toEqual([{ hits: 0, misses: 0, failures: 1 }])
  })

  test('is not believed while it may hold what it could not remove', async () => {
    const time = { now: 1_000_000 }
    const clock = () => time.now
    const near = memoryStore({ clock })
    let fails = false
    const flaky: SessionStore = { ...near, delete: (id) => (fails ? broken() : near.delete(id)) }
    const store = chainStore([flaky, memoryStore({ clock })], { maxAge: 5000, clock })
    await store.save('abc', Buffer.from('one'), forever)
    fails = true
    await store.delete('abc')
    expect([...near.ids()]).toEqual(['abc'])
    fails = false
    for (let second = 0; second < 8; second++) {
      expect(await store.load('abc')).toBe(null)
      time.now += 1000
    }
  })

  test('gets rid of copies that are over', async () => {
    const near = memoryStore()
    let swept = 0
    const store = chainStore([{ ...near, sweep: (limit) => ++swept + limit }, memoryStore()], {
      maxAge: 1000,
    })
    for (let index = 0; index < 250; index++) await store.save(`id${index}`, Buffer.from('row'), forever)
    expect(swept).toBe(2)
  })

  test('is used again when it works', async () => {
    const time = { now: 1_000_000 }
    const clock = () => time.now
    const near = memoryStore({ clock })
    let fails = true
    const flaky: SessionStore = { ...near, load: (id) => (fails ? broken() : near.load(id)) }
    const store = chainStore([flaky, memoryStore({ clock })], { maxAge: 5000, clock })
    await store.save('abc', Buffer.from('one'), forever)
    await store.load('abc')
    fails = false
    await store.load('abc')
    expect(store.stats().near).toEqual([{ hits: 0, misses: 0, failures: 1 }])
    time.now += 1000
    await store.load('abc')
    await store.load('abc')
    expect(store.stats().near).toMatchObject([{ hits: 2, failures: 1 }])
  })

  test('may hold what is no copy', async () => {
    const near = memoryStore()
    for (const [index, payload] of ['', 'x', '{}\n', 'null\n', '[]', '[1]\nx'].entries()) {
      near.save(`id${index}`, Buffer.from(payload), forever)
    }
    const last = memoryStore()
    last.save('id3', Buffer.from('row'), forever)
    const store = chainStore([near, last], { maxAge: 60_000 })
    for (const id of ['id0', 'id1', 'id2', 'id4', 'id5']) expect(await store.load(id)).toBe(null)
    expect((await store.load('id3'))?.payload).toEqual(Buffer.from('row'))
    expect((await store.load('id3'))?.payload).toEqual(Buffer.from('row'))
  })
})

describe('a chain', () => {
  test('is shared by those who share its last store', () => {
    const network: SessionStore = { ...memoryStore(), scope: 'network' }
    expect(chainStore([memoryStore(), network], { maxAge: 1 }).scope).toBe('network')
    expect(chainStore([network, memoryStore()], { maxAge: 1 }).scope).toBe('process')
  })

  test('fails as the last store does, whatever the others hold', async () => {
    const store = chainStore([memoryStore(), { ...memoryStore(), load: broken, ping: broken }], { maxAge: 1 })
    await expect(store.load('abc')).rejects.toThrow('broken')
    await expect((async () => store.ping?.())()).rejects.toThrow('broken')
  })

  test('has two stores at least, and an age to believe', () => {
    expect(() => chainStore([memoryStore()], { maxAge: 1 })).toThrow(
      'chain.stores: expected at least two stores, the nearest first, as in memory, ext:redis',
    )
    expect(() => chainStore([memoryStore(), memoryStore()], { maxAge: 0 })).toThrow(
      'chain.max_age: expected a time above 0',
    )
  })

  test('reads its settings', () => {
    const read = (entries: Record<string, string>) =>
      readOptions(options, new Map(Object.entries(entries)) as never)
    expect(read({ 'chain.stores': 'memory, ext:redis', 'chain.max_age': '5s' })).toEqual({
      'chain.stores': ['memory', 'ext:redis'],
      'chain.max_age': 5,
    })
    expect(() => read({ 'chain.stores': 'memory', 'chain.max_age': '5s' })).toThrow(
      new OptionError(
        'chain.stores',
        'expected at least two stores, the nearest first, as in memory, ext:redis, got "memory"',
      ),
    )
    expect(read({ 'chain.stores': 'memory file' })).toMatchObject({ 'chain.max_age': 1 })
  })
})

test.each([
  ['text', 'c17'],
  ['a number', 17],
  ['a large number', 2n ** 70n],
  ['bytes', Buffer.from([0, 255, 10])],
  ['the row itself', Buffer.from('line\nline')],
])('a copy keeps a revision that is %s', (_name, revision) => {
  const row = { payload: Buffer.from('line\nline'), revision, expiresAt: null }
  expect(decodeCopy(encodeCopy({ row, until: 1.5 }))).toEqual({ row, until: 1.5 })
})

function broken(): never {
  throw new Error('broken')
}

/** Notes what it is asked. */
function counting(store: SessionStore): SessionStore & { calls: string[] } {
  const calls: string[] = []
  const note =
    <A extends unknown[], R>(name: string, work: (...args: A) => R) =>
    (...args: A): R => {
      calls.push(name)
      return work(...args)
    }
  return {
    ...store,
    load: note('load', store.load),
    save: note('save', store.save),
    delete: note('delete', store.delete),
    calls,
  }
}

/** A store whose answers to `method` wait at a gate, once. */
function gated(store: SessionStore, method: 'load' | 'save') {
  let open = () => {}
  let reach = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const wait = async <R>(result: R): Promise<Awaited<R>> => {
    const settled = await result
    reach()
    await opened
    return settled
  }
  const gate: SessionStore =
    method === 'load'
      ? { ...store, load: (id) => wait(store.load(id)) }
      : { ...store, save: async (...args) => wait(null).then(() => store.save(...args)) }
  return { store: gate, reached, open }
}
