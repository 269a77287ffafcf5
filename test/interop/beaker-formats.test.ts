// Our formats against real Python: pickle, json, zlib and base64 of the standard library, sessions and ciphers of Beaker.
// Needs a Python 3 with Beaker, pycryptodomex and cryptography (Debian: python3-beaker python3-cryptography).

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Codec, Document } from '../../src/session/codec.js'
import { decodeBase64 } from '../../src/session/codecs/beaker-base64.js'
import { type BeakerCipherOptions, beakerCipher } from '../../src/session/codecs/beaker-cipher.js'
import { beakerSeal, beakerSigner } from '../../src/session/codecs/beaker-cookie.js'
import { beakerCodec } from '../../src/session/codecs/beaker-row.js'
import { readPickle } from '../../src/session/codecs/pickle-read.js'
import { writePickle } from '../../src/session/codecs/pickle-write.js'
import { readPythonJson, writePythonJson } from '../../src/session/codecs/python-json.js'
import { freezePython, PythonTuple, type PythonValue } from '../../src/session/codecs/python-value.js'
import { anyText, pythonValue } from '../session/codecs/arbitraries.js'

type Tagged = [tag: string, value: unknown]
type Request = [operation: string, argument: unknown]

const SCRIPT = fileURLToPath(new URL('beaker_formats.py', import.meta.url))

const NEEDED = 'import beaker.session, cryptography, Cryptodome.Cipher.AES'

/** A Python that has what is needed: Debian's, or the first of PATH. Without one CI fails, and others skip. */
const python = ['/usr/bin/python3', 'python3'].find((path) => spawnSync(path, ['-c', NEEDED]).status === 0)
const skipped = python === undefined && process.env.CI !== 'true'

