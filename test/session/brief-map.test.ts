import { expect, test } from 'vitest'
import { BriefMap } from '../../src/session/brief-map.js'

test('holds what was set and not deleted, however many come and go', () => {
  const map = new BriefMap<string, number>()
  const plain = new Map<string, number>()
  map.set('first', -1)
  plain.set('first', -1)
  for (let n = 0; n < 5000; n++) {
    map.set(`id${n}`, n)
    plain.set(`id${n}`, n)
    // Up to 1000 at a time, and then fewer and fewer.
    const gone = n < 1000 ? undefined : `id${2 * (n - 1000)}`
    if (gone !== undefined) expect(map.delete(gone)).toBe(plain.delete(gone))
    expect(map.size).toBe(plain.size)
  }
  expect([...map.values()]).toEqual([...plain.values()])
  expect([map.get('first'), map.get('id0'), map.get('id4999')]).toEqual([-1, undefined, plain.get('id4999')])
})

test('changes the value of a key that is there', () => {
  const map = new BriefMap<string, number>()
  for (let n = 0; n < 1000; n++) map.set('one', n)
  expect([map.size, map.get('one')]).toEqual([1, 999])
})
