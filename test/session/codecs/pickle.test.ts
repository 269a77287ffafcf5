import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CorruptSession, ForeignSession } from '../../../src/session/codec.js'
import { readPickle } from '../../../src/session/codecs/pickle-read.js'
import { writePickle } from '../../../src/session/codecs/pickle-write.js'
import {
  freezePython,
  MAX_VALUES,
  PythonTuple,
  type PythonValue,
  requirePlain,
  thawPython,
} from '../../../src/session/codecs/python-value.js'

interface Vector {
  readonly id: string
  readonly base64: string
  readonly expect?: unknown
  readonly why?: string
}

const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/beaker/pickles.json', import.meta.url), 'utf8'),
) as { positive: Vector[]; negative: Vector[] }

function read(pickle: Uint8Array): PythonValue {
  const value = readPickle(pickle)
  requirePlain(value, { values: MAX_VALUES })
  return value
}

const readText = (text: string) => read(Buffer.from(text, 'latin1'))

/** The vectors write ints beyond 2**53 as `123n` and bytes as `bytes:<base64>`. */
function expected(value: unknown): unknown {
  if (typeof value === 'string' && /^-?\d+n$/.test(value)) {
    const int = BigInt(value.slice(0, -1))
    return Number.isSafeInteger(Number(int)) ? Number(int) : int
  }
  if (typeof value === 'string' && value.startsWith('bytes:')) return Buffer.from(value.slice(6), 'base64')
  if (Array.isArray(value)) return value.map(expected)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, expected(member)]))
}

describe('a pickle that Python made', () => {
  it.each(vectors.positive.map((vector) => [vector.id, vector] as const))('is read: %s', (id, vector) => {
    const value = read(Buffer.from(vector.base64, 'base64'))
    if (id.startsWith('nonstr-keys')) {
      const inner = (thawPython(value) as { session: unknown }).session
      expect(inner).toEqual(
        new Map<unknown, unknown>([
          [1, 'a'],
          [[1, 2], 'b'],
          [null, 'c'],
        ]),
      )
    } else {
      expect(thawPython(value)).toEqual(expected(vector.expect))
    }
    expect(read(writePickle(value))).toEqual(value)
  })

  it('holds a text of more than 65535 characters', () => {
    const text = 'B'.repeat(70_000)
    expect(readText(`\x80\x04\x95\x77\x11\x01\0\0\0\0\0X\x70\x11\x01\0${text}\x94.`)).toBe(text)
    expect(read(writePickle(text))).toBe(text)
  })

  it('keeps apart what JavaScript does not: 1 and 1.0, tuple and list', () => {
    const value = readText('(lp0\nI1\naF1.0\na(I1\nI2\nta.') as PythonValue[]
    expect(value).toEqual([1n, 1, new PythonTuple([1n, 2n])])
    expect(thawPython(value)).toEqual([1, 1, [1, 2]])
    expect(read(writePickle(value))).toEqual(value)
  })

  it.each<[string, PythonValue]>([
    ['Vr\\u00e9\\u6f22\\U0001f600\\n\\\\u0041\\\n.', 'ré漢\u{1f600}\\n\\\\u0041\\'],
    ["S'a\\x41\\101\\n\\'\"'\np0\n.", 'aAA\n\'"'],
    ['S"J\\xc3\\xbc"\n.', Uint8Array.of(74, 0xc3, 0xbc)],
    ['U\x02\xc3\xbc.', Uint8Array.of(0xc3, 0xbc)],
    ['T\x03\0\0\0abc.', 'abc'],
    ['X\x03\0\0\0\xed\xa0\x80.', '\ud800'],
    ['X\x08\0\0\0a\xed\xb0\x80\xc3\xbcb!.', 'a\udc00üb!'],
    ['\x8d\x01\0\0\0\0\0\0\0x.', 'x'],
    ['\x8e\x01\0\0\0\0\0\0\0x.', Uint8Array.of(120)],
    ['B\x01\0\0\0x.', Uint8Array.of(120)],
    ['I00\n.', false],
    ['I01\n.', true],
    ['I-7\n.', -7n],
    ['L-99999999999999999999L\n.', -99999999999999999999n],
    ['L5\n.', 5n],
    ['\x8a\0.', 0n],
    ['\x8b\x02\0\0\0\x00\x80.', -32768n],
    ['Fnan\n.', Number.NaN],
    ['F-inf\n.', Number.NEGATIVE_INFINITY],
    ['F1e-05\n.', 1e-5],
    ['N.', null],
    ['(I1\nI2\nd.', new Map([[1n, 2n]])],
    ['(I1\nI2\nl.', [1n, 2n]],
    ['}I1\nI2\nsI1\nI3\ns.', new Map([[1n, 3n]])],
    ['I1\n20.', 1n],
    ['I1\n(I2\nI3\n1.', 1n],
    ['I1\n(0.', 1n],
    ['c_codecs\nencode\n(X\x03\0\0\0a\xc3\xbfX\x06\0\0\0latin1tR.', Uint8Array.of(97, 255)],
    ['c__builtin__\nbytes\n)R.', new Uint8Array()],
  ])('may use any plain opcode: %j', (pickle, value) => {
    expect(readText(pickle)).toEqual(value)
  })
})