function ask(requests: readonly Request[]): unknown[] {
  const { stdout, stderr, status } = spawnSync(python ?? 'python3', ['-W', 'ignore', SCRIPT], {
    input: JSON.stringify(requests),
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as unknown[]
}

/** `make`, called when it is first needed. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined
  return () => {
    made ??= { value: make() }
    return made.value
  }
}

/** As show() of beaker_formats.py. */
function show(value: PythonValue): Tagged {
  if (value === null || typeof value === 'boolean') return ['const', value]
  if (typeof value === 'bigint') return ['int', String(value)]
  if (typeof value === 'string') return ['str', Buffer.from(value, 'utf16le').swap16().toString('hex')]
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(8)
    bytes.writeDoubleBE(value)
    return ['float', bytes.toString('hex')]
  }
  if (value instanceof Uint8Array) return ['bytes', Buffer.from(value).toString('hex')]
  if (Array.isArray(value)) return ['list', value.map(show)]
  if (value instanceof PythonTuple) return ['tuple', value.items.map(show)]
  if (value instanceof Map) return ['dict', Array.from(value, ([key, member]) => [show(key), show(member)])]
  throw new Error(String(value))
}

/** The members of a shown dict, by name. */
function members(shown: unknown): Record<string, unknown> {
  const [, entries] = shown as [string, [[string, string], unknown][]]
  return Object.fromEntries(
    entries.map(([[, key], value]) => [Buffer.from(key, 'hex').swap16().toString('utf16le'), value]),
  )
}

const values = fc.sample(pythonValue, { numRuns: 400, seed: 7 })
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

/** What an app keeps in a session that every serializer holds. */
const data: Readonly<Record<string, unknown>> = {
  user: 'Jürgen 漢字 \u{1f600}',
  n: 2 ** 40,
  price: 9.75,
  flags: [true, null, { a: {} }],
  odd: '\u2028"\\\u0000',
}
const created = 1_700_000_000_125
const accessed = 1_700_000_010_500
const sessionId = 'abcdef0123456789abcdef0123456789'

function documentOf(codec: Codec<unknown>, id?: string): Document<unknown> {
  const frozen = Object.entries(data).map(([key, value]) => [key, codec.freeze(key, value)] as const)
  return { created, accessed, domain: null, path: '/', id, values: new Map(frozen) }
}

/** The same as Python sees it, each member shown. */
function dictOf(id?: string): Record<string, Tagged> {
  const dict: Record<string, unknown> = {
    _domain: null,
    _path: '/',
    ...(id === undefined ? {} : { _id: id }),
  }
  Object.assign(dict, { _accessed_time: accessed / 1000, _creation_time: created / 1000, ...data })
  return Object.fromEntries(Object.entries(dict).map(([key, value]) => [key, show(freezePython(value))]))
}

function thawAll(codec: Codec<unknown>, document: Document<unknown>): Record<string, unknown> {
  return Object.fromEntries(Array.from(document.values, ([key, value]) => [key, codec.thaw(value)]))
}

describe.skipIf(skipped)(
  'beside a real Python (python3-beaker, python3-cryptography, python3-pycryptodome)',
  () => {
    describe('pickles', () => {
      it('that we write, Python reads as what they were', () => {
        const answers = ask(values.map((value) => ['unpickle', base64(writePickle(value))]))
        expect(answers).toEqual(values.map(show))
      })

      it('of every protocol that Python writes, we read as what they were', () => {
        const answers = ask(values.map((value) => ['pickle', show(value)])) as string[][]
        for (const [index, pickles] of answers.entries()) {
          for (const pickle of pickles) {
            expect(show(readPickle(Buffer.from(pickle, 'base64')))).toEqual(show(values[index] ?? null))
          }
        }
      })

      it('of protocol 0 mean the same to both, whatever their escapes', () => {
        const lines = fc.sample(fc.stringMatching(/^(?:\\|u|U|x|0|4|1|é|n|'|a){0,12}$/), {
          numRuns: 300,
          seed: 7,
        })
        const pickles = lines
          .flatMap((line) => [`V${line}\n.`, `S'${line}'\n.`])
          .map((text) => Buffer.from(text, 'latin1'))
        const answers = ask(pickles.map((pickle) => ['unpickle', base64(pickle)]))
        for (const [index, answer] of answers.entries()) {
          const pickle = pickles[index] ?? Buffer.alloc(0)
          if (Array.isArray(answer))
            expect([String(pickle), show(readPickle(pickle))]).toEqual([String(pickle), answer])
        }
      })
    })

    describe('JSON', () => {
      const texts = values.flatMap((value) => {
        try {
          return [{ value, text: writePythonJson(value) }]
        } catch {
          return []
        }
      })

      it('is written as json.dumps writes it, to the letter', () => {
        expect(texts.length).toBeGreaterThan(100)
        const answers = ask(texts.map(({ value }) => ['json_dumps', show(value)]))
        expect(answers).toEqual(texts.map(({ text }) => text))
      })

      it('is read as json.loads reads it', () => {
        const answers = ask(texts.map(({ text }) => ['json_loads', text]))
        expect(texts.map(({ text }) => show(readPythonJson(text)))).toEqual(answers)
      })

      it('has floats as repr() shows them', () => {
        const floats = fc.sample(fc.double(), { numRuns: 3000, seed: 7 })
        const near = [1e-4, 9.999e-5, 1e15, 1e16, 9999999999999998, 1.5e300, 5e-324, 123456.789e3, 0.1 + 0.2]
        const answers = ask([...floats, ...near].map((float) => ['json_dumps', show(float)]))
        expect([...floats, ...near].map(writePythonJson)).toEqual(answers)
      })
    })

    describe('base64', () => {
      it('is read, or refused, as base64.b64decode does', () => {
        const texts = fc.sample(fc.stringMatching(/^(?:[AQgw4/+]|=|-|_|!|\n){0,14}$/), {
          numRuns: 2000,
          seed: 7,
        })
        const answers = ask(texts.map((text) => ['b64decode', text]))
        for (const [index, answer] of answers.entries()) {
          const text = texts[index] ?? ''
          if (typeof answer === 'string')
            expect([text, decodeBase64(text).toString('hex')]).toEqual([text, answer])
          else expect(() => decodeBase64(text)).toThrow('base64 without its padding')
        }
      })
    })

    describe('Beaker', () => {
      const serializers = ['json', 'pickle'] as const
      const ciphers: (BeakerCipherOptions | undefined)[] = [
        undefined,
        ...(['pycrypto', 'nss', 'cryptography'] as const).flatMap((cryptoType) =>
          [0, 48, 128].map((nonceBits) => ({
            encryptKey: 'enckey',
            validateKey: 'valkey',
            cryptoType,
            nonceBits,
          })),
        ),
      ]
      const seal = beakerSeal(beakerSigner(['valkey']))
      const setups = ciphers.flatMap((keys) =>
        serializers.map((serializer) => {
          const cipher = keys === undefined ? undefined : beakerCipher(keys)
          const codec = beakerCodec({
            serializer,
            version: '1.12',
            container: 'cookie',
            cipher,
          }) as Codec<unknown>
          return {
            title: `${serializer}, ${keys?.cryptoType ?? 'plain'} ${keys?.nonceBits ?? ''}`,
            keys,
            serializer,
            codec,
          }
        }),
      )
      /** All setups in one Python: what it reads of ours, what it writes, and a cookie of ours with one more member. */
      const answers = once(() => {
        const dict = ['dict', Object.entries(dictOf()).map(([key, value]) => [show(key), value])]
        const requests = setups.map(({ keys, serializer, codec }): Request[] => {
          const encryption = {
            encrypt_key: keys?.encryptKey,
            crypto_type: keys?.cryptoType,
            encrypt_nonce_bits: keys?.nonceBits,
          }
          const options = { validate_key: 'valkey', data_serializer: serializer, ...encryption }
          const cookie = seal.seal(codec.encode(documentOf(codec, sessionId)))
          return [
            ['decrypt', { options, text: String(codec.encode(documentOf(codec))) }],
            ['encrypt', { options, dict }],
            ['cookie', { options, cookie, set: [['count', show(5n)]] }],
          ]
        })
        const flat = ask(requests.flat())
        return setups.map((_, index) => flat.slice(index * 3, index * 3 + 3))
      })

      describe.each(setups.map((setup, index) => ({ ...setup, index })))(
        'with $title',
        ({ codec, index }) => {
          it('reads what we write', () => {
            expect(members(answers()[index]?.[0])).toEqual(dictOf())
          })

          it('writes what we read', () => {
            const document = codec.decode(Buffer.from(String(answers()[index]?.[1])))
            expect(document).toMatchObject({ created, accessed, domain: null, path: '/' })
            expect(thawAll(codec, document)).toEqual(data)
          })

          it('shares a session cookie with us', () => {
            const answer = answers()[index]?.[2] as { is_new: boolean; dict: unknown; cookie: string }
            expect(answer.is_new).toBe(false)
            expect(members(answer.dict)).toMatchObject({
              ...dictOf(sessionId),
              _accessed_time: expect.anything(),
            })
            const document = codec.decode(seal.open(answer.cookie)?.row ?? Buffer.alloc(0))
            expect(document).toMatchObject({ id: sessionId, created, domain: null, path: '/' })
            expect(thawAll(codec, document)).toEqual({ ...data, count: 5 })
          })
        },
      )
    })

    describe('a file store of Beaker 1.11', () => {
      it.each([false, true])('is shared; encrypted: %s', (encrypted) => {
        const directory = mkdtempSync(join(tmpdir(), 'sessd-beaker-'))
        const file = join(directory, 'container_file', 'a', 'ab', `${sessionId}.cache`)
        const keys = { encryptKey: 'enckey', validateKey: 'valkey', cryptoType: 'cryptography' } as const
        const cipher = encrypted ? beakerCipher(keys) : undefined
        const codec = beakerCodec({
          serializer: 'json',
          version: '1.11',
          container: 'file',
          cipher,
        }) as Codec<unknown>
        const options = {
          id: sessionId,
          type: 'file',
          data_dir: directory,
          data_serializer: 'json',
          ...(encrypted
            ? { encrypt_key: 'enckey', validate_key: 'valkey', crypto_type: 'cryptography' }
            : {}),
        }
        try {
          mkdirSync(join(file, '..'), { recursive: true })
          writeFileSync(file, codec.encode(documentOf(codec)))
          const [answer] = ask([['file', { options, set: [['count', show(5n)]] }]]) as [
            { is_new: boolean; dict: unknown },
          ]
          expect(answer.is_new).toBe(false)
          expect(members(answer.dict)).toMatchObject({ ...dictOf(), _accessed_time: expect.anything() })
          expect(thawAll(codec, codec.decode(readFileSync(file)))).toEqual({ ...data, count: 5 })
        } finally {
          rmSync(directory, { recursive: true })
        }
      })
    })

    describe('signatures', () => {
      it('are those of Beaker, in both directions', () => {
        const secret = 'golden-secret-é'
        const signer = beakerSigner([secret])
        const texts = fc.sample(anyText, { numRuns: 100, seed: 7 })

        const clean = texts.filter((text) => !/^$|^"|"$|[\ud800-\udfff]/u.test(text))
        expect(ask(clean.map((text) => ['sign', { secret, text }]))).toEqual(clean.map(signer.sign))
        const signed = clean.map(signer.sign)
        expect(ask(signed.map((value) => ['verify', { secret, value }]))).toEqual(clean)
        const changed = signed.map(
          (value, index) => `${value.slice(0, index % 40)}x${value.slice((index % 40) + 1)}`,
        )
        expect(ask(changed.map((value) => ['verify', { secret, value }]))).toEqual(changed.map(() => null))
        expect(changed.map(signer.verify)).toEqual(changed.map(() => null))
      })
    })
  },
)
