import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import {
  BEAKER_COOKIE_LIMIT,
  beakerIdSigner,
  beakerSeal,
  beakerSigner,
  CookieTooLong,
} from '../../../src/session/codecs/beaker-cookie.js'
import { beakerCodec } from '../../../src/session/codecs/beaker-row.js'

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../fixtures/beaker/${name}`, import.meta.url), 'utf8')) as T
}

const { rows } = fixture<{ rows: Record<string, string>[] }>('rows.json')
const { signatures } = fixture<{
  signatures: { id: string; key: string; value: string; accepted: boolean }[]
}>('signatures.json')

describe("Beaker's id cookie", () => {
  const signed = rows.filter(({ secret }) => secret !== undefined)

  it.each(signed.map((row) => [row.id, row] as const))('is what Beaker sends: %s', (_, row) => {
    const { secret = '', cookie = '', sessionId = '' } = row
    const signer = beakerSigner([secret])
    expect(signer.sign(sessionId)).toBe(cookie)
    expect(signer.verify(cookie)).toEqual({ text: sessionId, outdated: false })
  })

  it.each(signatures.map((vector) => [vector.id, vector] as const))(
    'is judged as Beaker does: %s',
    (_, vector) => {
      expect(beakerSigner([vector.key]).verify(vector.value) !== null).toBe(vector.accepted)
    },
  )

  it('is refused after any change of one character', () => {
    const signer = beakerSigner(['secret'])
    const value = signer.sign('0123456789abcdef')
    for (let at = 0; at < value.length; at++) {
      for (const char of ['x', '0', 'F', '"', 'é', '\u{1f600}']) {
        const changed = value.slice(0, at) + char + value.slice(at + 1)
        if (changed !== value) expect(signer.verify(changed)).toBeNull()
      }
    }
    expect(signer.verify(value.toUpperCase())).toBeNull()
  })

  it('is signed with the first secret and read with all of them', () => {
    const old = beakerSigner(['old'])
    const both = beakerSigner(['new', 'old'])
    expect(both.verify(old.sign('id'))).toEqual({ text: 'id', outdated: true })
    expect(both.verify(both.sign('id'))).toEqual({ text: 'id', outdated: false })
    expect(old.verify(both.sign('id'))).toBeNull()
  })

  it('carries ids only, for a session that is looked up by it', () => {
    const signer = beakerIdSigner(['new', 'old'])
    const value = beakerSigner(['old']).sign('0123456789abcdef')
    for (let time = 0; time < 2; time++) {
      expect(signer.verify(value)).toEqual({ id: '0123456789abcdef', stale: true })
    }
    expect(signer.verify(signer.sign('ab_-9'))).toEqual({ id: 'ab_-9', stale: false })
    expect(signer.verify(signer.sign('../etc/passwd'))).toBeNull()
    expect(signer.verify(`x${value}`)).toBeNull()
  })

  it('is judged quickly, however many quotes it has', () => {
    expect(beakerSigner(['s']).verify(`x${'"'.repeat(200_000)}x`)).toBeNull()
    expect(beakerSigner(['s']).verify('"'.repeat(200_000))).toBeNull()
  })
})

describe("Beaker's session cookie", () => {
  const seal = beakerSeal(beakerSigner(['valkey']))

  it('comes back', () => {
    const value = seal.seal(Buffer.from('payload'))
    expect(value).toMatch(/^[0-9a-f]{40}payload$/)
    expect(seal.open(value)).toEqual({ row: Buffer.from('payload'), outdated: false })
    expect(seal.open(`${value}x`)).toBeNull()
  })

  it('is too long where Beaker says so: at 4065 characters without the signature', () => {
    expect(seal.seal(Buffer.alloc(BEAKER_COOKIE_LIMIT, 'x'))).toHaveLength(4104)
    expect(() => seal.seal(Buffer.alloc(4065, 'x'))).toThrow(new CookieTooLong(4065, 4064))
    const vector = rows.find(({ id }) => id === '1.14dev/cookie-json-toolong')
    const codec = beakerCodec({ serializer: 'json', version: '1.12', container: 'cookie' })
    const values = new Map(Object.entries(JSON.parse(vector?.data ?? '{}') as object))
    for (const [key, value] of values) values.set(key, codec.freeze(key, value))
    expect(() => seal.seal(codec.encode({ created: 0, accessed: 0, values }))).toThrow(CookieTooLong)
  })
})
