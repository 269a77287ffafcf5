// Whose cookies and rows, under which keys: from settings to signers, seals and codecs.

import { OptionError } from '../config/errors.js'
import type { Codec } from '../session/codec.js'
import { type BeakerCipher, beakerCipher } from '../session/codecs/beaker-cipher.js'
import type { BeakerContainer } from '../session/codecs/beaker-container.js'
import { beakerSeal, beakerSigner } from '../session/codecs/beaker-cookie.js'
import { beakerCodec } from '../session/codecs/beaker-row.js'
import { type CookieSeal, sealedCookie } from '../session/codecs/sealed-cookie.js'
import { sealedRows } from '../session/codecs/sealed-rows.js'
import { sessdCodec } from '../session/codecs/sessd.js'
import type { SessionOptions } from './session-options.js'

/** The first key signs, the others are still good. */
export type Keys = readonly [string, ...string[]]

const name = (key: string) => `beaker.session.${key}`

/** Beaker's rule: a directory means files. */
export function storeType(given: SessionOptions): string {
  return given.type ?? (given.data_dir === undefined && given.file_dir === undefined ? 'memory' : 'file')
}

export function containerOf(given: SessionOptions): BeakerContainer {
  return CONTAINERS[storeType(given)] ?? 'memory'
}

/** How Beaker wraps a row in each type of store. */
const CONTAINERS: Readonly<Record<string, BeakerContainer>> = {
  file: 'file',
  'ext:database': 'database',
  database: 'database',
  'ext:sqla': 'sqla',
  sqla: 'sqla',
  'ext:redis': 'redis',
  'ext:rediscluster': 'rediscluster',
  'ext:memcached': 'memcached',
  memcached: 'memcached',
  'ext:mongodb': 'mongodb',
}

export function makeCodec(given: SessionOptions, container: BeakerContainer): Codec<unknown> | Codec<string> {
  const { format } = given
  if (format === 'sessd') {
    if (given.data_serializer === 'pickle') {
      throw new OptionError(
        name('data_serializer'),
        'format = sessd writes JSON: pickle needs format = beaker',
      )
    }
    if (given.encrypt_key === undefined || container === 'cookie') return sessdCodec
    return sealedRows(
      sessdCodec,
      sealedCookie({ name: 'row', secrets: encryptionKeys(given), encrypt: true }),
    )
  }
  return beakerCodec({
    serializer: given.data_serializer === 'json' ? 'json' : 'pickle',
    version: format === 'beaker' ? '1.12' : '1.11',
    container,
    cipher: makeBeakerCipher(given),
  }) as Codec<unknown>
}

export function makeSeal(given: SessionOptions): CookieSeal {
  if (given.format === 'sessd') {
    return given.encrypt_key === undefined
      ? sealedCookie({
          name: given.key,
          secrets: signingKeys(given),
          encrypt: false,
          deflateAbove: DEFLATE_ABOVE,
        })
      : sealedCookie({
          name: given.key,
          secrets: encryptionKeys(given),
          encrypt: true,
          deflateAbove: DEFLATE_ABOVE,
        })
  }
  if (given.validate_key === undefined) {
    throw new OptionError(name('validate_key'), 'missing: Beaker signs sessions of type = cookie with it')
  }
  return beakerSeal(beakerSigner([given.validate_key, ...given['secret.previous']]))
}

/** What fits into one cookie is left as it is: see docs/security.md about the length of compressed secrets. */
const DEFLATE_ABOVE = 2900

function makeBeakerCipher(given: SessionOptions): BeakerCipher | undefined {
  const { encrypt_key, validate_key, crypto_type, encrypt_nonce_bits } = given
  if (encrypt_key === undefined) return undefined
  if (validate_key === undefined) {
    throw new OptionError(name('validate_key'), 'missing: Beaker encrypts with it and encrypt_key together')
  }
  if (crypto_type === undefined || crypto_type === 'default') {
    throw new OptionError(
      name('crypto_type'),
      'expected pycrypto, nss or cryptography: Beaker takes what is installed, and only you know what that is ' +
        '(pycrypto also stands for pycryptodome and pycryptopp)',
    )
  }
  if (encrypt_nonce_bits % 8 !== 0) {
    throw new OptionError(name('encrypt_nonce_bits'), `expected a multiple of 8, got ${encrypt_nonce_bits}`)
  }
  return beakerCipher({
    encryptKey: encrypt_key,
    validateKey: validate_key,
    cryptoType: crypto_type,
    nonceBits: encrypt_nonce_bits,
  })
}

/** The key that signs, then those that are still good. */
export function signingKeys(given: SessionOptions): Keys {
  const first = given.type === 'cookie' ? (given.validate_key ?? given.secret) : given.secret
  if (first === undefined) {
    throw new OptionError(
      name('secret'),
      'missing: the key that signs cookies. `sessd secret` makes a good one',
    )
  }
  return [first, ...given['secret.previous']]
}

/** Both keys count: who has one of them alone can open nothing. */
function encryptionKeys(given: SessionOptions): Keys {
  const [first, ...previous] = signingKeys(given).map((key) => `${given.encrypt_key}\n${key}`)
  return [first!, ...previous]
}
