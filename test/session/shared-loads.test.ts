import { expect, test } from 'vitest'
import { SharedLoads } from '../../src/session/shared-loads.js'
import type { SessionStore, StoredSession } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'

/** A memory store that answers its loads when told to. */
function slowStore() {
  const memory = memoryStore()
  const answers: ((failure?: Error) => void)[] = []
  const store: SessionStore = {
    ...memory,
    load: (id) =>
      new Promise<StoredSession | null>((resolve, reject) => {
        const row = memory.load(id)
        answers.push((failure) => (failure === undefined ? resolve(row) : reject(failure)))
      }),
  }
  return { memory, store, answers }
}

const bytes = (text: string) => Buffer.from(text)
const textOf = (row: StoredSession | null) => row && Buffer.from(row.payload).toString()
const fresh = { expiresAt: null, expected: null } as const

test('of many requests at once the first and one for all others ask the store', async () => {
  const { memory, store, answers } = slowStore()
  memory.save('a', bytes('one'), fresh)
  const loads = new SharedLoads(store)
  const all = Array.from({ length: 200 }, () => loads.load('a'))
  expect(answers).toHaveLength(1)
  answers[0]!()
  await all[0]
  await expect.poll(() => answers.length).toBe(2)
  answers[1]!()
  expect((await Promise.all(all)).map(textOf)).toEqual(Array(200).fill('one'))
  expect(answers).toHaveLength(2)
})

test('who comes after a change was stored never sees the row from before it', async () => {
  const { memory, store, answers } = slowStore()
  const saved = memory.save('a', bytes('before'), fresh)
  const loads = new SharedLoads(store)
  const first = loads.load('a')
  memory.save('a', bytes('after'), { expiresAt: null, expected: saved.saved ? saved.revision : null })
  const second = loads.load('a')
  answers[0]!()
  expect(textOf(await first)).toBe('before')
  await expect.poll(() => answers.length).toBe(2)
  answers[1]!()
  expect(textOf(await second)).toBe('after')
})

test('a failure is told to all who wait, and the next one tries again', async () => {
  const { store, answers } = slowStore()
  const loads = new SharedLoads(store)
  const waiting = Promise.allSettled([loads.load('a'), loads.load('a'), loads.load('a')])
  answers[0]!(new Error('away'))
  expect((await waiting).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  const again = loads.load('a')
  expect(answers).toHaveLength(2)
  answers[1]!()
  expect(await again).toBeNull()
})

test('a store that refuses at once, while others wait, leaves nothing behind', async () => {
  const { store, answers } = slowStore()
  let refuses = false
  const loads = new SharedLoads({
    ...store,
    load(id) {
      if (refuses) throw new Error('refused')
      return store.load(id)
    },
  })
  const waiting = Promise.allSettled([loads.load('a'), loads.load('a')])
  refuses = true
  answers[0]!()
  expect((await waiting).map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  refuses = false
  const again = loads.load('a')
  answers[1]!()
  expect(await again).toBeNull()
})

test('sessions do not wait for each other', async () => {
  const { store, answers } = slowStore()
  const loads = new SharedLoads(store)
  const [a, b] = [loads.load('a'), loads.load('b')]
  expect(answers).toHaveLength(2)
  answers[1]!()
  expect(await b).toBeNull()
  answers[0]!()
  expect(await a).toBeNull()
})

test('a store that answers at once is asked at once', () => {
  const memory = memoryStore()
  memory.save('a', bytes('one'), fresh)
  const loads = new SharedLoads(memory)
  expect(textOf(loads.load('a') as StoredSession)).toBe('one')
  expect(textOf(loads.load('a') as StoredSession)).toBe('one')
})
