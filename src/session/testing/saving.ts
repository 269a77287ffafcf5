// Conformance: load, save and delete, one at a time.

import assert from 'node:assert/strict'
import type { Test } from './world.js'
import { bytes } from './world.js'

export function savingTests(test: Test): void {
  test('loads what was inserted', async ({ store, insert, row, expectRow, now, lifespan }) => {
    const expiresAt = now() + lifespan
    await insert('abc', 'one', expiresAt)
    await insert('abd', 'two')
    expectRow(await row('abc'), 'one', expiresAt)
    expectRow(await row('abd'), 'two', null)
    assert.ok(['process', 'host', 'network'].includes(store.scope))
  })

  test('answers null for an id that nobody saved', async ({ store }) => {
    assert.equal(await store.load('abc'), null)
  })

  test('inserts only where there is no row, and hands over the row that is there', async (world) => {
    const { store, insert, row, expectRow } = world
    const expiresAt = world.now() + world.lifespan
    await insert('abc', 'one', expiresAt)
    const result = await store.save('abc', bytes('two'), { expiresAt: null, expected: null })
    assert.ok(!result.saved)
    expectRow(result.current, 'one', expiresAt)
    expectRow(await row('abc'), 'one', expiresAt)
  })

  test('replaces by the revision that a save gave', async ({ store, insert, row, expectRow }) => {
    let expected = await insert('abc', 'one')
    for (const text of ['two', 'three', '']) {
      const result = await store.save('abc', bytes(text), { expiresAt: null, expected })
      assert.ok(result.saved)
      expected = result.revision
      expectRow(await row('abc'), text)
    }
  })

  test('replaces by the revision that a load gave', async ({ store, insert, row, expectRow }) => {
    await insert('abc', 'one')
    const { revision } = await row('abc')
    assert.ok((await store.save('abc', bytes('two'), { expiresAt: null, expected: revision })).saved)
    expectRow(await row('abc'), 'two')
  })

  test('replaces no other version, and hands over the present one', async (world) => {
    const { store, insert, row, expectRow } = world
    const expiresAt = world.now() + world.lifespan
    const first = await insert('abc', 'one')
    assert.ok((await store.save('abc', bytes('two'), { expiresAt, expected: first })).saved)
    const result = await store.save('abc', bytes('three'), { expiresAt: null, expected: first })
    assert.ok(!result.saved)
    expectRow(result.current, 'two', expiresAt)
    expectRow(await row('abc'), 'two', expiresAt)
  })

  test('replaces by the revision that a conflict gave', async ({ store, insert, row, expectRow }) => {
    const first = await insert('abc', 'one')
    await store.save('abc', bytes('two'), { expiresAt: null, expected: first })
    const conflict = await store.save('abc', bytes('three'), { expiresAt: null, expected: first })
    assert.ok(!conflict.saved && conflict.current !== null)
    const { revision } = conflict.current
    assert.ok((await store.save('abc', bytes('three'), { expiresAt: null, expected: revision })).saved)
    expectRow(await row('abc'), 'three')
  })

  test('replaces a row by the same bytes, any number of times', async ({ store, insert, row, expectRow }) => {
    let expected = await insert('abc', 'one')
    for (let time = 0; time < 3; time++) {
      const result = await store.save('abc', bytes('one'), { expiresAt: null, expected })
      assert.ok(result.saved)
      expected = result.revision
    }
    expectRow(await row('abc'), 'one')
  })

  test('never creates by replacing', async ({ store, insert }) => {
    const foreign = await insert('abc', 'one')
    const missing = await store.save('abd', bytes('two'), { expiresAt: null, expected: foreign })
    assert.deepEqual(missing, { saved: false, current: null })
    assert.equal(await store.load('abd'), null)
    await store.delete('abc')
    const deleted = await store.save('abc', bytes('two'), { expiresAt: null, expected: foreign })
    assert.deepEqual(deleted, { saved: false, current: null })
    assert.equal(await store.load('abc'), null)
  })

  test('keeps the revision of a deleted row from replacing its successor', async (world) => {
    const { store, insert, row, expectRow } = world
    const old = await insert('abc', 'one')
    await store.delete('abc')
    await insert('abc', 'another')
    const result = await store.save('abc', bytes('two'), { expiresAt: null, expected: old })
    assert.ok(!result.saved)
    expectRow(result.current, 'another')
    expectRow(await row('abc'), 'another')
  })

  test('deletes once', async ({ store, insert, row, expectRow }) => {
    await insert('abc', 'one')
    await insert('abd', 'two')
    assert.equal(await store.delete('abc'), true)
    assert.equal(await store.load('abc'), null)
    assert.equal(await store.delete('abc'), false)
    expectRow(await row('abd'), 'two')
  })

  test('takes a deleted id again', async ({ store, insert, row, expectRow }) => {
    await insert('abc', 'one')
    await store.delete('abc')
    await insert('abc', 'two')
    expectRow(await row('abc'), 'two')
  })

  test('leaves alone what it handed out', async ({ store, insert, row }) => {
    await insert('abc', 'one')
    const { payload, revision } = await row('abc')
    const saved = await store.save('abc', bytes('two'), { expiresAt: null, expected: revision })
    assert.ok(saved.saved)
    await store.delete('abc')
    await insert('abc', 'six')
    assert.equal(Buffer.from(payload).toString(), 'one')
  })

  test('keeps every id apart from every other', async ({ store, insert, row, expectRow }) => {
    for (const id of GOOD_IDS) await insert(id, `row of ${id}`)
    for (const id of GOOD_IDS) expectRow(await row(id), `row of ${id}`)
    for (const [index, id] of GOOD_IDS.entries()) {
      assert.equal(await store.delete(id), true)
      assert.equal(await store.load(id), null)
      for (const other of GOOD_IDS.slice(index + 1)) expectRow(await row(other), `row of ${other}`)
    }
  })

  test('refuses ids that are none, or takes them as mere names', async (world) => {
    const { store, insert, row, expectRow } = world
    await insert('abc', 'one')
    for (const id of ODD_IDS) {
      const loaded = await attempt(() => store.load(id))
      assert.ok(loaded === REFUSED || loaded === null, `${JSON.stringify(id)} loads a row`)
      const saved = await attempt(() => store.save(id, bytes('odd'), { expiresAt: null, expected: null }))
      if (saved !== REFUSED) {
        assert.ok(saved.saved)
        expectRow(await store.load(id), 'odd')
        assert.equal(await store.delete(id), true)
      }
      expectRow(await row('abc'), 'one')
    }
  })

  test('gives back every byte', async ({ insert, row, expectRow, store }) => {
    for (const [index, payload] of PAYLOADS.entries()) {
      const expected = await insert(`row${index}`, payload)
      expectRow(await row(`row${index}`), payload)
      const back = await store.save(`row${index}`, payload, { expiresAt: null, expected })
      assert.ok(back.saved)
      expectRow(await row(`row${index}`), payload)
    }
  })

  test('stores what a view shows, and not the memory around it', async ({ store, row, expectRow }) => {
    const memory = Uint8Array.from(Buffer.from('before|payload|after'))
    const view = memory.subarray(7, 14)
    assert.ok((await store.save('abc', view, { expiresAt: null, expected: null })).saved)
    const { payload, revision } = await row('abc')
    expectRow(await row('abc'), 'payload')
    assert.equal(payload.length, 7)
    assert.ok(payload instanceof Uint8Array)
    assert.ok((await store.save('abc', view.subarray(3), { expiresAt: null, expected: revision })).saved)
    expectRow(await row('abc'), 'load')
  })

  test('takes large rows', async ({ store, insert, row, expectRow, largest }) => {
    for (const size of [64 * 1024, largest]) {
      const payload = Buffer.alloc(size, 'A large row is a row. ')
      const expected = await insert(`row${size}`, payload)
      expectRow(await row(`row${size}`), payload)
      payload[size - 1] = 0
      const other = Buffer.from(payload.subarray().reverse())
      assert.ok((await store.save(`row${size}x`, other, { expiresAt: null, expected: null })).saved)
      expectRow(await row(`row${size}x`), other)
      assert.ok((await store.save(`row${size}`, bytes('small'), { expiresAt: null, expected })).saved)
      expectRow(await row(`row${size}`), 'small')
    }
  })
}

