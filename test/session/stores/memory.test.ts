import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { memoryStore } from '../../../src/session/stores/memory.js'
import { SLOT_MS } from '../../../src/session/stores/timer-wheel.js'
import { storeConformance } from '../../../src/session/testing.js'

describe('the memory store conforms', () => {
  storeConformance({ describe, it, open: (clock) => memoryStore({ clock }) })
})

describe('the memory store with a limit conforms', () => {
  storeConformance({ describe, it, open: (clock) => memoryStore({ clock, maxSessions: 1000 }) })
})

afterEach(() => {
  vi.useRealTimers()
})

const insert = (store: ReturnType<typeof memoryStore>, id: string, expiresAt: number | null = null) =>
  store.save(id, Buffer.from(id), { expiresAt, expected: null })

test('answers at once, without promises', () => {
  const store = memoryStore()
  const saved = insert(store, 'abc')
  expect(saved).toEqual({ saved: true, revision: 1 })
  expect(store.load('abc')?.payload.toString()).toBe('abc')
  expect(store.touch('abc', null)).toBe(true)
  expect(store.delete('abc')).toBe(true)
  store.close()
})

test('at the limit, the sessions saved or touched longest ago go first', () => {
  const store = memoryStore({ maxSessions: 3 })
  for (const id of ['a', 'b', 'c']) insert(store, id)
  store.touch('a', null)
  store.save('b', Buffer.from('changed'), { expiresAt: null, expected: store.load('b')!.revision })
  store.load('c')
  insert(store, 'd')
  expect([...store.ids()].sort()).toEqual(['a', 'b', 'd'])
  insert(store, 'e')
  insert(store, 'f')
  expect([...store.ids()].sort()).toEqual(['d', 'e', 'f'])
  expect(store.stats()).toEqual({ rows: 3, bytes: 3, expired: 0, evicted: 3 })
  store.delete('d')
  insert(store, 'g')
  expect([...store.ids()].sort()).toEqual(['e', 'f', 'g'])
  expect(store.stats().evicted).toBe(3)
})

test('counts rows and bytes', () => {
  let now = 1000
  const store = memoryStore({ clock: () => now })
  insert(store, 'abc', 2000)
  insert(store, 'defgh')
  expect(store.stats()).toEqual({ rows: 2, bytes: 8, expired: 0, evicted: 0 })
  store.save('defgh', Buffer.alloc(100), { expiresAt: 2000, expected: store.load('defgh')!.revision })
  expect(store.stats().bytes).toBe(103)
  now = 2000
  expect(store.load('abc')).toBe(null)
  expect(store.stats()).toEqual({ rows: 1, bytes: 100, expired: 1, evicted: 0 })
  expect(store.sweep(10)).toBe(1)
  expect(store.stats()).toEqual({ rows: 0, bytes: 0, expired: 2, evicted: 0 })
})

test('expired sessions go by themselves, some at a time, and the timer goes with the last', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setImmediate'] })
  let now = 1_000_000
  const store = memoryStore({ clock: () => now })
  expect(vi.getTimerCount()).toBe(0)
  for (let index = 0; index < 2500; index++) insert(store, `row${index}`, now + 1000)
  insert(store, 'stays', now + 3_600_000)
  expect(vi.getTimerCount()).toBe(1)
  now += 2000
  vi.advanceTimersByTime(SLOT_MS)
  expect(store.stats().expired).toBe(1000)
  vi.advanceTimersByTime(1)
  expect(store.stats().expired).toBe(2000)
  vi.advanceTimersByTime(1)
  expect(store.stats()).toEqual({ rows: 1, bytes: 5, expired: 2500, evicted: 0 })
  now += 3_600_000
  vi.advanceTimersByTime(SLOT_MS)
  expect(store.stats().rows).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('keeps no process alive', () => {
  const before = process.getActiveResourcesInfo().length
  const store = memoryStore()
  insert(store, 'abc', Date.now() + 1000)
  expect(process.getActiveResourcesInfo().length).toBe(before)
  store.close()
})

test('gives back every byte of a session that was idle for a while', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const store = memoryStore()
  const payload = Uint8Array.from({ length: 512 }, (_, index) => index)
  store.save('abc', payload, { expiresAt: null, expected: null })
  for (let idle = 0; idle < 3; idle++) {
    vi.advanceTimersByTime(SLOT_MS)
    expect(Buffer.compare(store.load('abc')!.payload, payload)).toBe(0)
    expect(store.stats().bytes).toBe(512)
  }
  store.close()
})

test('refuses an id that is none, without saying it', () => {
  const store = memoryStore()
  expect(() => insert(store, 'sécret🎉')).toThrow(
    new TypeError('session id: expected 1 to 128 of A-Z a-z 0-9 _ -'),
  )
})

test('says that it is closed', () => {
  const store = memoryStore()
  store.close()
  expect(() => store.load('abc')).toThrow(new Error('the memory store is closed'))
})
