import { expect, test } from 'vitest'
import type { Document } from '../../src/session/codec.js'
import { SeenRows } from '../../src/session/seen-rows.js'
import { memoryStore } from '../../src/session/stores/memory.js'

const document: Document<string> = { created: 1, accessed: null, values: new Map() }
const ids = Array.from({ length: 1000 }, (_, index) => `id${index}`)

/** Which of all rows are still known. */
const known = (rows: SeenRows<string>) => ids.filter((id) => rows.last(id) !== undefined)

test('knows a thousand rows of an ordinary size, and of large ones a few', () => {
  const small = new SeenRows<string>()
  for (const id of ids) small.add(id, Buffer.alloc(200), document)
  expect(known(small)).toEqual(ids)
  const large = new SeenRows<string>()
  for (const id of ids) large.add(id, Buffer.alloc(500_000), document)
  expect(known(large).length).toBeLessThan(10)
  expect(known(large)).toContain('id999')
})

test('keeps none of a large answer of which a row is a piece', () => {
  const rows = new SeenRows<string>()
  const answer = Buffer.alloc(100_000, 'a')
  rows.add('piece', answer.subarray(500, 800), document)
  answer.fill('b')
  expect(rows.find('piece', Buffer.alloc(300, 'a'))).toBe(document)
})

test('does not take up again what was ended, however large the rows are that are seen meanwhile', () => {
  const rows = new SeenRows<string>()
  const store = rows.watch(memoryStore())
  rows.add('ended', Buffer.alloc(1), document)
  void store.delete('ended')
  for (const id of ids.slice(0, 100)) rows.add(id, Buffer.alloc(500_000), document)
  rows.add('ended', Buffer.alloc(1), document)
  expect(rows.last('ended')).toBe(undefined)
})

test('takes up a row that is made anew under the same id', () => {
  const rows = new SeenRows<string>()
  const store = rows.watch(memoryStore())
  void store.delete('again')
  void store.save('again', Buffer.from('row'), { expiresAt: null, expected: null })
  rows.add('again', Buffer.from('row'), document)
  expect(rows.last('again')?.document).toBe(document)
  expect(rows.find('again', Buffer.from('row'))).toBe(document)
  expect(rows.find('again', Buffer.from('other'))).toBe(undefined)
})
