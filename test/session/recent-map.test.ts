import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RecentMap } from '../../src/session/recent-map.js'

const keys = fc.constantFrom('a', 'b', 'c', 'd', 'e')
const step = fc.oneof(
  fc.record({ do: fc.constant('set' as const), key: keys, value: fc.nat(5) }),
  fc.record({ do: fc.constantFrom('get' as const, 'delete' as const), key: keys }),
  { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const) }) },
)

test('never answers anything but what was set last, and what was set or asked for last is there', () => {
  fc.assert(
    fc.property(fc.array(step), fc.nat(9), fc.boolean(), (steps, capacity, weighed) => {
      const map = new RecentMap<number>(capacity, weighed ? (value) => value : undefined)
      const set = new Map<string, number>()
      for (const next of steps) {
        if (next.do === 'clear') {
          map.clear()
          set.clear()
          continue
        }
        const { key } = next
        if (next.do === 'set') {
          map.set(key, next.value)
          set.set(key, next.value)
          expect(map.get(key)).toBe(next.value)
        } else if (next.do === 'delete') {
          map.delete(key)
          set.delete(key)
          expect(map.get(key)).toBe(undefined)
        } else {
          const answer = map.get(key)
          if (answer === undefined) set.delete(key)
          else expect(answer).toBe(set.get(key))
          expect(map.get(key)).toBe(answer)
        }
      }
    }),
  )
})

/** Which of `wanted` a map still has. */
function left(map: RecentMap<number>, ...wanted: string[]): string[] {
  return wanted.filter((key) => map.get(key) !== undefined)
}

test('forgets what was set first, half of what it keeps at a time', () => {
  const map = new RecentMap<number>(4)
  for (const key of ['a', 'b', 'c', 'd']) map.set(key, 1)
  expect(left(map, 'c', 'd')).toEqual(['c', 'd'])
  map.set('e', 1)
  expect(left(map, 'a', 'b', 'c', 'd', 'e')).toEqual(['c', 'd', 'e'])
})

test('keeps what is asked for, however much is set meanwhile', () => {
  const map = new RecentMap<number>(4)
  map.set('asked for', 1)
  for (let n = 0; n < 100; n++) {
    map.set(`other ${n}`, 1)
    expect(map.get('asked for')).toBe(1)
  }
})

test('forgets nothing because one key is set again and again', () => {
  for (const map of [new RecentMap<number>(4), new RecentMap<number>(4, () => 1)]) {
    map.set('a', 1)
    for (let n = 0; n < 100; n++) map.set('b', n)
    expect(left(map, 'a', 'b')).toEqual(['a', 'b'])
  }
})

test('keeps as much as its capacity by weight, many light values or few heavy ones', () => {
  const map = new RecentMap<number>(20, (value) => value)
  for (let n = 0; n < 10; n++) map.set(`light ${n}`, 1)
  map.set('heavy', 10)
  expect(left(map, 'light 0', 'heavy')).toEqual(['light 0', 'heavy'])
  map.set('heavy too', 10)
  expect(left(map, 'light 1', 'heavy', 'heavy too')).toEqual(['heavy', 'heavy too'])
})

test('deletes what is old, too', () => {
  const map = new RecentMap<number>(4)
  for (const key of ['a', 'b', 'c']) map.set(key, 1)
  map.delete('a')
  expect(left(map, 'a', 'b', 'c')).toEqual(['b', 'c'])
})

test('counts the weight of nothing that was deleted or cleared', () => {
  const map = new RecentMap<number>(20, (value) => value)
  map.set('a', 1)
  for (let n = 0; n < 100; n++) {
    map.set('heavy', 9)
    map.delete('heavy')
  }
  expect(left(map, 'a')).toEqual(['a'])
  map.set('heavy', 9)
  map.clear()
  for (const [key, weight] of [
    ['b', 1],
    ['c', 1],
    ['d', 9],
    ['e', 1],
  ] as const)
    map.set(key, weight)
  expect(left(map, 'a', 'heavy', 'b', 'c', 'd', 'e')).toEqual(['b', 'c', 'd', 'e'])
})
