import type { Stats } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { isUnchanged, RecentRows } from '../../../src/session/stores/file-cache.js'

const payload = Buffer.from('row')
const row = { payload, revision: payload, expiresAt: null }
const path = '/sessions/a/ab/abc.cache'
/** On a whole second, as a file system without parts of seconds gives it. */
const WHOLE = 1_700_000_000_000

function stateOf(changed: number, others: Partial<Stats> = {}): Stats {
  return { ctimeMs: changed, mtimeMs: changed, ino: 7, size: 3, ...others } as Stats
}

/** Whether a row is kept that was read so many milliseconds after its file was changed. */
function isKept(changed: number, age: number): boolean {
  const rows = new RecentRows()
  rows.put('abc', path, row, stateOf(changed), changed + age)
  return rows.find('abc') !== undefined
}

describe('rows of files that were changed lately', () => {
  test('are kept after a quarter of a second where times have parts of seconds', () => {
    for (const changed of [WHOLE + 0.25, WHOLE + 1, WHOLE + 999.9375]) {
      expect(isKept(changed, 249)).toBe(false)
      expect(isKept(changed, 250)).toBe(true)
    }
  })

  test('are kept after two seconds where times may be whole seconds and nothing else', () => {
    for (const changed of [WHOLE, WHOLE + 1000]) {
      expect(isKept(changed, 250)).toBe(false)
      expect(isKept(changed, 1999)).toBe(false)
      expect(isKept(changed, 2000)).toBe(true)
    }
  })

  test('are not kept when their file is from the future', () => {
    expect(isKept(WHOLE + 0.5, -5000)).toBe(false)
  })
})

test('holds a row for changed when anything about its file is', () => {
  const changed = WHOLE + 0.5
  const rows = new RecentRows()
  rows.put('abc', path, row, stateOf(changed), changed + 5000)
  const kept = rows.find('abc')!
  expect(kept).toMatchObject({ row, path })
  expect(isUnchanged(kept, stateOf(changed))).toBe(true)
  for (const other of [{ ctimeMs: changed + 4 }, { mtimeMs: changed + 4 }, { ino: 8 }, { size: 4 }]) {
    expect(isUnchanged(kept, stateOf(changed, other))).toBe(false)
  }
})

test('keeps no large row', () => {
  const rows = new RecentRows()
  rows.put('abc', path, row, stateOf(WHOLE, { size: 4097 }), WHOLE + 5000)
  expect(rows.find('abc')).toBe(undefined)
})

test('keeps what is in use when there are too many, and forgets what is not', () => {
  const rows = new RecentRows()
  for (let n = 0; n < 3 * 4096; n++) {
    rows.put(`id${n}`, path, row, stateOf(WHOLE), WHOLE + 5000)
    rows.find('id0')
  }
  expect(rows.find('id0')).toMatchObject({ row })
  expect(rows.find('id1')).toBe(undefined)
})

test('forgets what was deleted, and all when it is cleared', () => {
  const rows = new RecentRows()
  for (const id of ['one', 'two']) rows.put(id, path, row, stateOf(WHOLE), WHOLE + 5000)
  rows.delete('one')
  expect([rows.find('one'), rows.find('two')]).toEqual([undefined, expect.anything()])
  rows.clear()
  expect(rows.find('two')).toBe(undefined)
})
