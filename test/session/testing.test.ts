// The conformance suite itself: that it passes a sound store, and finds what is wrong with others.

import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Clock } from '../../src/session/clock.js'
import type { SessionStore } from '../../src/session/store.js'
import { type MemoryStore, memoryStore } from '../../src/session/stores/memory.js'
import { storeConformance } from '../../src/session/testing.js'

/** Runs the suite on what `make` makes of a sound store; answers the titles of the tests that failed. */
async function failures(
  make: (store: MemoryStore, clock: Clock) => SessionStore,
): Promise<readonly string[]> {
  const tests: { title: string; body: () => Promise<void> }[] = []
  storeConformance({
    describe: (_title, body) => body(),
    it: (title, body) => tests.push({ title, body }),
    open: (clock) => make(memoryStore({ clock }), clock),
    largest: 100_000,
  })
  const failed: string[] = []
  for (const { title, body } of tests) {
    try {
      await body()
    } catch {
      failed.push(title)
    }
  }
  return failed
}

test('a sound store passes', async () => {
  expect(await failures((store) => store)).toEqual([])
})

test('a sound store that answers later passes', async () => {
  const found = await failures((store) => ({
    ...store,
    async load(id) {
      await turn()
      return store.load(id)
    },
    async save(id, payload, options) {
      await turn()
      return store.save(id, payload, options)
    },
    async delete(id) {
      await turn()
      return store.delete(id)
    },
  }))
  expect(found).toEqual([])
})

test('a store with the three methods alone passes', async () => {
  expect(
    await failures(({ load, save, delete: remove, scope }) => ({ load, save, delete: remove, scope })),
  ).toEqual([])
})

test.each<[string, string, (store: MemoryStore, clock: Clock) => Partial<SessionStore>]>([
  [
    'writes over rows on insert',
    'inserts only where there is no row, and hands over the row that is there',
    (store) => ({
      save(id, payload, options) {
        const revision = options.expected ?? store.load(id)?.revision ?? null
        return store.save(id, payload, { ...options, expected: revision })
      },
    }),
  ],
  [
    'writes over any version',
    'replaces no other version, and hands over the present one',
    (store) => ({
      save(id, payload, options) {
        const revision = options.expected === null ? null : (store.load(id)?.revision ?? options.expected)
        return store.save(id, payload, { ...options, expected: revision })
      },
    }),
  ],
  [
    'creates by replacing',
    'never creates by replacing',
    (store) => ({
      save(id, payload, options) {
        const result = store.save(id, payload, options)
        if (result.saved || result.current !== null) return result
        return store.save(id, payload, { ...options, expected: null })
      },
    }),
  ],
  [
    'looks, waits, and then writes',
    'keeps the keys of 50 that change one row at once',
    (store) => ({
      async save(id, payload, options) {
        const current = store.load(id)
        if (options.expected !== (current?.revision ?? null)) return { saved: false, current }
        await turn()
        return store.save(id, payload, { ...options, expected: store.load(id)?.revision ?? null })
      },
    }),
  ],
  [
    'writes after a delete what was asked for before',
    'lets nothing come back that is deleted while others save it',
    (store) => ({
      async save(id, payload, options) {
        const result = store.save(id, payload, options)
        await turn()
        if (result.saved && store.load(id) === null) {
          store.save(id, payload, { ...options, expected: null })
        }
        return result
      },
    }),
  ],
  [
    'answers every delete with true',
    'deletes once',
    (store) => ({
      delete(id) {
        store.delete(id)
        return true
      },
    }),
  ],
  [
    'knows seconds only',
    'loads what was inserted',
    (store) => ({
      load(id) {
        const row = store.load(id)
        if (row === null || row.expiresAt === null) return row
        return { ...row, expiresAt: Math.floor(row.expiresAt / 1000) * 1000 }
      },
    }),
  ],
  [
    'asks the system for the time',
    'loads a row until it expires',
    () => {
      const { load, save } = memoryStore()
      return { load, save }
    },
  ],
  [
    'makes a new version by touching',
    'touches: moves the expiry, and neither payload nor revision',
    (store) => ({
      touch(id, expiresAt) {
        const row = store.load(id)
        return row !== null && store.save(id, row.payload, { expiresAt, expected: row.revision }).saved
      },
    }),
  ],
  [
    'brings rows back by touching',
    'touches no row that is gone',
    (store) => ({
      touch(id, expiresAt) {
        if (!store.touch(id, expiresAt)) store.save(id, Buffer.from(''), { expiresAt, expected: null })
        return true
      },
    }),
  ],
  [
    'sweeps all at once',
    'sweeps expired rows, no others, and no more than told',
    (store) => ({ sweep: () => store.sweep(1000) }),
  ],
  [
    'takes rows for text',
    'gives back every byte',
    (store) => ({
      save: (id, payload, options) => store.save(id, Buffer.from(Buffer.from(payload).toString()), options),
    }),
  ],
  [
    'cuts ids short',
    'keeps every id apart from every other',
    (store) => ({
      load: (id) => store.load(id.slice(0, 64)),
      save: (id, payload, options) => store.save(id.slice(0, 64), payload, options),
    }),
  ],
  [
    'does not tell cases apart',
    'keeps every id apart from every other',
    (store) => ({
      load: (id) => store.load(id.toLowerCase()),
      save: (id, payload, options) => store.save(id.toLowerCase(), payload, options),
    }),
  ],
  [
    'stores the memory around a view',
    'stores what a view shows, and not the memory around it',
    (store) => ({
      save: (id, payload, options) => store.save(id, Buffer.from(payload.buffer as ArrayBuffer), options),
    }),
  ],
  [
    'lists rows that are written meanwhile, without end',
    'lists on while rows come, change and go',
    (store) => ({
      *ids() {
        const seen = new Map<string, number>()
        for (let found = true; found; ) {
          found = false
          for (const id of store.ids()) {
            const { revision } = store.load(id)!
            if (seen.get(id) === revision) continue
            seen.set(id, revision as number)
            found = true
            yield id
            store.save(id, Buffer.from('seen'), { expiresAt: null, expected: revision })
          }
        }
      },
    }),
  ],
  [
    'answers after it was closed',
    'closes once, and answers nothing after that',
    () => ({ close: () => undefined }),
  ],
])('a store that %s is found out', async (_fault, title, make) => {
  expect(await failures((store, clock) => ({ ...store, ...make(store, clock) }))).toContain(title)
})
