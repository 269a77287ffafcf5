import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type Codec, CorruptSession, type Document, ForeignSession } from '../../../src/session/codec.js'
import { decodeBase64 } from '../../../src/session/codecs/beaker-base64.js'
import { beakerCipher } from '../../../src/session/codecs/beaker-cipher.js'
import { beakerSigner } from '../../../src/session/codecs/beaker-cookie.js'
import { type BeakerFormat, beakerCodec } from '../../../src/session/codecs/beaker-row.js'
import { splitJson } from '../../../src/session/codecs/json-text.js'
import { readPickle } from '../../../src/session/codecs/pickle-read.js'
import { writePickle } from '../../../src/session/codecs/pickle-write.js'
import { readPythonJson, writePythonJson } from '../../../src/session/codecs/python-json.js'
import {
  freezePython,
  MAX_VALUES,
  type PythonValue,
  requirePlain,
  thawPython,
} from '../../../src/session/codecs/python-value.js'
import { sealedCookie } from '../../../src/session/codecs/sealed-cookie.js'
import { sessdCodec } from '../../../src/session/codecs/sessd.js'
import { anyText, hashable, pythonValue } from './arbitraries.js'

const OWN = new Set(['_accessed_time', '_creation_time', '_domain', '_path', '_id', '_expires'])

const jsonValue = fc.jsonValue({ stringUnit: 'binary', noUnicodeString: false, maxDepth: 5 })
const key = anyText.filter((text) => !OWN.has(text))

/** From 2004 to 2036: there, seconds in a double name every millisecond exactly. */
const milliseconds = fc.integer({ min: 1_100_000_000_000, max: 2_100_000_000_000 })

const documents = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Document<T>> =>
  fc.record({
    created: fc.option(milliseconds),
    accessed: fc.option(milliseconds),
    domain: fc.option(anyText),
    path: fc.option(anyText),
    id: anyText,
    values: fc.array(fc.tuple(key, value), { maxLength: 6 }).map((entries) => new Map(entries)),
  })

/** A valid input with some bytes changed, put in or cut. */
const mutations = fc.array(
  fc.record({ at: fc.nat(), cut: fc.nat(4), put: fc.uint8Array({ maxLength: 4 }) }),
  { minLength: 1, maxLength: 4 },
)

function mutate(bytes: Uint8Array, changes: { at: number; cut: number; put: Uint8Array }[]): Buffer {
  let result = Buffer.from(bytes)
  for (const { at, cut, put } of changes) {
    const start = at % (result.length + 1)
    result = Buffer.concat([result.subarray(0, start), put, result.subarray(start + cut)])
  }
  return result
}

/** Runs `read`, which may refuse what it is given in the two ways that it promises, and in no other. */
function refusesAtMost<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof CorruptSession || error instanceof ForeignSession) return undefined
    throw error
  }
}

function roundTrip(codec: Codec<unknown>, document: Document<unknown>): void {
  const values = new Map(Array.from(document.values, ([name, value]) => [name, codec.freeze(name, value)]))
  const read = codec.decode(codec.encode({ ...document, values }))
  expect([...read.values.keys()]).toEqual([...values.keys()])
  for (const [name, encoded] of read.values) {
    expect(codec.same(encoded, values.get(name))).toBe(true)
    expect(codec.same(encoded, codec.freeze(name, codec.thaw(encoded)))).toBe(true)
  }
  expect({ ...read, values }).toEqual({ ...document, values })
}

/** Whatever was accepted can be thawed, frozen and written. */
function staysUsable(codec: Codec<unknown>, row: Uint8Array): void {
  const document = refusesAtMost(() => codec.decode(row))
  if (document === undefined) return
  for (const [name, encoded] of document.values) {
    expect(codec.same(encoded, codec.freeze(name, codec.thaw(encoded)))).toBe(true)
  }
  expect(codec.decode(codec.encode(document)).values).toEqual(document.values)
}

afterAll(() => {
  const probe: Record<string, unknown> = {}
  const seen: string[] = []
  for (const name in probe) seen.push(name)
  expect(seen).toEqual([])
})

