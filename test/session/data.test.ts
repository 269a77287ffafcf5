import { describe, expect, it } from 'vitest'
import { applyChange } from '../../src/session/change.js'
import type { Document } from '../../src/session/codec.js'
import { sessdCodec } from '../../src/session/codecs/sessd.js'
import { SessionData } from '../../src/session/data.js'

function row(values: Record<string, unknown>): Document<string> {
  const encoded = Object.entries(values).map(([key, value]) => [key, JSON.stringify(value)] as const)
  return { created: 1, accessed: 1, values: new Map(encoded) }
}

function plain(document: Document<string>): Record<string, unknown> {
  return Object.fromEntries([...document.values].map(([key, text]) => [key, JSON.parse(text)]))
}

function data(values: Record<string, unknown>): SessionData<string> {
  return new SessionData(sessdCodec, row(values))
}

/** What `work` makes of `values` when somebody else stored `theirs` in between. */
function merged(
  values: Record<string, unknown>,
  theirs: Record<string, unknown>,
  work: (data: SessionData<string>) => void,
) {
  const mine = data(values)
  work(mine)
  const change = mine.change()
  return change === undefined ? theirs : plain(applyChange(sessdCodec, row(theirs), change, true))
}

describe('a session dictionary', () => {
  it('takes any string as a key', () => {
    const mine = data({})
    for (const key of ['__proto__', 'constructor', 'save', 'cookie', '', 'toString', '0']) {
      expect(mine.has(key)).toBe(false)
      expect(mine.get(key)).toBeUndefined()
      mine.set(key, `value of ${key}`)
      expect(mine.get(key)).toBe(`value of ${key}`)
    }
    expect([...mine.keys()]).toEqual(['__proto__', 'constructor', 'save', 'cookie', '', 'toString', '0'])
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
  })

  it('lists stored keys first, then new ones, without removed ones', () => {
    const mine = data({ a: 1, b: 2, c: 3 })
    mine.unset('b')
    mine.set('d', 4)
    mine.set('a', 5)
    expect([...mine.keys()]).toEqual(['a', 'c', 'd'])
    mine.set('b', 6)
    expect([...mine.keys()]).toEqual(['a', 'b', 'c', 'd'])
    mine.clear()
    expect([...mine.keys()]).toEqual([])
  })

  it('takes undefined for "absent"', () => {
    const mine = data({ a: 1 })
    mine.set('a', undefined)
    expect(mine.has('a')).toBe(false)
    expect([...mine.keys()]).toEqual([])
  })

  it('gives each session its own copies', () => {
    const document = row({ cart: ['apple'] })
    const one = new SessionData(sessdCodec, document)
    const two = new SessionData(sessdCodec, document)
    ;(one.get('cart') as string[]).push('pear')
    expect(two.get('cart')).toEqual(['apple'])
  })

  it('notices values that were changed in place', () => {
    const mine = data({ cart: { items: [1] } })
    expect(mine.isChanged(true)).toBe(false)
    ;(mine.get('cart') as { items: number[] }).items.push(2)
    expect(mine.isChanged(false)).toBe(false)
    expect(mine.isChanged(true)).toBe(true)
    expect(mine.change()?.set.get('cart')).toBe('{"items":[1,2]}')
  })

  it('takes no change for one: the same value set again, a value put back, a missing key removed', () => {
    const mine = data({ a: 1, b: { c: 2 } })
    mine.set('a', 1)
    mine.set('b', { c: 2 })
    mine.set('new', 1)
    mine.unset('new')
    mine.unset('never')
    expect(mine.change()).toBeUndefined()
    expect(mine.isChanged(true)).toBe(false)
  })

  it('reverts nested changes too', () => {
    const mine = data({ cart: { items: [1] } })
    ;(mine.get('cart') as { items: number[] }).items.push(2)
    mine.set('x', 1)
    mine.revert()
    expect(mine.get('cart')).toEqual({ items: [1] })
    expect(mine.has('x')).toBe(false)
  })
})

