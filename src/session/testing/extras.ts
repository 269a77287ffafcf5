// Conformance: what a store may leave out, and how it ends.

import assert from 'node:assert/strict'
import { bytes, expectRejection, type Test } from './world.js'

/** More ids than any test inserts. */
const MANY = 10_000

export function extraTests(test: Test): void {
  test('lists the ids of live rows', async ({ store, insert, now, pass, lifespan }) => {
    if (store.ids === undefined) return
    assert.deepEqual(await collect(store.ids()), [])
    const live = Array.from({ length: 30 }, (_, index) => `live${index}`)
    for (const id of live) await insert(id, 'one')
    await insert('expired', 'one', now() + lifespan)
    await insert('deleted', 'one')
    await store.delete('deleted')
    await pass(lifespan + 1)
    assert.deepEqual((await collect(store.ids())).sort(), live.sort())
  })

  test('lists on while rows come, change and go', async ({ store, insert, row }) => {
    if (store.ids === undefined) return
    for (let index = 0; index < 50; index++) await insert(`row${index}`, 'one')
    let seen = 0
    for await (const id of store.ids()) {
      assert.ok(++seen < MANY, 'the list does not end')
      if (seen > 200) continue
      await insert(`new${seen}`, 'one')
      await store.delete(`row${49 - seen}`)
      const { revision } = await row(`new${seen}`)
      await store.save(`new${seen}`, bytes('two'), { expiresAt: null, expected: revision })
      await store.touch?.(id, null)
    }
  })

  test('lists no further than it is asked', async ({ store, insert }) => {
    if (store.ids === undefined) return
    for (let index = 0; index < 10; index++) await insert(`row${index}`, 'one')
    for await (const id of store.ids()) {
      assert.match(id, /^row\d$/)
      break
    }
    assert.equal((await collect(store.ids())).length, 10)
  })

  test('sets a row aside: it is gone, and its id is free', async ({ store, insert, row, expectRow }) => {
    if (store.setAside === undefined) return
    const expected = await insert('abc', 'broken')
    await insert('abd', 'two')
    await store.setAside('abc')
    assert.equal(await store.load('abc'), null)
    const replaced = await store.save('abc', bytes('one'), { expiresAt: null, expected })
    assert.deepEqual(replaced, { saved: false, current: null })
    await store.setAside('abc')
    await insert('abc', 'one')
    expectRow(await row('abc'), 'one')
    expectRow(await row('abd'), 'two')
  })

  test('answers a ping', async ({ store }) => {
    await store.ping?.()
    await store.ping?.()
  })

  test('closes once, and answers nothing after that', async ({ store, insert }) => {
    if (store.close === undefined) return
    const expected = await insert('abc', 'one')
    await store.close()
    await store.close()
    await expectRejection(() => store.load('abc'))
    await expectRejection(() => store.save('abc', bytes('two'), { expiresAt: null, expected }))
    await expectRejection(() => store.save('abd', bytes('two'), { expiresAt: null, expected: null }))
    await expectRejection(() => store.delete('abc'))
    if (store.touch !== undefined) await expectRejection(() => store.touch!('abc', null))
    if (store.sweep !== undefined) await expectRejection(() => store.sweep!(1))
    if (store.ids !== undefined) await expectRejection(() => collect(store.ids!()))
    if (store.setAside !== undefined) await expectRejection(() => store.setAside!('abc'))
    if (store.ping !== undefined) await expectRejection(() => store.ping!())
  })

  test('leaves nobody waiting when it closes', async ({ store }) => {
    const saves = Array.from({ length: 10 }, async (_, index) =>
      store.save(`row${index}`, bytes('one'), { expiresAt: null, expected: null }),
    )
    const settled = Promise.allSettled(saves)
    await store.close?.()
    for (const save of await settled) assert.ok(save.status === 'rejected' || save.value.saved)
  })
}

async function collect(ids: AsyncIterable<string> | Iterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const id of ids) assert.ok(all.push(id) < MANY, 'the list does not end')
  return all
}
