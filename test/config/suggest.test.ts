import fc from 'fast-check'
import { expect, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import { readOptions } from '../../src/config/options.js'
import { hint, nearest, offer, offerFrom } from '../../src/config/suggest.js'
import { options } from '../../src/servers/http/options.js'

const names = (count: number) => Array.from({ length: count }, (_, i) => `name-${i}`)

test('a name that is near is asked for, else a short list is shown, and of a long one where it is', () => {
  expect(hint('nmae-1', names(100))).toBe(' Did you mean "name-1"?')
  expect(hint('x', ['a1', 'b2'])).toBe(' There is: a1, b2.')
  expect(hint('something', names(20))).toBe(` There is: ${names(20).join(', ')}.`)
  expect(hint('something', names(21))).toBe(' `sessd options` tells what there is.')
  expect(hint('x', [])).toBe('')
})

test('a setting that the server does not have is one short sentence', () => {
  expect(() => readOptions(options, makeConf([['zzzzzzzzzz', '1']]))).toThrow(
    new OptionError('zzzzzzzzzz', 'no such setting. `sessd options` tells what there is.'),
  )
})

test('what is asked for is the nearest name of all that are near enough', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'D'), maxLength: 9 })
  fc.assert(
    fc.property(word, fc.array(word, { maxLength: 20 }), (given, known) => {
      const near = Math.min(Math.max(1, Math.floor(given.length / 3)) + 1, given.length)
      const distances = known.map((name) => distance(given.toLowerCase(), name.toLowerCase()))
      const least = Math.min(near, ...distances)
      expect(nearest(given, known)).toBe(least < near ? known[distances.indexOf(least)] : undefined)
    }),
  )
})

/** Letters to put in, take out, replace or swap with their neighbour, no letter twice. */
function distance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const last = a.at(-1) === b.at(-1) ? 0 : 1
  const isSwap = a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)
  return Math.min(
    table(a.slice(0, -1), b) + 1,
    table(a, b.slice(0, -1)) + 1,
    table(a.slice(0, -1), b.slice(0, -1)) + last,
    isSwap ? table(a.slice(0, -2), b.slice(0, -2)) + 1 : Infinity,
  )
}

const known = new Map<string, number>()

function table(a: string, b: string): number {
  const key = `${a} ${b}`
  const result = known.get(key) ?? distance(a, b)
  known.set(key, result)
  return result
}

test('a file of very many mistakes is told for the first of them what may have been meant', () => {
  const [file, other] = [{}, {}]
  const many = names(10_000)
  const offers = Array.from({ length: 1000 }, () => offerFrom(file, 'nmae-1', () => many))
  const told = offers.filter((text) => text !== '')
  expect(told.length).toBeGreaterThan(50)
  expect(offers.slice(told.length).every((text) => text === '')).toBe(true)
  expect(offers.at(-1)).toBe('')
  expect(new Set(told)).toEqual(new Set([offer('nmae-1', many)]))
  expect(offerFrom(other, 'nmae-1', () => many)).toBe(told[0])
})

test('looks for what an empty name could mean no more often than for others', () => {
  const file = {}
  const many = names(10_000)
  const offers = Array.from({ length: 2000 }, () => offerFrom(file, '', () => many))
  expect(offers[0]).toBe(offer('', many))
  expect(offers.at(-1)).toBe('')
})
