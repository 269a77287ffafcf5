import { describe, expect, it } from 'vitest'
import { CorruptSession } from '../../../src/session/codec.js'
import { decodeBase64 } from '../../../src/session/codecs/beaker-base64.js'
import { beakerCipher, type CryptoType } from '../../../src/session/codecs/beaker-cipher.js'

const keys = { encryptKey: 'enckey', validateKey: 'valkey' }
const types: CryptoType[] = ['pycrypto', 'nss', 'cryptography']

describe("Beaker's encryption", () => {
  for (const cryptoType of types) {
    it.each([0, 8, 16, 24, 48, 96, 128])(
      `of ${cryptoType} comes back with a nonce of %i bits`,
      (nonceBits) => {
        const cipher = beakerCipher({ ...keys, cryptoType, nonceBits })
        for (const text of ['', 'x', 'sixteen bytes!!!', 'é'.repeat(1000)]) {
          expect(cipher.decrypt(cipher.encrypt(Buffer.from(text))).toString()).toBe(text)
        }
      },
    )
  }

  it('never writes the same twice', () => {
    for (const cryptoType of types) {
      const cipher = beakerCipher({ ...keys, cryptoType })
      expect(cipher.encrypt(Buffer.from('x'))).not.toBe(cipher.encrypt(Buffer.from('x')))
    }
  })

  it('is corrupt with another key, where the mode can tell', () => {
    const text = beakerCipher({ ...keys, cryptoType: 'cryptography' }).encrypt(Buffer.from('x'))
    const other = beakerCipher({ ...keys, encryptKey: 'other', cryptoType: 'cryptography' })
    expect(() => other.decrypt(text)).toThrow(
      new CorruptSession('encrypted with another key or crypto_type, or changed'),
    )
  })

  it.each(['', 'x', 'AAAA', '!'.repeat(24), `${'A'.repeat(22)}==AAAA`, `${'A'.repeat(22)}==AAAAA`, 'é漢'])(
    'is corrupt when it is no such text: %j',
    (text) => {
      for (const cryptoType of ['nss', 'cryptography'] as const) {
        expect(() => beakerCipher({ ...keys, cryptoType }).decrypt(text)).toThrow(CorruptSession)
      }
    },
  )

  it('takes ASCII keys and whole bytes of nonce only', () => {
    const cipher = (options: object) => () => beakerCipher({ ...keys, cryptoType: 'nss', ...options })
    expect(cipher({ encryptKey: 'é' })).toThrow(new RangeError('encrypt_key: expected ASCII, as Beaker does'))
    expect(cipher({ validateKey: 'é' })).toThrow(
      new RangeError('validate_key: expected ASCII, as Beaker does'),
    )
    expect(cipher({ nonceBits: 12 })).toThrow(
      new RangeError('encrypt_nonce_bits: expected a multiple of 8, got 12'),
    )
  })
})

describe('base64', () => {
  it.each([
    ['', ''],
    ['YWJj', 'abc'],
    ['YWI=', 'ab'],
    ['YQ==', 'a'],
    ['YW\nJj', 'abc'],
    ['Y-W_J!j', 'abc'],
    ['YQ==YWJj', 'a'],
    ['YQ=!=', 'a'],
  ])('is read as Python reads it: %j', (text, bytes) => {
    expect(decodeBase64(text ?? '').toString()).toBe(bytes)
  })

  it.each(['Y', 'YQ', 'YQ=', 'YWJ', '=YQ', 'YWJjY', 'Y==='])('needs its padding: %j', (text) => {
    expect(() => decodeBase64(text)).toThrow(new CorruptSession('base64 without its padding'))
  })
})
