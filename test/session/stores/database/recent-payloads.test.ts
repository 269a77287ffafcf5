import { expect, test } from 'vitest'
import { RecentPayloads } from '../../../../src/session/stores/database/recent-payloads.js'

const bytes = (size: number) => new Uint8Array(size).fill(1)

test('keeps what was put last', () => {
  const recent = new RecentPayloads()
  const payload = bytes(3)
  recent.put('a', bytes(2))
  recent.put('a', payload)
  expect(recent.get('a')).toBe(payload)
  expect(recent.get('b')).toHaveLength(0)
})

test('keeps what is asked for, and forgets the rest', () => {
  const recent = new RecentPayloads()
  const [asked, left] = [bytes(1), bytes(1)]
  recent.put('asked', asked)
  recent.put('left', left)
  for (let row = 0; row < 2000; row++) {
    recent.put(`row${row}`, bytes(1))
    expect(recent.get('asked')).toBe(asked)
  }
  expect(recent.get('left')).toHaveLength(0)
})

test('keeps no large payload, nor the small one before it', () => {
  const recent = new RecentPayloads()
  recent.put('a', bytes(10))
  recent.put('a', bytes(5000))
  expect(recent.get('a')).toHaveLength(0)
})
