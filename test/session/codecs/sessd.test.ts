import { describe, expect, it } from 'vitest'
import { CorruptSession, type Document, ForeignSession, UnstorableValue } from '../../../src/session/codec.js'
import { sessdCodec } from '../../../src/session/codecs/sessd.js'

const row = (text: string) => sessdCodec.decode(Buffer.from(text))

describe('the native row', () => {
  const document: Document<string> = {
    created: 1_700_000_000_125,
    accessed: 1_700_000_010_500,
    values: new Map([
      ['user', '"bob"'],
      ['__proto__', '[1, 2.0]'],
    ]),
  }
  const text =
    '{"sessd":1,"created":1700000000125,"accessed":1700000010500,"data":{"user":"bob","__proto__":[1, 2.0]}}'

  it('is one line of JSON that says what it is', () => {
    expect(Buffer.from(sessdCodec.encode(document)).toString()).toBe(text)
    expect(row(text)).toEqual(document)
  })

  it('may be edited by hand: white space, order and unknown members are no matter', () => {
    expect(row('{ "note": {"by": ["me"]},\n "data": { "n" : 1.0 }, "created": null, "sessd": 1 }\n')).toEqual(
      {
        created: null,
        accessed: null,
        values: new Map([['n', '1.0']]),
      },
    )
  })

  it('carries an id, a domain and a path when there are some', () => {
    const full = { ...document, id: 'abc', domain: null, path: '/é"' }
    expect(row(Buffer.from(sessdCodec.encode(full)).toString())).toEqual(full)
  })

  it.each([
    '{}',
    '{"sessd":1}',
    '{"data":{}}',
    '{"sessd":0,"data":{}}',
    '{"sessd":"1","data":{}}',
    '{"sessd":1,"data":[]}',
    '{"sessd":1,"data":{},"created":"1"}',
    '{"sessd":1,"data":{},"accessed":true}',
    '{"sessd":1,"data":{},"path":1}',
    '{"sessd":1,"data":{},"id":[]}',
    '{"sessd":1,"data":{"a":NaN}}',
    '{"sessd":1,"data":{}} x',
    '\xff',
    '',
  ])('is corrupt when it is something else: %s', (text) => {
    expect(() => row(text)).toThrow(CorruptSession)
  })

  it('is left alone when a newer sessd wrote it', () => {
    expect(() => row('{"sessd":2,"data":{}}')).toThrow(
      new ForeignSession('a row of version 2, written by a newer sessd'),
    )
  })
})

describe('a native value', () => {
  it('comes back as it was, and afresh', () => {
    const value = { a: [1, null, 'é\ud800'], b: { '': true } }
    const encoded = sessdCodec.freeze('k', value)
    expect(encoded).toBe('{"a":[1,null,"é\\ud800"],"b":{"":true}}')
    expect(sessdCodec.thaw(encoded)).toEqual(value)
    expect(sessdCodec.thaw(encoded)).not.toBe(sessdCodec.thaw(encoded))
  })

  it('leaves out members that are undefined, and forgets the sign of zero', () => {
    expect(sessdCodec.freeze('k', { a: undefined, b: -0 })).toBe('{"b":0}')
  })

  it('makes `__proto__` an ordinary member', () => {
    const value = sessdCodec.thaw('{"__proto__":{"admin":true}}') as Record<string, unknown>
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(value.admin).toBeUndefined()
    expect(sessdCodec.freeze('k', value)).toBe('{"__proto__":{"admin":true}}')
  })

  it('is refused rather than flattened', () => {
    expect(() => sessdCodec.freeze('when', new Date(0))).toThrow(
      new UnstorableValue('when', 'a Date; store its getTime() or toISOString()'),
    )
  })

  it('is the same when it means the same', () => {
    expect(sessdCodec.same('{"a":1,"b":2}', '{ "b": 2.0, "a": 1 }')).toBe(true)
    expect(sessdCodec.same('1', '2')).toBe(false)
  })

  it('keeps the digits of a large integer that was only read', () => {
    const stored = '{"id":9007199254740993}'
    expect(sessdCodec.same(stored, sessdCodec.freeze('k', sessdCodec.thaw(stored)))).toBe(true)
  })
})
