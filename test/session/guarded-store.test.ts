import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { StoreOperation } from '../../src/session/events.js'
import { guardedStore, StoreUnavailable } from '../../src/session/guarded-store.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'

/** A backend whose health the test decides. */
function backend() {
  const rows = memoryStore()
  const state = { health: 'well' as 'well' | 'silent' | 'broken' | 'broken late', asked: 0 }
  async function answer<R>(value: () => R): Promise<R> {
    state.asked++
    if (state.health === 'broken') throw new Error('connection refused')
    if (state.health === 'silent') return new Promise<R>(() => {})
    if (state.health === 'broken late') {
      return new Promise<R>((_, reject) => setTimeout(() => reject(new Error('connection reset')), 3000))
    }
    return value()
  }
  const store: SessionStore = {
    scope: 'network',
    load: (id) => answer(() => rows.load(id)),
    save: (...args) => answer(() => rows.save(...args)),
    delete: (id) => answer(() => rows.delete(id)),
  }
  return { state, store: guardedStore(store, { timeout: 2000 }) }
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

async function fail(store: SessionStore, times: number) {
  for (let i = 0; i < times; i++) await expect(store.load('x')).rejects.toThrow('connection refused')
}

describe('a guarded store', () => {
  it('passes answers and failures through', async () => {
    const { state, store } = backend()
    expect(await store.load('x')).toBeNull()
    expect(await store.save('x', Buffer.from('1'), { expiresAt: null, expected: null })).toMatchObject({
      saved: true,
    })
    expect(await store.delete('x')).toBe(true)
    state.health = 'broken'
    await expect(store.load('x')).rejects.toThrow('connection refused')
  })

  it('answers at once where the store does', () => {
    const store = guardedStore(memoryStore(), { timeout: 1 })
    expect(store.load('x')).toBeNull()
    expect(store.touch?.('x', 1)).toBe(false)
  })

  it('rejects what takes too long', async () => {
    const { state, store } = backend()
    state.health = 'silent'
    const outcome = expect(
      store.save('x', Buffer.from(''), { expiresAt: null, expected: null }),
    ).rejects.toThrow(new StoreUnavailable('the session store did not save within 2000 ms'))
    await vi.advanceTimersByTimeAsync(2000)
    await outcome
  })

  it('stops asking after five failures, and answers at once', async () => {
    const { state, store } = backend()
    state.health = 'broken'
    await fail(store, 5)
    expect(() => store.load('x')).toThrow(
      new StoreUnavailable('the session store is away: connection refused'),
    )
    expect(state.asked).toBe(5)
  })

  it('is back with the first answer to a probe', async () => {
    const { state, store } = backend()
    state.health = 'broken'
    await fail(store, 5)
    await vi.advanceTimersByTimeAsync(500)
    await fail(store, 1)
    expect(() => store.load('x')).toThrow(StoreUnavailable)
    state.health = 'well'
    await vi.advanceTimersByTimeAsync(500)
    expect(await store.load('x')).toBeNull()
    expect(await store.load('x')).toBeNull()
  })

  it('sends one probe at a time', async () => {
    const { state, store } = backend()
    state.health = 'broken'
    await fail(store, 5)
    await vi.advanceTimersByTimeAsync(500)
    state.health = 'silent'
    const probe = expect(store.load('x')).rejects.toThrow('did not load within 2000 ms')
    expect(() => store.load('x')).toThrow(StoreUnavailable)
    expect(state.asked).toBe(6)
    await vi.advanceTimersByTimeAsync(2000)
    await probe
  })

  it('counts an operation that is late, and then fails, once', async () => {
    const { state, store } = backend()
    state.health = 'broken late'
    const late = Promise.allSettled([store.load('x'), store.load('x'), store.load('x'), store.load('x')])
    await vi.advanceTimersByTimeAsync(2000)
    expect((await late).map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    await vi.advanceTimersByTimeAsync(1000)
    state.health = 'well'
    expect(await store.load('x')).toBeNull()
    expect(state.asked).toBe(5)
  })

  it('does not take single failures for an outage', async () => {
    const { state, store } = backend()
    for (let i = 0; i < 3; i++) {
      state.health = 'broken'
      await fail(store, 4)
      state.health = 'well'
      expect(await store.load('x')).toBeNull()
    }
  })
})

describe('a guarded store of several shards', () => {
  /** The shard of an id is its first letter. Those in `away` fail. */
  function shards() {
    const rows = memoryStore()
    const away = new Set<string>()
    const state = { asked: 0, known: true }
    const store: SessionStore = {
      scope: 'network',
      async load(id) {
        state.asked++
        if (away.has(id[0]!)) throw new Error(`${id[0]} refused`)
        return rows.load(id)
      },
      save: async (...args) => rows.save(...args),
      delete: async (id) => rows.delete(id),
      shardOf: (id) => (state.known ? id[0] : undefined),
    }
    return { away, state, store: guardedStore(store, { timeout: 2000 }) }
  }

  async function failOn(store: SessionStore, id: string, times: number) {
    for (let i = 0; i < times; i++) await expect(store.load(id)).rejects.toThrow(`${id[0]} refused`)
  }

  function listen(): unknown[] {
    const told: unknown[] = []
    const note = (message: unknown) => told.push(message)
    subscribe('sessd:session', note)
    onTestFinished(() => void unsubscribe('sessd:session', note))
    return told
  }

  it('goes on asking the others while it answers at once for the one that is away', async () => {
    const { away, state, store } = shards()
    away.add('a')
    await failOn(store, 'a1', 5)
    expect(() => store.load('a2')).toThrow(new StoreUnavailable('the session store is away: a refused'))
    expect(await store.load('b1')).toBeNull()
    expect(() => store.load('a1')).toThrow(StoreUnavailable)
    expect(state.asked).toBe(6)
  })

  it('counts the failures of each for itself', async () => {
    const { away, store } = shards()
    away.add('a').add('b')
    await failOn(store, 'a1', 4)
    await failOn(store, 'b1', 4)
    expect(await store.load('c1')).toBeNull()
    await failOn(store, 'a1', 1)
    await failOn(store, 'b1', 1)
    expect(() => store.load('a1')).toThrow(StoreUnavailable)
    expect(() => store.load('b1')).toThrow(StoreUnavailable)
  })

  it('tells which one is away and back', async () => {
    const told = listen()
    const { away, store } = shards()
    away.add('a')
    await failOn(store, 'a1', 5)
    await store.load('b1')
    away.clear()
    await vi.advanceTimersByTimeAsync(500)
    await store.load('a1')
    expect(told).toEqual([
      { type: 'shard-away', shard: 'a', error: new Error('a refused') },
      { type: 'shard-back', shard: 'a' },
    ])
  })

  it('forgets one that nobody has asked for five seconds, as its rows may be elsewhere now', async () => {
    const told = listen()
    const { away, store } = shards()
    away.add('a')
    await failOn(store, 'a1', 5)
    await vi.advanceTimersByTimeAsync(5001)
    await store.load('b1')
    expect(told).toContainEqual({ type: 'shard-back', shard: 'a' })
  })

  it('is away as a whole only while no shard is known, and back with the first answer of any', async () => {
    const told = listen()
    const { away, state, store } = shards()
    state.known = false
    away.add('a')
    await failOn(store, 'a1', 5)
    expect(() => store.load('b1')).toThrow(StoreUnavailable)
    state.known = true
    expect(await store.load('b1')).toBeNull()
    expect(told).toEqual([{ type: 'store-away', error: new Error('a refused') }, { type: 'store-back' }])
  })
})

describe('the channel sessd:store', () => {
  it('tells each operation once, with its outcome and how long it took', async () => {
    const told: StoreOperation[] = []
    const listen = (message: unknown) => told.push(message as StoreOperation)
    subscribe('sessd:store', listen)
    onTestFinished(() => void unsubscribe('sessd:store', listen))
    const { state, store } = backend()
    await store.load('x')
    state.health = 'broken'
    await fail(store, 4)
    state.health = 'silent'
    const late = expect(store.delete('x')).rejects.toThrow(StoreUnavailable)
    await vi.advanceTimersByTimeAsync(2000)
    await late
    expect(() => store.load('x')).toThrow(StoreUnavailable)
    expect(told.map(({ operation, outcome }) => `${operation} ${outcome}`)).toEqual([
      'load done',
      ...Array(4).fill('load failed'),
      'delete late',
      'load refused',
    ])
    expect(told[5]!.milliseconds).toBeGreaterThanOrEqual(2000)
  })
})
