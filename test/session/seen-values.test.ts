import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { ownText, SeenValues } from '../../src/session/seen-values.js'

const values = fc.string({ unit: 'binary', maxLength: 12 })

it('answers for exactly the values that it was told of, and the last that was said', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(values, fc.nat(3))), values, (steps, stranger) => {
      const seen = new SeenValues<string>()
      const told = new Map<string, string>()
      for (const [value, step] of steps) {
        if (step === 0) {
          seen.delete(value)
          told.delete(value)
        } else {
          seen.set(value, `${value} ${step}`)
          told.set(value, `${value} ${step}`)
        }
        expect(seen.get(value)).toBe(told.get(value))
      }
      for (const value of [...told.keys(), stranger]) {
        const answer = seen.get(value)
        if (answer !== undefined) expect(answer).toBe(told.get(value))
      }
    }),
  )
})

it('does not forget another value when it is told to forget one in the same place', () => {
  const seen = new SeenValues<number>()
  // The characters in the midst choose no place.
  seen.set('abcd-1-efgh', 1)
  seen.set('abcd-2-efgh', 2)
  seen.delete('abcd-1-efgh')
  expect([seen.get('abcd-1-efgh'), seen.get('abcd-2-efgh')]).toEqual([undefined, 2])
})

it.each([
  ['at the end', (mac: string) => `AgB7InNlc3NkIjox${mac}`],
  ['at the beginning', (mac: string) => `${mac}eyJfaWQiOiAiMSJ9==`],
])('spreads values whose signature stands %s', (_, cookieOf) => {
  const seen = new SeenValues<number>()
  const all = Array.from({ length: 1000 }, (_, n) =>
    cookieOf(createHash('sha256').update(String(n)).digest('hex')),
  )
  for (const [n, value] of all.entries()) seen.set(value, n)
  expect(all.filter((value) => seen.get(value) !== undefined).length).toBeGreaterThan(700)
})

it('copies a text as it is', () => {
  const header = `sid=${'x'.repeat(50)}`
  expect(ownText(header.slice(4))).toBe('x'.repeat(50))
})
