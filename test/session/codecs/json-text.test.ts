import { describe, expect, it } from 'vitest'
import { CorruptSession } from '../../../src/session/codec.js'
import { quoteJson, splitJson, textOf } from '../../../src/session/codecs/json-text.js'

const split = (text: string) => [...splitJson(text, 'strict')]
const splitPython = (text: string) => [...splitJson(text, 'python')]

describe('a JSON row', () => {
  it('falls into its members, each as it was written', () => {
    expect(split(' { "a" : 1.50 , "b":[ 1,{"c":null} ], "d" :"x\\u0041" , "e":true} \n')).toEqual([
      ['a', '1.50'],
      ['b', '[ 1,{"c":null} ]'],
      ['d', '"x\\u0041"'],
      ['e', 'true'],
    ])
    expect(split('{}')).toEqual([])
  })

  it('keeps stored order, integer-like keys included, and of duplicates the last value at the first place', () => {
    expect(split('{"b":1,"10":2,"2":3,"b":4}')).toEqual([
      ['b', '4'],
      ['10', '2'],
      ['2', '3'],
    ])
  })

  it('has ordinary keys only, whatever they are called', () => {
    const members = splitJson('{"__proto__":{"x":1},"constructor":2,"\\u005f_proto__2":3}', 'strict')
    expect([...members.keys()]).toEqual(['__proto__', 'constructor', '__proto__2'])
    expect({}).not.toHaveProperty('x')
  })

  it('holds integers of any size and lone surrogates as they are written', () => {
    expect(split('{"n":9007199254740993,"s":"\\ud800","\\udfff":0}')).toEqual([
      ['n', '9007199254740993'],
      ['s', '"\\ud800"'],
      ['\udfff', '0'],
    ])
  })

  it('knows NaN and the infinities where Python writes them, and nowhere else', () => {
    expect(splitPython('{"a": NaN, "b": [Infinity, -Infinity]}')).toEqual([
      ['a', 'NaN'],
      ['b', '[Infinity, -Infinity]'],
    ])
    for (const word of ['NaN', 'Infinity', '-Infinity']) {
      expect(() => split(`{"a":${word}}`)).toThrow(CorruptSession)
    }
    for (const word of ['nan', '-NaN', '+Infinity', 'Inf']) {
      expect(() => splitPython(`{"a":${word}}`)).toThrow(CorruptSession)
    }
  })

  it('holds no number that a double would make infinite, except from Python', () => {
    for (const number of ['1e999', `1${'0'.repeat(400)}`, '-1E+400']) {
      expect(() => split(`{"a":${number}}`)).toThrow('a number too large for a double')
      expect(splitPython(`{"a":${number}}`)).toEqual([['a', number]])
    }
    expect(split('{"a":1e308,"b":1e-999}')).toEqual([
      ['a', '1e308'],
      ['b', '1e-999'],
    ])
  })

  it.each([
    '',
    ' ',
    'null',
    '[]',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,}',
    '{"a":1}x',
    '{"a":1}{}',
    '{a:1}',
    "{'a':1}",
    '{"a" 1}',
    '{"a":01}',
    '{"a":-}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":1e}',
    '{"a":1e+}',
    '{"a":+1}',
    '{"a":0x10}',
    '{"a":tru}',
    '{"a":nul}',
    '{"a":True}',
    '{"a":[1,]}',
    '{"a":[1 2]}',
    '{"a":[1}',
    '{"a":"x}',
    '{"a":"\n"}',
    '{"a":"\\x41"}',
    '{"a":"\\u12G4"}',
    '{"a":"\\u1\x102 "}',
    '{"a":"\\u12',
    '{"a":"\\',
    '\ufeff{}',
    '{"a":\u00a01}',
  ])('is refused when it is no JSON: %j', (text) => {
    expect(() => split(text)).toThrow(CorruptSession)
  })

  it('says where the JSON ends', () => {
    expect(() => split('{"a":1,')).toThrow(new CorruptSession('JSON that ends too early'))
    expect(() => split('{"a":1;"b":2}')).toThrow(new CorruptSession('no JSON at character 6'))
  })

  it('may nest 1000 deep and no deeper', () => {
    const nested = (depth: number) => `{"a":${'['.repeat(depth)}${']'.repeat(depth)},"b":[[]]}`
    expect(split(nested(1000))).toHaveLength(2)
    expect(() => split(nested(1001))).toThrow(new CorruptSession('JSON nested more than 1000 deep'))
    expect(() => split(`{"a":${'[{"x":'.repeat(500_000)}`)).toThrow(CorruptSession)
  })

  it('is UTF-8', () => {
    expect(textOf(Buffer.from('{"a":"é\u{1f600}"}'))).toBe('{"a":"é\u{1f600}"}')
    expect(() => textOf(Buffer.of(0x22, 0xff, 0x22))).toThrow(new CorruptSession('bytes that are no UTF-8'))
    expect(() => textOf(Buffer.of(0xed, 0xa0, 0x80))).toThrow(CorruptSession)
  })
})

describe('quoting', () => {
  it.each(['', 'user', 'a"b', 'a\\b', '\u0000\n', 'é', '\u2028', '\ud800', '\u{1f600}'])(
    'equals JSON.stringify: %j',
    (text) => {
      expect(quoteJson(text)).toBe(JSON.stringify(text))
    },
  )
})