describe('the merge', () => {
  it('keeps what others changed under other keys', () => {
    expect(merged({ a: 1, b: 1 }, { a: 1, b: 2, c: 3 }, (mine) => mine.set('a', 9))).toEqual({
      a: 9,
      b: 2,
      c: 3,
    })
  })

  it('lets a read win over nothing', () => {
    expect(merged({ a: 1, o: {} }, { a: 2, o: { x: 1 } }, (mine) => [mine.get('a'), mine.get('o')])).toEqual({
      a: 2,
      o: { x: 1 },
    })
  })

  it('keeps keys gone that others removed, unless we changed them', () => {
    expect(merged({ a: 1, b: 1 }, { b: 1 }, (mine) => mine.set('b', 2))).toEqual({ b: 2 })
    expect(merged({ a: 1, b: 1 }, { b: 1 }, (mine) => mine.set('a', 2))).toEqual({ b: 1, a: 2 })
  })

  it('removes what we removed, though others changed it', () => {
    expect(merged({ a: 1, b: 1 }, { a: 2, b: 1 }, (mine) => mine.unset('a'))).toEqual({ b: 1 })
  })

  it('clears what others added meanwhile', () => {
    expect(merged({ a: 1 }, { a: 1, user: 'bob' }, (mine) => mine.clear())).toEqual({})
    expect(
      merged({ a: 1 }, { a: 1, user: 'bob' }, (mine) => {
        mine.clear()
        mine.set('n', 1)
      }),
    ).toEqual({ n: 1 })
  })

  it('runs updates again on the newest value, in order', () => {
    const add = (by: number) => (n: unknown) => ((n as number | undefined) ?? 0) + by
    expect(merged({ n: 1 }, { n: 10 }, (mine) => mine.update('n', add(1)))).toEqual({ n: 11 })
    expect(
      merged({}, { n: 10 }, (mine) => {
        mine.update('n', add(1))
        mine.update('n', add(5))
      }),
    ).toEqual({ n: 16 })
    expect(merged({ n: 1 }, {}, (mine) => mine.update('n', add(1)))).toEqual({ n: 1 })
  })

  it('takes an update of a value that we set ourselves as part of the setting', () => {
    const work = (mine: SessionData<string>) => {
      mine.set('n', 100)
      mine.update('n', (n) => (n as number) + 1)
    }
    expect(merged({ n: 1 }, { n: 10 }, work)).toEqual({ n: 101 })
  })

  it('forgets an update of a value that we set later', () => {
    const work = (mine: SessionData<string>) => {
      mine.update('n', (n) => (n as number) + 1)
      mine.set('n', 5)
    }
    expect(merged({ n: 1 }, { n: 10 }, work)).toEqual({ n: 5 })
  })
})

describe('after a commit', () => {
  it('keeps for the next one what was done while it was under way', () => {
    const mine = data({ a: 1, b: 1 })
    mine.set('a', 2)
    const change = mine.change()!
    const stored = applyChange(sessdCodec, mine.base, change, false)
    mine.set('a', 3)
    mine.unset('b')
    mine.rebase(stored, change)
    const next = mine.change()!
    expect(plain(applyChange(sessdCodec, stored, next, false))).toEqual({ a: 3 })
  })

  it('has nothing left to store when nothing was done since', () => {
    const mine = data({ a: 1, n: 1, list: [1] })
    mine.set('a', { deep: [1] })
    mine.update('n', (n) => (n as number) + 1)
    mine.unset('list')
    const change = mine.change()!
    mine.rebase(applyChange(sessdCodec, mine.base, change, false), change)
    expect(mine.change()).toBeUndefined()
    expect(mine.get('a')).toEqual({ deep: [1] })
    expect(mine.get('n')).toBe(2)
  })

  it('shows what others stored, and does not put its own old copies over it', () => {
    const mine = data({ a: 1, list: [1], n: 1 })
    mine.get('list')
    mine.get('a')
    mine.set('n', 2)
    const change = mine.change()!
    mine.rebase(applyChange(sessdCodec, row({ a: 5, list: [1, 2], n: 1 }), change, true), change)
    expect(mine.get('list')).toEqual([1, 2])
    expect(mine.get('a')).toBe(5)
    expect(mine.change()).toBeUndefined()
  })

  it('does not count an update twice that was stored', () => {
    const mine = data({ n: 1 })
    const add = (n: unknown) => (n as number) + 1
    mine.update('n', add)
    const change = mine.change()!
    const stored = applyChange(sessdCodec, row({ n: 10 }), change, true)
    mine.update('n', add)
    mine.rebase(stored, change)
    expect(mine.get('n')).toBe(12)
    expect(plain(applyChange(sessdCodec, row({ n: 20 }), mine.change()!, true))).toEqual({ n: 21 })
  })
})
