// What a row of ours can hold is read as JSON.parse reads it, and what was written is read back.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Document } from '../../../src/session/codec.js'
import { sessdCodec } from '../../../src/session/codecs/sessd.js'

const texts = fc
  .stringMatching(/^(\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|[ !#-[\]-~\u0080-\ud7ff])*$/)
  .map((inner) => `"${inner}"`)
const numbers = fc.stringMatching(/^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?$/)
const json = fc.oneof(
  numbers,
  fc.json(),
  fc.constantFrom(
    '0',
    '-0',
    '0.0',
    '-0e1',
    '1e308',
    '1E-400',
    '9007199254740993',
    'true',
    'false',
    'null',
    '""',
    '"\\\\"',
  ),
  texts,
)
const spaces = fc.stringMatching(/^[ \t\r\n]{0,3}$/)

const rowOf = (members: string) => Buffer.from(`{"sessd":1,"created":1,"accessed":1,"data":{${members}}}`)

it('every value that a row holds is the one that JSON.parse makes of it', () => {
  fc.assert(
    fc.property(json, spaces, spaces, (value, before, after) => {
      const { values } = sessdCodec.decode(rowOf(`"key":${before}${value}${after}`))
      expect(sessdCodec.thaw(values.get('key')!)).toEqual(JSON.parse(value))
      expect(Object.is(sessdCodec.thaw(values.get('key')!), -0)).toBe(Object.is(JSON.parse(value), -0))
    }),
    { numRuns: 1000 },
  )
})

it.each([
  '01',
  '1.',
  '.5',
  '+1',
  '1e',
  '0x10',
  '0b1',
  '1_0',
  '1n',
  '-',
  '1e999',
  '"\t"',
  "'a'",
  '"\\x"',
  '"',
  '1 2',
])('a row that holds %s is no row', (value) => {
  expect(() => sessdCodec.decode(rowOf(`"key":${value}`))).toThrow(/JSON|number too large/)
})

it('a document is read back as it was written, down to lone surrogates', () => {
  const anyText = fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
  })
  const value = fc.oneof(
    anyText,
    fc.jsonValue({ stringUnit: 'binary' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(anyText, value)), anyText, (members, other) => {
      const values = new Map(members.map(([key, member]) => [key, sessdCodec.freeze(key, member)]))
      const document: Document<string> = {
        created: 1,
        accessed: 2,
        user: other,
        domain: other,
        path: null,
        values,
      }
      const read = sessdCodec.decode(sessdCodec.encode(document))
      expect(read).toEqual(document)
      expect([...read.values]).toEqual([...values])
      for (const [key, encoded] of values) {
        expect(sessdCodec.same(encoded, sessdCodec.freeze(key, sessdCodec.thaw(encoded)))).toBe(true)
      }
    }),
  )
})
