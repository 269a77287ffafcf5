// Conformance: rows that die, and the clock by which they do.

import assert from 'node:assert/strict'
import type { Test } from './world.js'
import { bytes } from './world.js'

/** `canGoBack`: the clock is the suite's own. */
export function expiryTests(test: Test, canGoBack: boolean): void {
  test('loads a row until it expires', async ({ store, insert, row, expectRow, now, pass, lifespan }) => {
    const expiresAt = now() + 2 * lifespan
    await insert('abc', 'one', expiresAt)
    await pass(lifespan)
    expectRow(await row('abc'), 'one', expiresAt)
    await pass(lifespan + 1)
    assert.equal(await store.load('abc'), null)
  })

  test('keeps a row for ever that has no expiry', async ({ insert, row, expectRow, pass, lifespan }) => {
    await insert('abc', 'one')
    await pass(canGoBack ? 10 * 365 * 86_400_000 : 2 * lifespan)
    expectRow(await row('abc'), 'one')
  })

  test('takes an expired row for none', async ({ store, insert, row, expectRow, now, pass, lifespan }) => {
    const expected = await insert('abc', 'one', now() + lifespan)
    await insert('abd', 'one', now() + lifespan)
    await insert('abe', 'one', now() + lifespan)
    await pass(lifespan + 1)
    const replaced = await store.save('abc', bytes('two'), { expiresAt: null, expected })
    assert.deepEqual(replaced, { saved: false, current: null })
    assert.equal(await store.load('abc'), null)
    assert.equal(await store.delete('abd'), false)
    await insert('abe', 'two')
    expectRow(await row('abe'), 'two')
  })

  test('moves the expiry with every save', async ({ store, insert, row, expectRow, now, pass, lifespan }) => {
    let expected = await insert('abc', 'one', now() + lifespan)
    for (const expiresAt of [now() + 3 * lifespan, null, now() + 2 * lifespan]) {
      const result = await store.save('abc', bytes('one'), { expiresAt, expected })
      assert.ok(result.saved)
      expected = result.revision
      expectRow(await row('abc'), 'one', expiresAt)
    }
    await pass(lifespan + 1)
    expectRow(await row('abc'), 'one', now() + lifespan - 1)
    await pass(lifespan)
    assert.equal(await store.load('abc'), null)
  })

  test('touches: moves the expiry, and neither payload nor revision', async (world) => {
    const { store, insert, row, expectRow, now, pass, lifespan } = world
    if (store.touch === undefined) return
    const expected = await insert('abc', 'one', now() + lifespan)
    for (const expiresAt of [now() + 3 * lifespan, null, now() + 2 * lifespan, now() + 2 * lifespan]) {
      assert.equal(await store.touch('abc', expiresAt), true)
      expectRow(await row('abc'), 'one', expiresAt)
    }
    await pass(lifespan + 1)
    const saved = await store.save('abc', bytes('two'), { expiresAt: now() + lifespan, expected })
    assert.ok(saved.saved)
    await pass(lifespan + 1)
    assert.equal(await store.load('abc'), null)
  })

  test('touches to an earlier time', async ({ store, insert, now, pass, lifespan }) => {
    if (store.touch === undefined) return
    await insert('abc', 'one')
    await insert('abd', 'one', now() + 100 * lifespan)
    assert.equal(await store.touch('abc', now() + lifespan), true)
    assert.equal(await store.touch('abd', now() + lifespan), true)
    await pass(lifespan + 1)
    assert.equal(await store.load('abc'), null)
    assert.equal(await store.load('abd'), null)
  })

  test('touches no row that is gone', async ({ store, insert, now, pass, lifespan }) => {
    if (store.touch === undefined) return
    assert.equal(await store.touch('abc', null), false)
    await insert('abc', 'one')
    await store.delete('abc')
    assert.equal(await store.touch('abc', null), false)
    assert.equal(await store.load('abc'), null)
    await insert('abd', 'one', now() + lifespan)
    await pass(lifespan + 1)
    assert.equal(await store.touch('abd', null), false)
    assert.equal(await store.load('abd'), null)
  })

  test('sweeps expired rows, no others, and no more than told', async (world) => {
    const { store, insert, row, expectRow, now, pass, lifespan } = world
    if (store.sweep === undefined) return
    assert.equal(await store.sweep(10), 0)
    for (let index = 0; index < 15; index++) await insert(`short${index}`, 'one', now() + lifespan + index)
    for (let index = 0; index < 5; index++) await insert(`long${index}`, 'two', now() + 10 * lifespan)
    for (let index = 0; index < 5; index++) await insert(`ever${index}`, 'three')
    assert.equal(await store.sweep(10), 0)
    await pass(lifespan + 15)
    const counts = []
    for (let call = 0; call < 5; call++) counts.push(await store.sweep(4))
    assert.deepEqual(counts, [4, 4, 4, 3, 0])
    for (let index = 0; index < 5; index++) {
      expectRow(await store.load(`ever${index}`), 'three')
      assert.notEqual(await row(`long${index}`), null)
    }
    await pass(10 * lifespan)
    assert.equal(await store.sweep(100), 5)
  })

  test('sweeps by the expiry that a touch or a save moved', async (world) => {
    const { store, insert, now, pass, lifespan } = world
    if (store.sweep === undefined || store.touch === undefined) return
    const expected = await insert('later', 'one', now() + lifespan)
    await insert('never', 'one', now() + lifespan)
    await insert('sooner', 'one', now() + 50 * lifespan)
    await store.save('later', bytes('two'), { expiresAt: now() + 3 * lifespan, expected })
    await store.touch('never', null)
    await store.touch('sooner', now() + lifespan)
    await pass(lifespan + 1)
    assert.equal(await store.sweep(10), 1)
    assert.equal(await store.load('sooner'), null)
    await pass(2 * lifespan)
    assert.equal(await store.sweep(10), 1)
    assert.equal(await store.load('later'), null)
    assert.notEqual(await store.load('never'), null)
  })

  if (!canGoBack) return

  test('brings no row back that was found expired when the clock goes back', async (world) => {
    const { store, insert, now, pass, lifespan } = world
    await insert('abc', 'one', now() + lifespan)
    await pass(lifespan + 1)
    assert.equal(await store.load('abc'), null)
    await pass(-lifespan)
    assert.equal(await store.load('abc'), null)
  })

  test('goes on when the clock goes back', async ({ store, insert, row, expectRow, now, pass, lifespan }) => {
    await insert('abc', 'one', now() + lifespan)
    await pass(-1000 * lifespan)
    expectRow(await row('abc'), 'one', now() + 1001 * lifespan)
    const expiresAt = now() + lifespan
    await insert('abd', 'one', expiresAt)
    expectRow(await row('abd'), 'one', expiresAt)
    await pass(lifespan + 1)
    if (store.sweep !== undefined) assert.equal(await store.sweep(10), 1)
    assert.equal(await store.load('abd'), null)
    expectRow(await row('abc'), 'one', now() + 1000 * lifespan - 1)
  })
}