describe('JSON text', () => {
  it('is cut exactly where JSON.parse accepts it', () => {
    fc.assert(
      fc.property(
        fc.dictionary(anyText, jsonValue, { noNullPrototype: true }),
        fc.boolean(),
        mutations,
        (value, spaced, changes) => {
          const whole = Buffer.from(JSON.stringify(value, null, spaced ? ' ' : ''))
          for (const text of [whole, mutate(whole, changes)].map(String)) {
            let parsed: unknown
            try {
              parsed = JSON.parse(text)
            } catch {
              expect(() => splitJson(text, 'strict')).toThrow(CorruptSession)
              continue
            }
            const members = refusesAtMost(() => splitJson(text, 'strict'))
            if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
              expect(members).toBeUndefined()
            } else if (members !== undefined) {
              const again = Array.from(members, ([name, raw]) => [name, JSON.parse(raw)])
              expect(Object.fromEntries(again)).toEqual(parsed)
            } else {
              // Refused for a number that JSON.parse makes infinite, which JSON.stringify writes as null.
              expect(JSON.stringify(parsed)).toContain('null')
            }
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('native rows', () => {
  it('come back', () => {
    fc.assert(fc.property(documents(jsonValue), (document) => roundTrip(sessdCodec, document)))
  })

  it('are read, or refused in the two ways promised, whatever happened to them', () => {
    fc.assert(
      fc.property(documents(jsonValue), mutations, (document, changes) => {
        const values = new Map(
          Array.from(document.values, ([name, value]) => [name, sessdCodec.freeze(name, value)]),
        )
        staysUsable(sessdCodec, mutate(sessdCodec.encode({ ...document, values }), changes))
      }),
      { numRuns: 500 },
    )
  })
})

describe('Python values', () => {
  it('come back from a pickle as they were', () => {
    fc.assert(
      fc.property(pythonValue, (value) => {
        expect(readPickle(writePickle(value))).toEqual(value)
      }),
      { numRuns: 500 },
    )
  })

  it('are the same after they were thawed, frozen and thawed', () => {
    fc.assert(
      fc.property(pythonValue, (value) => {
        const thawed = thawPython(value)
        expect(thawPython(freezePython(thawed))).toEqual(thawed)
      }),
    )
  })

  it('come back from JSON as Python would give them back', () => {
    fc.assert(
      fc.property(pythonValue, (value) => {
        const text = refusesAtMost(() => writePythonJson(value))
        if (text !== undefined) expect(writePythonJson(readPythonJson(text))).toBe(text)
      }),
    )
  })

  it('are read from any bytes, or refused in the two ways promised', () => {
    const opcodes = fc.constantFrom(
      ...Buffer.from('(.012abcdeghijlopqrstu]}){NRBCGFIJKLMQPSTUVX\x80\x81\x85\x88\x8c\x8f\x90\x93\x94'),
    )
    const attempt = (bytes: Uint8Array) => {
      const value = refusesAtMost(() => {
        const read = readPickle(bytes)
        requirePlain(read, { values: MAX_VALUES })
        return read
      })
      if (value !== undefined) expect(readPickle(writePickle(value))).toEqual(value)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt), { numRuns: 1000 })
    fc.assert(
      fc.property(fc.array(fc.oneof(opcodes, fc.nat(3)), { maxLength: 60 }), (codes) =>
        attempt(Uint8Array.from(codes)),
      ),
      {
        numRuns: 3000,
      },
    )
    fc.assert(
      fc.property(pythonValue, mutations, (value, changes) => attempt(mutate(writePickle(value), changes))),
      { numRuns: 1000 },
    )
  })
})

const cipher = beakerCipher({ encryptKey: 'enckey', validateKey: 'valkey', cryptoType: 'pycrypto' })
const formats: BeakerFormat[] = [
  { version: '1.12', serializer: 'json', container: 'file' },
  { version: '1.12', serializer: 'pickle', container: 'redis' },
  { version: '1.12', serializer: 'json', container: 'memcached', cipher },
  { version: '1.12', serializer: 'pickle', container: 'cookie', cipher },
  { version: '1.11', serializer: 'json', container: 'database' },
  { version: '1.11', serializer: 'pickle', container: 'memcached' },
]

describe.each(formats)('Beaker rows ($version $serializer $container)', (format) => {
  const codec: Codec<unknown> = beakerCodec(format)
  const value = fc.oneof(jsonValue, fc.double(), fc.array(fc.double()))

  it('come back', () => {
    fc.assert(
      fc.property(documents(value), (document) => roundTrip(codec, document)),
      { numRuns: 100 },
    )
  })

  it('are read, or refused in the two ways promised, whatever happened to them', () => {
    fc.assert(
      fc.property(documents(value), mutations, (document, changes) => {
        const values = new Map(
          Array.from(document.values, ([name, data]) => [name, codec.freeze(name, data)]),
        )
        staysUsable(codec, mutate(codec.encode({ ...document, values }), changes))
      }),
      { numRuns: 200 },
    )
  })
})

describe('Beaker rows inside base64', () => {
  it('are read, or refused in the two ways promised, whatever happened to them', () => {
    const codec: Codec<unknown> = beakerCodec({ version: '1.12', serializer: 'pickle', container: 'cookie' })
    fc.assert(
      fc.property(fc.array(fc.tuple(hashable, pythonValue)), mutations, (entries, changes) => {
        const pickle = writePickle(new Map<PythonValue, PythonValue>(entries))
        staysUsable(codec, Buffer.from(mutate(pickle, changes).toString('base64')))
      }),
      { numRuns: 500 },
    )
  })
})

describe('texts from outside', () => {
  const seals = [true, false].map((encrypt) => sealedCookie({ name: 'sid', secrets: ['s'], encrypt }))
  const signer = beakerSigner(['s'])

  it('open no cookie', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.base64String({ maxLength: 300 })), (text) => {
        for (const seal of seals) expect(seal.open(text)).toBeNull()
        expect(signer.verify(text)).toBeNull()
      }),
    )
  })

  it('are base64 or corrupt', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[AZaz09+/=_!-]{0,30}$/), (text) => {
        refusesAtMost(() => decodeBase64(text))
      }),
    )
  })
})
