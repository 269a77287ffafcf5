import { readFileSync } from 'node:fs'
import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type Codec, CorruptSession, ForeignSession, UnstorableValue } from '../../../src/session/codec.js'
import {
  type BeakerCipher,
  beakerCipher,
  type CryptoType,
} from '../../../src/session/codecs/beaker-cipher.js'
import { type BeakerContainer, memcachedFlags } from '../../../src/session/codecs/beaker-container.js'
import { beakerSigner } from '../../../src/session/codecs/beaker-cookie.js'
import { type BeakerFormat, beakerCodec } from '../../../src/session/codecs/beaker-row.js'
import { splitJson } from '../../../src/session/codecs/json-text.js'
import { readPickle } from '../../../src/session/codecs/pickle-read.js'
import { thawPythonJson } from '../../../src/session/codecs/python-json.js'

interface RowVector {
  readonly id: string
  readonly version: '1.11' | '1.12'
  readonly container: BeakerContainer
  readonly serializer: 'json' | 'pickle'
  readonly encryptKey?: string
  readonly validateKey?: string
  readonly cryptoType?: CryptoType
  readonly nonceBits?: number
  readonly sessionId: string
  readonly cookie?: string
  readonly row?: string
  readonly flags?: number
  readonly data: string
  readonly domain?: string | null
  readonly path?: string | null
  readonly tooLong?: true
}

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../fixtures/beaker/${name}`, import.meta.url), 'utf8')) as T
}

const { rows } = fixture<{ rows: RowVector[] }>('rows.json')
const { payloads } = fixture<{ payloads: Record<string, string>[] }>('payloads.json')

const codec = (format: Partial<BeakerFormat> = {}): Codec<unknown> =>
  beakerCodec({ serializer: 'json', version: '1.12', container: 'memcached', ...format })

const toPayload = (text: string) => Buffer.from(deflateSync(text).toString('base64'))
const jsonOf = (row: Uint8Array) => codec().decode(row)

function formatOf(vector: RowVector): BeakerFormat & { cipher?: BeakerCipher } {
  const { version, container, serializer, encryptKey, validateKey, cryptoType, nonceBits = 128 } = vector
  if (encryptKey === undefined || validateKey === undefined || cryptoType === undefined) {
    return { version, container, serializer }
  }
  return {
    version,
    container,
    serializer,
    cipher: beakerCipher({ encryptKey, validateKey, cryptoType, nonceBits }),
  }
}

function payloadOf(vector: RowVector): Buffer {
  if (vector.row !== undefined) return Buffer.from(vector.row, 'base64')
  const verified = beakerSigner([vector.validateKey ?? '']).verify(vector.cookie ?? '')
  return Buffer.from(verified?.text ?? '')
}

function foreign(coder: Codec<unknown>, row: Uint8Array): ForeignSession {
  try {
    coder.decode(row)
  } catch (error) {
    if (error instanceof ForeignSession) return error
    throw error
  }
  throw new Error('no ForeignSession')
}

/** Decoded values, thawed. */
function contents(coder: Codec<unknown>, values: ReadonlyMap<string, unknown>): Map<string, unknown> {
  return new Map(Array.from(values, ([key, encoded]) => [key, coder.thaw(encoded)]))
}

describe('a session that Beaker stored', () => {
  const stored = rows
    .filter((vector) => vector.tooLong === undefined)
    .map((vector) => [vector.id, vector] as const)

  it.each(stored)('is read: %s', (_, vector) => {
    const coder = codec(formatOf(vector))
    const document = coder.decode(payloadOf(vector))
    const data = splitJson(vector.data, 'python')
    expect(contents(coder, document.values)).toEqual(
      new Map(Array.from(data, ([key, text]) => [key, pickledInts(vector, text)])),
    )
    expect(document).toMatchObject({
      created: 1_700_000_000_125,
      accessed: 1_700_000_000_125,
      path: '/',
      domain: null,
    })
    expect(document.id).toBe(vector.container === 'cookie' ? vector.sessionId : undefined)
  })

  it.each(stored)('is written back without a loss: %s', (_, vector) => {
    const coder = codec(formatOf(vector))
    const document = coder.decode(payloadOf(vector))
    const again = coder.encode(document)
    expect(coder.decode(again)).toEqual(document)
    if (vector.flags !== undefined) expect(memcachedFlags(again)).toBe(vector.flags)
  })

  it.each(stored)('has no value that counts as changed when it was only read: %s', (_, vector) => {
    const coder = codec(formatOf(vector))
    for (const [key, encoded] of coder.decode(payloadOf(vector)).values) {
      expect(coder.same(encoded, coder.freeze(key, coder.thaw(encoded)))).toBe(true)
    }
  })

  it('keeps the text of JSON values as it is', () => {
    const vector = rows.find(({ id }) => id === '1.14dev/file-json-rich')
    if (vector === undefined) throw new Error('no such vector')
    const { values } = codec(formatOf(vector)).decode(payloadOf(vector))
    expect(values).toEqual(splitJson(vector.data, 'python'))
  })

  /** An int beyond 2**53 is a bigint when it comes from a pickle, and the nearest number when it comes from JSON. */
  function pickledInts(vector: RowVector, text: string): unknown {
    const pickled =
      vector.serializer === 'pickle' || (vector.version === '1.11' && vector.container !== 'cookie')
    return pickled && /^\d{16,}$/.test(text) ? BigInt(text) : thawPythonJson(text)
  }
})

describe('a payload of Python JSON', () => {
  it.each(
    payloads.filter(({ json_text }) => json_text !== undefined).map((vector) => [vector.id, vector] as const),
  )('is read: %s', (_, { payload = '', json_text = '' }) => {
    expect(jsonOf(Buffer.from(payload)).values).toEqual(splitJson(json_text, 'python'))
  })

  it.each(['bad-gzip', 'bad-trunc', 'bad-json', 'json-null', 'bad-utf8'])('is corrupt: %s', (id) => {
    const { payload = '' } = payloads.find((vector) => vector.id === id) ?? {}
    expect(() => jsonOf(Buffer.from(payload))).toThrow(CorruptSession)
  })

  it.each(['whitespace', 'b64-nopad', 'b64-junk'])('is read as leniently as Python does: %s', (id) => {
    const { payload = '' } = payloads.find((vector) => vector.id === id) ?? {}
    expect(jsonOf(Buffer.from(payload)).values.size).toBeGreaterThan(0)
  })

  it('inflates to a bounded size', () => {
    const bomb = toPayload(`{"a": "${'x'.repeat(17 * 1024 * 1024)}"}`)
    expect(() => jsonOf(bomb)).toThrow(new CorruptSession('more than 16777216 bytes when inflated'))
    expect(() => codec({ maxInflated: 100 }).decode(toPayload(`{"a": "${'x'.repeat(101)}"}`))).toThrow(
      new CorruptSession('more than 100 bytes when inflated'),
    )
  })

  it('may be large', () => {
    const text = `{"blob": "${Array.from({ length: 20_000 }, (_, n) => (n * 7919).toString(36)).join('')}"}`
    expect(jsonOf(toPayload(text)).values).toEqual(splitJson(text, 'python'))
  })
})

describe('a value in Python JSON', () => {
  const { freeze, thaw, same } = codec()

  it('is written as json.dumps writes it', () => {
    expect(freeze('k', { a: [1, 1.5, 'é\u{1f600}\x7f', null, true], b: {} })).toBe(
      '{"a": [1, 1.5, "\\u00e9\\ud83d\\ude00\\u007f", null, true], "b": {}}',
    )
    expect(freeze('k', [1e16, 1e21, 1e-5, 1e-4, 1.5e-7, -0, 2 ** 53, Number.NaN, -Infinity])).toBe(
      '[1e+16, 1e+21, 1e-05, 0.0001, 1.5e-07, -0.0, 9007199254740992.0, NaN, -Infinity]',
    )
  })

  it('may be NaN or infinite, and comes back so', () => {
    const value = { a: [Number.NaN, Number.POSITIVE_INFINITY, 'NaN'], n: Number.POSITIVE_INFINITY }
    const encoded = freeze('k', value)
    expect(thaw(encoded)).toEqual({
      a: [Number.NaN, Number.POSITIVE_INFINITY, 'NaN'],
      n: Number.POSITIVE_INFINITY,
    })
    expect(same(encoded, freeze('k', thaw(encoded)))).toBe(true)
  })

  it('loses digits of an integer beyond 2**53 when it is read, and keeps them while it is not changed', () => {
    const stored = '{"id": 12345678901234567890, "nan": NaN}'
    expect(thaw(stored)).toEqual({ id: 12345678901234567000, nan: Number.NaN })
    expect(same(stored, freeze('k', thaw(stored)))).toBe(true)
  })

  it('is no bigint, Map or bytes', () => {
    expect(() => freeze('k', { n: 1n })).toThrow(new UnstorableValue('k.n', 'a bigint; store its text'))
    expect(() => freeze('k', Buffer.of(1))).toThrow(
      new UnstorableValue('k', 'bytes; store their base64 text'),
    )
  })
})

describe('a value in a pickle', () => {
  const { freeze, thaw, same } = codec({ serializer: 'pickle' })

  it('may be a bigint, bytes or a Map', () => {
    const value = { n: 2n ** 70n, bytes: Buffer.of(0, 255), counts: new Map([[7, 1]]) }
    expect(thaw(freeze('k', value))).toEqual(value)
    expect(same(freeze('k', value), freeze('k', value))).toBe(true)
  })

  it('is taken over, not shared', () => {
    const list = [Buffer.of(1)]
    const encoded = freeze('k', list)
    list[0]?.fill(9)
    expect(thaw(encoded)).toEqual([Buffer.of(1)])
    ;(thaw(encoded) as Buffer[])[0]?.fill(9)
    expect(thaw(encoded)).toEqual([Buffer.of(1)])
  })
})

describe("Beaker's own keys", () => {
  it.each(['_accessed_time', '_creation_time', '_domain', '_path', '_id'])(
    'are none of the app: %s',
    (key) => {
      expect(() => codec().freeze(key, 1)).toThrow(
        new UnstorableValue(key, 'a key that Beaker keeps for itself'),
      )
    },
  )

  it('are written as Beaker writes them, times as floats', () => {
    const row = codec().encode({
      created: 1_700_000_000_000,
      accessed: 1_700_000_000_123.456,
      domain: null,
      path: '/x',
      id: 'abc',
      values: new Map([['a', '1']]),
    })
    expect(jsonOf(row)).toMatchObject({ created: 1_700_000_000_000, accessed: 1_700_000_000_123.456 })
    const dict = codec({ version: '1.11', container: 'redis' }).encode({
      created: 1_700_000_000_000,
      accessed: null,
      values: new Map(),
    })
    expect(readPickle(dict)).toEqual(new Map([['_creation_time', 1_700_000_000]]))
  })

  it('may be missing', () => {
    expect(jsonOf(toPayload('{"a": 1}'))).toEqual({
      created: null,
      accessed: null,
      values: new Map([['a', '1']]),
    })
  })

  it.each([
    '{"_accessed_time": "x"}',
    '{"_accessed_time": true}',
    '{"_creation_time": NaN}',
    '{"_creation_time": Infinity}',
    '{"_domain": 1}',
    '{"_path": []}',
    '{"_id": {}}',
  ])('are corrupt when they are of another type: %s', (text) => {
    expect(() => jsonOf(toPayload(text))).toThrow(CorruptSession)
  })

  it('come back to Python within a quarter of a microsecond', () => {
    for (let step = 0; step < 1000; step++) {
      const seconds = 1_700_000_000 + step * 0.001234567
      const document = jsonOf(toPayload(`{"_creation_time": ${seconds}}`))
      const back = document.created === null ? 0 : document.created / 1000
      expect(Math.abs(back - seconds)).toBeLessThanOrEqual(2 ** -22)
    }
  })

  it('of Beaker up to 1.13, when a session cookie expires, is dropped; the same name is data elsewhere', () => {
    const text = '{"_expires": true, "a": 1}'
    expect([...codec({ container: 'cookie' }).decode(toPayload(text)).values.keys()]).toEqual(['a'])
    expect([...jsonOf(toPayload(text)).values.keys()]).toEqual(['_expires', 'a'])
    const pickled =
      '}(X\x08\0\0\0_expirescdatetime\ndatetime\n(U\x0a\x07\xe4\x01\x02\x03\x04\x05\0\0\x06tRX\x01\0\0\0aK\x01u.'
    const cookie = Buffer.from(Buffer.from(pickled, 'latin1').toString('base64'))
    expect([...codec({ container: 'cookie', serializer: 'pickle' }).decode(cookie).values.keys()]).toEqual([
      'a',
    ])
    expect(foreign(codec(), cookie).readable?.values).toEqual(new Map([['a', '1']]))
  })
})

describe('a store that both kinds of Beaker wrote', () => {
  const document = {
    created: 1000,
    accessed: 2000,
    domain: null,
    path: '/',
    values: new Map<string, unknown>(),
  }
  const formats: Partial<BeakerFormat>[] = [
    { version: '1.11' },
    { version: '1.12', serializer: 'json' },
    { version: '1.12', serializer: 'pickle' },
  ]
  const value = { list: [1, 'é', null, true, 1.5], nested: { '': { b: [] } } }

  for (const container of ['file', 'redis', 'memcached'] as const) {
    for (const from of formats) {
      for (const to of formats) {
        it(`is read whatever is configured: ${container}, ${JSON.stringify(from)} as ${JSON.stringify(to)}`, () => {
          const writer = codec({ container, ...from })
          const reader = codec({ container, ...to })
          document.values.clear()
          document.values.set('k', writer.freeze('k', value))
          const read = reader.decode(writer.encode(document))
          expect(read).toMatchObject({ created: 1000, accessed: 2000, domain: null, path: '/' })
          expect(contents(reader, read.values)).toEqual(new Map([['k', value]]))
          const again = reader.decode(reader.encode(read))
          expect(contents(reader, again.values)).toEqual(new Map([['k', value]]))
        })
      }
    }
  }

  it('keeps int and float apart from JSON to pickle and back', () => {
    const reader = codec({ version: '1.11', container: 'redis' })
    const inner = '{"a": [1, 1.0, 12345678901234567890, NaN]}'
    const redis = codec({ container: 'redis' })
    const row = redis.encode({ ...document, values: new Map([['k', inner]]) })
    const back = redis.decode(reader.encode(reader.decode(row)))
    expect(back.values).toEqual(new Map([['k', inner]]))
  })

  it('is left alone where JSON can not hold what was pickled', () => {
    const writer = codec({ serializer: 'pickle' })
    const refusal = (value: unknown) =>
      foreign(codec(), writer.encode({ ...document, values: new Map([['k', writer.freeze('k', value)]]) }))
        .message
    expect(refusal(Buffer.of(1))).toBe('bytes, which JSON can not hold, at session key "k"')
    expect(refusal(new Map([[1, 2]]))).toBe(
      'a dict with keys that are no str, which JSON can not hold, at session key "k"',
    )
  })

  it('is empty, not corrupt, where a row holds no session', () => {
    const empty = { created: null, accessed: null, values: new Map() }
    expect(codec({ container: 'file' }).decode(Buffer.from('}.'))).toEqual(empty)
    expect(codec({ container: 'file' }).decode(Buffer.from('}U\x07sessionNs.'))).toEqual(empty)
    expect(codec({ container: 'redis' }).decode(Buffer.from('N.'))).toEqual(empty)
    expect(codec({ container: 'redis' }).decode(Buffer.from('}.'))).toEqual(empty)
  })
})

describe('a row that is no session', () => {
  it.each<[BeakerContainer, string]>([
    ['file', ''],
    ['file', ']\x2e'],
    ['file', 'U\x03abc.'],
    ['file', '}U\x07sessionK\x01s.'],
    ['file', '}U\x07session]s.'],
    ['file', '}U\x07sessionU\x03abcs.'],
    ['redis', 'K\x01.'],
    ['redis', 'U\x04XS4=.'],
    ['memcached', ''],
    ['memcached', 'abc'],
    ['memcached', '\xff'],
    ['cookie', 'XS4='],
  ])('is corrupt: %s %j', (container, text) => {
    expect(() => codec({ container }).decode(Buffer.from(text, 'latin1'))).toThrow(CorruptSession)
  })

  it('is left alone when it holds a Python object, which is named, and can be read in part', () => {
    const pickled = '}U\x07session}(U\x01aK\x01U\x01xcdatetime\ndate\n(tRU\x0e_creation_timeK\x01us.'
    const error = foreign(codec({ container: 'file' }), Buffer.from(pickled, 'latin1'))
    expect(error.message).toBe('a Python object (datetime.date), at session key "x"')
    expect(error.readable).toEqual({ created: 1000, accessed: null, values: new Map([['a', '1']]) })
  })

  it.each<[BeakerContainer, string, string]>([
    ['file', 'cposix\nsystem\n(U\x04echotR.', 'a Python object (posix.system) in place of a session'],
    [
      'file',
      '}U\x07sessioncposix\nsystem\n(U\x04echotRs.',
      'a Python object (posix.system) in place of a session',
    ],
    ['redis', 'cmyapp\nSession\n)\x81}b.', 'a Python object (myapp.Session) in place of a session'],
    ['file', '}(U\x07session}U\x05other}u.', 'more than a session in one row'],
    ['redis', '}K\x01K\x02s.', 'a session key that is no str'],
    ['redis', '}q\0U\x01ah\0s.', 'something that contains itself, at session key "a"'],
  ])('is left alone when there is no telling: %s %j', (container, text, message) => {
    expect(foreign(codec({ container }), Buffer.from(text, 'latin1')).message).toBe(message)
  })
})

describe('with encrypt_key', () => {
  const cipher = beakerCipher({ encryptKey: 'enckey', validateKey: 'valkey', cryptoType: 'cryptography' })
  const document = { created: 1000, accessed: 2000, values: new Map<string, unknown>([['a', '1']]) }

  it('a row that is not encrypted is corrupt, in either format', () => {
    for (const version of ['1.11', '1.12'] as const) {
      const plain = codec({ container: 'file', version })
      const values = new Map([['a', plain.freeze('a', 1)]])
      const row = plain.encode({ ...document, values })
      expect(() => codec({ container: 'file', cipher }).decode(row)).toThrow(CorruptSession)
    }
  })

  it('Beaker 1.11 writes the same as later ones', () => {
    const row = codec({ container: 'file', version: '1.11', cipher }).encode(document)
    expect(codec({ container: 'file', cipher }).decode(row)).toEqual(document)
  })
})
