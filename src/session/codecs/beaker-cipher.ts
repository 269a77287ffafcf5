// Beaker's encryption of a session: a nonce as text, then the base64 of what one of three AES modes makes. Which mode
// is not written anywhere; both sides must be told the same `crypto_type`.

import { type CipherGCMTypes, createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto'
import { CorruptSession } from '../codec.js'
import { decodeBase64 } from './beaker-base64.js'

/** Beaker's names: AES-256-CTR, AES-256-CBC, AES-256-GCM. The first two notice no change by themselves. */
export type CryptoType = 'pycrypto' | 'nss' | 'cryptography'

export interface BeakerCipherOptions {
  /** ASCII. */
  readonly encryptKey: string
  /** ASCII; also the key that signs cookies. */
  readonly validateKey: string
  readonly cryptoType: CryptoType
  /** `encrypt_nonce_bits`, a multiple of 8: 128 by default, 48 before Beaker 1.8. */
  readonly nonceBits?: number
}

export interface BeakerCipher {
  encrypt(plain: Uint8Array): string
  /** Throws CorruptSession for a text that was not made with these keys, as far as the mode can tell. */
  decrypt(text: string): Buffer
}

interface Mode {
  encrypt(key: Buffer, plain: Uint8Array): Buffer
  decrypt(key: Buffer, data: Buffer): Buffer
}

const ZERO_IV = Buffer.alloc(16)
const GCM: CipherGCMTypes = 'aes-256-gcm'
const GCM_IV_BYTES = 12
const GCM_TAG_BYTES = 16

const MODES: Readonly<Record<CryptoType, Mode>> = {
  // A counter from zero is safe only because the key is new for each nonce; so is the zero IV of nss.
  pycrypto: {
    encrypt: (key, plain) => run(createCipheriv('aes-256-ctr', key, ZERO_IV), plain),
    decrypt: (key, data) => run(createDecipheriv('aes-256-ctr', key, ZERO_IV), data),
  },
  nss: {
    encrypt: (key, plain) => run(createCipheriv('aes-256-cbc', key, ZERO_IV), plain),
    decrypt: (key, data) => run(createDecipheriv('aes-256-cbc', key, ZERO_IV), data),
  },
  cryptography: {
    encrypt(key, plain) {
      const iv = randomBytes(GCM_IV_BYTES)
      const cipher = createCipheriv(GCM, key, iv)
      const data = run(cipher, plain)
      return Buffer.concat([iv, cipher.getAuthTag(), data])
    },
    decrypt(key, data) {
      const head = GCM_IV_BYTES + GCM_TAG_BYTES
      const decipher = createDecipheriv(GCM, key, data.subarray(0, GCM_IV_BYTES), {
        authTagLength: GCM_TAG_BYTES,
      })
      decipher.setAuthTag(data.subarray(GCM_IV_BYTES, head))
      return run(decipher, data.subarray(head))
    },
  },
}

function run(cipher: { update(data: Uint8Array): Buffer; final(): Buffer }, data: Uint8Array): Buffer {
  const start = cipher.update(data)
  return Buffer.concat([start, cipher.final()])
}

/** Throws RangeError, naming the option, for keys that are not ASCII and nonces that are no whole bytes. */
export function beakerCipher({
  encryptKey,
  validateKey,
  cryptoType,
  nonceBits = 128,
}: BeakerCipherOptions): BeakerCipher {
  requireAscii('encrypt_key', encryptKey)
  requireAscii('validate_key', validateKey)
  if (!Number.isInteger(nonceBits / 8) || nonceBits < 0) {
    throw new RangeError(`encrypt_nonce_bits: expected a multiple of 8, got ${nonceBits}`)
  }
  const mode = MODES[cryptoType]
  const nonceBytes = nonceBits / 8
  const nonceLength = (Math.floor((4 * nonceBytes) / 3) + 3) & ~3
  // The salt takes the nonce as it is written, in base64.
  const keyFor = (nonce: string) => pbkdf2Sync(encryptKey, validateKey + nonce, 1, 32, 'sha1')

  return {
    encrypt(plain) {
      const nonce = randomBytes(nonceBytes).toString('base64')
      return nonce + mode.encrypt(keyFor(nonce), plain).toString('base64')
    },
    decrypt(text) {
      const data = decodeBase64(text.slice(nonceLength))
      try {
        return mode.decrypt(keyFor(text.slice(0, nonceLength)), data)
      } catch {
        throw new CorruptSession('encrypted with another key or crypto_type, or changed')
      }
    },
  }
}

function requireAscii(option: string, key: string): void {
  if (!/^[\x00-\x7f]*$/.test(key)) throw new RangeError(`${option}: expected ASCII, as Beaker does`)
}