describe('a pickle that holds more than plain data', () => {
  const names: Record<string, string> = {
    'evil-reduce-p0': 'posix.system',
    'evil-reduce-p2': 'posix.system',
    'evil-reduce-p4': 'posix.system',
    'opaque-datetime-p2': 'datetime.datetime',
    'opaque-datetime-p5': 'datetime.datetime',
    'opaque-date-p4': 'datetime.date',
    'opaque-timedelta-p2': 'datetime.timedelta',
    'opaque-timedelta-p5': 'datetime.timedelta',
    'opaque-decimal-p4': 'decimal.Decimal',
    'opaque-set-p2': 'builtins.set',
    'opaque-set-p5': 'builtins.set',
    'opaque-frozenset-p4': 'builtins.frozenset',
    'opaque-ordereddict-p2': 'collections.OrderedDict',
    'opaque-ordereddict-p5': 'collections.OrderedDict',
    'opaque-complex-p4': 'builtins.complex',
    'opaque-bytearray-p2': 'builtins.bytearray',
    'opaque-bytearray-p5': 'builtins.bytearray',
    persid: 'a persistent reference',
    inst: 'os.system',
  }

  it.each(Object.entries(names))('is refused by name and never run: %s', (id, name) => {
    const vector = vectors.negative.find((candidate) => candidate.id === id)
    expect(() => read(Buffer.from(vector?.base64 ?? '', 'base64'))).toThrow(
      new ForeignSession(`a Python object (${name})`),
    )
  })

  it.each([
    ['ccopy_reg\n_reconstructor\n(cmyapp.models\nUser\nc__builtin__\nobject\nNtR}b.', 'myapp.models.User'],
    ['(cmyapp\nUser\nI1\no}b.', 'myapp.User'],
    ['\x80\x04\x8c\x05myapp\x8c\x04User\x93)\x81.', 'myapp.User'],
    ['\x80\x04\x8c\x05myapp\x8c\x04User\x93)}\x92.', 'myapp.User'],
    ['\x80\x02\x82\x01.', 'a class of the copyreg extension registry'],
    ['I1\nQ.', 'a persistent reference'],
    ['\x80\x05\x97\x98.', 'an out-of-band buffer'],
    ['cmyapp\nUser\n.', 'myapp.User'],
    ['(lcmyapp\nUser\na.', 'myapp.User'],
    ['c_codecs\nencode\n(Va\nVutf-8\ntR.', '_codecs.encode'],
    ['c_codecs\nencode\n(X\x03\0\0\0\xe6\xbc\xa2Vlatin1\ntR.', '_codecs.encode'],
    ['c__builtin__\nbytes\n(I9\ntR.', 'builtins.bytes'],
  ])('is refused whichever way it is built: %j', (pickle, name) => {
    expect(() => readText(pickle)).toThrow(new ForeignSession(`a Python object (${name})`))
  })

  it('is refused when it contains itself', () => {
    for (const pickle of ['\x80\x02]q\0h\0a.', '\x80\x02}q\0K\x01h\0s.', '\x80\x02]q\0(h\0tq\x01a.']) {
      expect(() => readText(pickle)).toThrow(new ForeignSession('something that contains itself'))
    }
  })
})

