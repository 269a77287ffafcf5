import { expect, test } from 'vitest'
import { RecentRows } from '../../../../src/session/stores/database/recent-rows.js'

function row(size: number) {
  const payload = new Uint8Array(size)
  return { payload, revision: payload, expiresAt: null }
}

test('keeps what was put last, and the state that it is known from', () => {
  const recent = new RecentRows()
  const last = row(3)
  recent.put('a', row(2), 1)
  recent.put('a', last, 2)
  expect(recent.get('a')).toEqual({ row: last, state: 2 })
  expect(recent.get('b')).toBe(undefined)
})

test('keeps what is asked for, and forgets the rest', () => {
  const recent = new RecentRows()
  const asked = row(1)
  recent.put('asked', asked, 1)
  recent.put('left', row(1), 1)
  for (let index = 0; index < 20_000; index++) {
    recent.put(`row${index}`, row(1), 1)
    expect(recent.get('asked')?.row).toBe(asked)
  }
  expect(recent.get('left')).toBe(undefined)
})

test('keeps as many rows as fit, large or small', () => {
  const recent = new RecentRows()
  recent.put('large', row(60_000), 1)
  for (let index = 0; index < 1000; index++) recent.put(`small${index}`, row(200), 1)
  expect(recent.get('large')).not.toBe(undefined)
  expect(recent.get('small0')).not.toBe(undefined)
  for (let index = 0; index < 100; index++) recent.put(`large${index}`, row(60_000), 1)
  expect(recent.get('small0')).toBe(undefined)
})

test('forgets nothing because one row is put again and again', () => {
  const recent = new RecentRows()
  recent.put('a', row(200), 1)
  for (let index = 0; index < 20_000; index++) recent.put('b', row(200), index)
  expect(recent.get('a')).not.toBe(undefined)
})

test('keeps no huge row, nor the small one before it', () => {
  const recent = new RecentRows()
  recent.put('a', row(10), 1)
  recent.put('a', row(70_000), 1)
  expect(recent.get('a')).toBe(undefined)
})

test('forgets a row also where it was put long ago', () => {
  const recent = new RecentRows()
  recent.put('a', row(1), 1)
  for (let index = 0; index < 6000; index++) recent.put(`row${index}`, row(1), 1)
  recent.get('a')
  recent.delete('a')
  expect(recent.get('a')).toBe(undefined)
})
