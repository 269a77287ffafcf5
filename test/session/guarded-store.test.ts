import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { StoreOperation } from '../../src/session/events.js'
import { guardedStore, StoreUnavailable } from '../../src/session/guarded-store.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'

/** A backend whose health the test decides. */
function backend() {
  const rows = memoryStore()
  const state = { health: 'well' as 'well' | 'silent' | 'broken', asked: 0 }
  async function answer<R>(value: () => R): Promise<R> {
    state.asked++
    if (state.health === 'broken') throw new Error('connection refused')
    if (state.health === 'silent') return new Promise<R>(() => {})
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
