import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { UnstorableValue } from '../../../src/session/codec.js'
import { JSON_REACH, requireStorable, sameData } from '../../../src/session/codecs/plain-data.js'
import { PICKLE_REACH } from '../../../src/session/codecs/python-value.js'

function refusal(value: unknown, reach = JSON_REACH): string {
  try {
    requireStorable('cart', value, reach)
  } catch (error) {
    if (!(error instanceof UnstorableValue)) throw error
    return error.message
  }
  return 'stored'
}

class Money {
  amount = 5
}

const circular: Record<string, unknown> = { a: [] }
circular.b = [{ back: circular }]

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = [value]
  return value
}

describe('a value that JSON holds', () => {
  it.each([
    ['text', 'x'],
    ['a number', -1.5],
    ['null', null],
    ['a boolean', false],
    ['nested plain data', { a: [1, { b: null }], '': 'x', undefined: undefined }],
    ['an object without prototype', Object.assign(Object.create(null), { a: 1 })],
    ['a plain object of another realm', runInNewContext('({ a: [{ b: 1 }] })')],
    ['an object with an own __proto__', JSON.parse('{"__proto__":{"a":1}}')],
    ['one object in two places', ((x) => [x, x])({ a: 1 })],
    ['1000 levels', nested(1000)],
  ])('is stored: %s', (_, value) => {
    expect(refusal(value)).toBe('stored')
  })
})

describe('a value that JSON can not hold', () => {
  it.each<[unknown, string]>([
    [undefined, 'session value cart: undefined is no value; unset the key instead'],
    [() => 1, 'session value cart: a function'],
    [Symbol('x'), 'session value cart: a symbol'],
    [5n, 'session value cart: a bigint; store its text'],
    [Number.NaN, 'session value cart: a number that is not finite'],
    [{ total: Number.POSITIVE_INFINITY }, 'session value cart.total: a number that is not finite'],
    [
      { items: [1, new Date(0)] },
      'session value cart.items[1]: a Date; store its getTime() or toISOString()',
    ],
    [{ 'odd key': new Map() }, 'session value cart["odd key"]: a Map; store an array of its entries'],
    [[new Set()], 'session value cart[0]: a Set; store an array of its members'],
    [[undefined], 'session value cart[0]: undefined; use null'],
    [new Array(2), 'session value cart[0]: undefined; use null'],
    [Buffer.from('x'), 'session value cart: bytes; store their base64 text'],
    [new Float64Array(1), 'session value cart: an instance of Float64Array; store a plain object'],
    [new Money(), 'session value cart: an instance of Money; store a plain object'],
    [Object(1), 'session value cart: an instance of Number; store a plain object'],
    [{ toJSON: () => 1 }, 'session value cart.toJSON: a function'],
    [Promise.resolve(), 'session value cart: an instance of Promise; store a plain object'],
    [circular, 'session value cart.b[0].back: refers to itself'],
    [nested(1001), `session value cart${'[0]'.repeat(1000)}: nested more than 1000 deep`],
  ])('is refused with its path: %#', (value, message) => {
    expect(refusal(value)).toBe(message)
  })

  it('is refused with a path that programs can read', () => {
    try {
      requireStorable('cart', { items: [0n] }, JSON_REACH)
    } catch (error) {
      expect(error).toBeInstanceOf(UnstorableValue)
      expect((error as UnstorableValue).path).toBe('cart.items[0]')
    }
    expect.assertions(2)
  })
})

describe('a value that pickle holds', () => {
  it('may be a bigint, bytes, or a Map with keys that Python can hash', () => {
    const value = new Map<unknown, unknown>([
      [1, 5n],
      [null, Buffer.from('x')],
      [[1, ['a']], Number.NaN],
      ['text', new Map()],
    ])
    expect(refusal(value, PICKLE_REACH)).toBe('stored')
  })

  it.each<[unknown, string]>([
    [new Map([[{}, 1]]), 'session value cart: a Map with a key that Python can not hash'],
    [new Map([[[{}], 1]]), 'session value cart: a Map with a key that Python can not hash'],
    [new Map([['a', new Date(0)]]), 'session value cart["a"]: a Date; store its getTime() or toISOString()'],
    [new Map([[7, [() => 1]]]), 'session value cart[7][0]: a function'],
    [new Uint16Array(1), 'session value cart: an instance of Uint16Array; store a plain object'],
  ])('is nothing else: %#', (value, message) => {
    expect(refusal(value, PICKLE_REACH)).toBe(message)
  })
})

describe('sameness', () => {
  it.each<[unknown, unknown]>([
    [
      { a: 1, b: [2] },
      { b: [2], a: 1 },
    ],
    [Number.NaN, Number.NaN],
    [0, -0],
    [Buffer.from('ab'), Uint8Array.of(97, 98)],
    [new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]])],
  ])('holds for equal content: %#', (a, b) => {
    expect(sameData(a, b)).toBe(true)
  })

  it.each<[unknown, unknown]>([
    [1, '1'],
    [1, 1n],
    [null, {}],
    [[], {}],
    [{}, []],
    [[1], [1, 2]],
    [{ a: 1 }, { b: 1 }],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 1, b: 2 }],
    [JSON.parse('{"__proto__":{"a":1}}'), { a: 1 }],
    [Buffer.from('a'), Buffer.from('b')],
    [Buffer.from('a'), { 0: 97 }],
    [new Map([[1, 2]]), new Map([[1, 3]])],
    [new Map(), {}],
    [{}, new Map()],
  ])('does not hold for other content: %#', (a, b) => {
    expect(sameData(a, b)).toBe(false)
  })
})
