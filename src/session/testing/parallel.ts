// Conformance: many at once, in one process and over two stores on the same rows.

import assert from 'node:assert/strict'
import { setImmediate as turn } from 'node:timers/promises'
import type { SessionStore } from '../store.js'
import type { Test } from './world.js'
import { bytes } from './world.js'

export function parallelTests(test: Test): void {
  test('keeps the keys of 50 that change one row at once', async ({ store, insert, row }) => {
    await insert('abc', '{}')
    await Promise.all(Array.from({ length: 50 }, (_, key) => addKey(store, 'abc', `key${key}`)))
    assert.equal(keysOf((await row('abc')).payload).length, 50)
  })

  test('lets one of many inserts win, and shows its row to the others', async ({ store, row, expectRow }) => {
    const texts = Array.from({ length: 20 }, (_, index) => `row ${index}`)
    const results = await Promise.all(
      texts.map(async (text) => store.save('abc', bytes(text), { expiresAt: null, expected: null })),
    )
    const winners = texts.filter((_, index) => results[index]!.saved)
    assert.equal(winners.length, 1)
    for (const result of results) if (!result.saved) expectRow(result.current, winners[0]!)
    expectRow(await row('abc'), winners[0]!)
  })

  test('lets one of many replacements of a version win', async ({ store, insert, row, expectRow }) => {
    const expected = await insert('abc', 'one')
    const texts = Array.from({ length: 20 }, (_, index) => `row ${index}`)
    const results = await Promise.all(
      texts.map(async (text) => store.save('abc', bytes(text), { expiresAt: null, expected })),
    )
    const winners = texts.filter((_, index) => results[index]!.saved)
    assert.equal(winners.length, 1)
    for (const result of results) if (!result.saved) expectRow(result.current, winners[0]!)
    expectRow(await row('abc'), winners[0]!)
  })

  test('answers one of many deletes that there was a row', async ({ store, insert }) => {
    await insert('abc', 'one')
    const results = await Promise.all(Array.from({ length: 20 }, async () => store.delete('abc')))
    assert.equal(results.filter((deleted) => deleted).length, 1)
  })

  test('lets nothing come back that is deleted while others save it', async ({ store, insert }) => {
    for (let round = 0; round < 10; round++) {
      await insert('abc', '{}')
      const writers = Array.from({ length: 10 }, async (_, key) => {
        for (let time = 0; time < 5; time++) await addKey(store, 'abc', `key${key}.${time}`)
      })
      // At another moment in every round: some promises later, or some turns of the event loop.
      for (let step = 0; step < round; step++) await (round % 2 === 0 ? null : turn())
      const deleted = await store.delete('abc')
      await Promise.all(writers)
      assert.equal(deleted, true)
      assert.equal(await store.load('abc'), null)
    }
  })

  test('does not mix up many rows', async ({ store, insert, row, expectRow }) => {
    const ids = Array.from({ length: 100 }, (_, index) => `row${index}`)
    await Promise.all(
      ids.map(async (id) => {
        const expected = await insert(id, `first of ${id}`)
        await store.save(id, bytes(`second of ${id}`), { expiresAt: null, expected })
      }),
    )
    await Promise.all(ids.map(async (id) => expectRow(await row(id), `second of ${id}`)))
  })
}

export function sharingTests(test: Test): void {
  test('see what the other saved and deleted', async ({ store, insert, row, reopen, expectRow }) => {
    const other = await reopen()
    await insert('abc', 'one')
    const seen = await other.load('abc')
    expectRow(seen, 'one')
    const saved = await other.save('abc', bytes('two'), { expiresAt: null, expected: seen!.revision })
    assert.ok(saved.saved)
    expectRow(await row('abc'), 'two')
    assert.equal(await store.delete('abc'), true)
    assert.equal(await other.load('abc'), null)
  })

  test('lose no change to each other', async ({ store, insert, row, reopen }) => {
    const other = await reopen()
    await insert('abc', '{}')
    const changes = Array.from({ length: 40 }, (_, key) =>
      addKey(key % 2 === 0 ? store : other, 'abc', `key${key}`),
    )
    await Promise.all(changes)
    assert.equal(keysOf((await row('abc')).payload).length, 40)
  })

  test('see what the other touched', async ({ store, insert, reopen, now, lifespan, expectRow }) => {
    const other = await reopen()
    if (other.touch === undefined) return
    await insert('abc', 'one', now() + lifespan)
    expectRow(await store.load('abc'), 'one', now() + lifespan)
    assert.equal(await other.touch('abc', now() + 2 * lifespan), true)
    expectRow(await store.load('abc'), 'one', now() + 2 * lifespan)
  })

  test('leave the rows in place when one closes', async ({ store, insert, reopen, expectRow }) => {
    await insert('abc', 'one')
    await store.close?.()
    expectRow(await (await reopen()).load('abc'), 'one')
  })
}

/** Adds a key to a row of JSON as the session does: load, change, compare and set, again on conflict. */
async function addKey(store: SessionStore, id: string, key: string): Promise<void> {
  let row = await store.load(id)
  for (let attempt = 0; attempt < 1000 && row !== null; attempt++) {
    // Others come in between, also where the store answers at once.
    await null
    const changed = JSON.stringify(Object.fromEntries([...keysOf(row.payload), key].map((name) => [name, 1])))
    const result = await store.save(id, bytes(changed), { expiresAt: null, expected: row.revision })
    if (result.saved) return
    row = result.current
  }
  assert.equal(row, null, 'a thousand conflicts in a row')
}

function keysOf(payload: Uint8Array): string[] {
  return Object.keys(JSON.parse(Buffer.from(payload).toString()))
}