const REFUSED = Symbol('refused')

async function attempt<R>(work: () => R): Promise<Awaited<R> | typeof REFUSED> {
  try {
    return await work()
  } catch {
    return REFUSED
  }
}

/** Names that mean something to a shell, a file system, an object or a column; with digits and cases to mix up. */
const GOOD_IDS = [
  ...[
    'a',
    'A',
    'ab',
    'aB',
    'Ab',
    'AB',
    'abc',
    'abcd',
    'a_c',
    '0',
    '00',
    '1',
    '01',
    '1e3',
    '-1',
    '-',
    '--',
    '-rf',
  ],
  ...[
    '_',
    '__',
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'valueOf',
    'null',
    'undefined',
    'true',
  ],
  ...[
    'lock',
    'tmp',
    'corrupt',
    'session',
    'NaN',
    'id',
    'x'.repeat(127),
    'x'.repeat(128),
    `${'x'.repeat(127)}y`,
  ],
]

const ODD_IDS = [
  ...[
    '',
    '.',
    '..',
    '../abc',
    './abc',
    '../../../../abc',
    '/abc',
    'a/../abc',
    'abc/',
    'abc.',
    'abc\0',
    'abc\0def',
  ],
  ...[
    'abc ',
    ' abc',
    'abc\n',
    'a\\b',
    'a:b',
    'a*',
    'ab%',
    "a' OR '1'='1",
    '%2e%2e%2fabc',
    'é',
    'e\u0301',
    '\ud800',
  ],
  ...['ａｂｃ', '🎉', 'x'.repeat(129), 'x'.repeat(5000)],
]

const PAYLOADS = [
  Buffer.alloc(0),
  Buffer.alloc(1),
  Buffer.alloc(100),
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.from([0xff, 0xfe, 0x80, 0xc0, 0xaf, 0xed, 0xa0, 0x80]),
  Buffer.from('{"text":"é漢字🎉\\u0000"}'),
  Buffer.from('\r\n \n\t line \r\n'),
  Buffer.from(`' " \\ \` $1 ? :id %s \\x00 NULL \\N`),
  Buffer.from('{"sessd":1,"expires":1763625600000}\n{}'),
  Buffer.from([0x80, 0x02, 0x7d, 0x58, 0x07, 0x00, 0x00, 0x00]),
]