describe('bytes that are no pickle', () => {
  it.each(['empty', 'huge-len-x', 'stack-underflow', 'long4-huge'])('are corrupt: %s', (id) => {
    const vector = vectors.negative.find((candidate) => candidate.id === id)
    expect(() => read(Buffer.from(vector?.base64 ?? 'x', 'base64'))).toThrow(CorruptSession)
  })

  it.each([
    '.',
    '\x80',
    '\x80\x06N.',
    'N',
    '(.',
    '(1.',
    '0.',
    'e.',
    ']e.',
    'h\0.',
    'g5\n.',
    'gx\n.',
    'q\0.',
    'X\x05\0\0\0ab.',
    'U\x05ab.',
    'X\x01\0\0\0\xff.',
    '\x8c\x02\xed\xa0.',
    '\x8d\0\0\0\0\x01\0\0\0.',
    '\x95\xff\0\0\0\0\0\0\0N.',
    'G\0\0.',
    'I\n.',
    'I1x\n.',
    'I1',
    `L${'9'.repeat(4301)}L\n.`,
    'F\n.',
    'F1e\n.',
    'Sab\n.',
    "S'ab\n.",
    "S'\\x4'\n.",
    'V\\u12\n.',
    'V\\u+123\n.',
    'V\\U00110000\n.',
    'V\\U1234\n.',
    'NNa.',
    'NNNs.',
    '}]Ns.',
    '}(]tNs.',
    '}((}ttNs.',
    '}(Nu.',
    '(Nd.',
    'c\n\n.',
    'cos; rm\nx\n.',
    '\x80\x04NN\x93.',
    'N)R.',
    'cos\nsystem\nNR.',
    'cos\nsystem\n',
    ']}b.',
    '](N\x90.',
    '\x96\xff\0\0\0\0\0\0\0.',
    '\xff.',
    '\0.',
  ])('are corrupt: %j', (pickle) => {
    expect(() => readText(pickle)).toThrow(CorruptSession)
  })

  it('are no matter behind the end of a pickle, as in Python', () => {
    expect(readText('N.garbage')).toBeNull()
    const vector = vectors.negative.find(({ id }) => id === 'trailing')
    expect(read(Buffer.from(vector?.base64 ?? '', 'base64'))).toBeInstanceOf(Map)
  })

  it('pollute no prototype', () => {
    const vector = vectors.negative.find(({ id }) => id === 'proto-key')
    const value = thawPython(read(Buffer.from(vector?.base64 ?? '', 'base64'))) as { session: object }
    expect(Object.keys(value.session)).toEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(value.session)).toBe(Object.prototype)
    expect({}).not.toHaveProperty('polluted')
  })
})

describe('a pickle that wants to be too much', () => {
  it('may nest 1000 deep and no deeper', () => {
    const nested = (depth: number) => `${']'.repeat(depth)}${'a'.repeat(depth - 1)}.`
    expect(readText(nested(1000))).toHaveLength(1)
    expect(() => readText(nested(1001))).toThrow(new CorruptSession('data nested more than 1000 deep'))
    expect(() => readText(nested(400_000))).toThrow(CorruptSession)
  })

  it('can not double itself again and again', () => {
    let bomb = ']q\0'
    for (let level = 1; level < 60; level++) {
      bomb += `](${`h${String.fromCharCode(level - 1)}`.repeat(2)}eq${String.fromCharCode(level)}`
    }
    expect(() => readText(`${bomb}.`)).toThrow(new CorruptSession('more than 1000000 values'))
    const long = `X\0\0\x10\0${'x'.repeat(0x100000)}q\0`
    expect(() => readText(`](${long}${'h\0'.repeat(5000)}e.`)).toThrow(CorruptSession)
  })

  it('can not hold more than a million values', () => {
    expect(() => readText(`(${'N'.repeat(2_000_000)}l.`)).toThrow(
      new CorruptSession('more than 1000000 values'),
    )
  })
})

describe('what we pickle', () => {
  it('is protocol 2, in the opcodes that the value needs', () => {
    const value = freezePython({ a: [1, 1.5, -1, 300, 2 ** 31, 'é'], b: null, t: true })
    expect(Buffer.from(writePickle(value)).toString('latin1')).toBe(
      '\x80\x02}(X\x01\0\0\0a](K\x01G\x3f\xf8\0\0\0\0\0\0J\xff\xff\xff\xffJ\x2c\x01\0\0\x8a\x05\0\0\0\x80\0X\x02\0\0\0\xc3\xa9eX\x01\0\0\0bNX\x01\0\0\0t\x88u.',
    )
  })

  it('is bytes as Python 3 itself writes them at protocol 2', () => {
    expect(Buffer.from(writePickle(Uint8Array.of(0, 255))).toString('latin1')).toBe(
      '\x80\x02c_codecs\nencode\nX\x03\0\0\0\0\xc3\xbfX\x06\0\0\0latin1\x86R.',
    )
  })

  it.each<[string, unknown]>([
    ['whole numbers as int', { a: 1, b: 2 ** 53 - 1, c: -0.5, d: 2 ** 53, e: -0 }],
    ['large ints', [2n ** 64n, -(2n ** 63n), -129n, 2n ** 3000n, -(2n ** 2048n)]],
    ['bytes', [Buffer.from([0, 128, 255]), Buffer.alloc(0)]],
    ['lone surrogates', ['\ud800x', 'x\udfff', '\udc00\ud800']],
    [
      'Map keys of every kind',
      new Map<unknown, unknown>([
        [1, 'a'],
        [null, 'b'],
        [1.5, 'c'],
        [[1, [2]], 'd'],
        ['s', 'e'],
      ]),
    ],
    ['a __proto__ member', JSON.parse('{"__proto__":{"a":1},"constructor":2}')],
    ['members in integer order', { 10: 1, 2: 2 }],
  ])('comes back as it was: %s', (_, value) => {
    expect(thawPython(read(writePickle(freezePython(value))))).toEqual(expectedBack(value))
  })
})

/** A bigint that a number can hold comes back as that number. */
function expectedBack(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  return Array.isArray(value) ? value.map(expectedBack) : value
}
