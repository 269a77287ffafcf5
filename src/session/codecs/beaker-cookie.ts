// The values of Beaker's cookies: hex HMAC-SHA1 of a text, then the text, with nothing between. The text is a session id,
// or with `type = cookie` the session itself (a row of the container `cookie`).

import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import { isId } from '../id.js'
import { ownText, SeenValues } from '../seen-values.js'
import type { Signer, Verified } from '../signer.js'
import type { CookieSeal } from './sealed-cookie.js'

/** How long the session in a cookie may be; Beaker does not count the 40 characters of the signature, nor the name. */
export const BEAKER_COOKIE_LIMIT = 4064

const SIGNATURE_LENGTH = 40

export interface BeakerSigner {
  sign(text: string): string
  /** The text of a cookie value, or null when none of the keys signed it. Quotes around it are dropped. */
  verify(value: string): SignedText | null
}

export interface SignedText {
  readonly text: string
  /** Signed with a key that is no longer the first. */
  readonly outdated: boolean
}

/** Signs with the first key (`secret`, or `validate_key` for `type = cookie`); the others are still good for reading. */
export function beakerSigner(keys: readonly [string, ...string[]]): BeakerSigner {
  const secrets = keys.map((key) => createSecretKey(key, 'utf8'))
  const signatures = secrets.map(
    (secret) => (text: string) => createHmac('sha1', secret).update(text).digest('hex'),
  )

  return {
    sign: (text) => signatures[0]!(text) + text,
    verify(value) {
      const signed = unquote(value)
      if (signed.length <= SIGNATURE_LENGTH) return null
      const given = Buffer.from(signed.slice(0, SIGNATURE_LENGTH))
      if (given.length !== SIGNATURE_LENGTH) return null
      const text = signed.slice(SIGNATURE_LENGTH)
      const index = signatures.findIndex((signature) => timingSafeEqual(given, Buffer.from(signature(text))))
      return index === -1 ? null : { text, outdated: index > 0 }
    },
  }
}

/** The same for session ids, and for nothing that is no id of a store. */
export function beakerIdSigner(keys: readonly [string, ...string[]]): Signer {
  const signer = beakerSigner(keys)
  const seen = new SeenValues<Verified>()

  return {
    sign: signer.sign,
    verify(value) {
      const known = seen.get(value)
      if (known !== undefined) return known
      const signed = signer.verify(value)
      if (signed === null || !isId(signed.text)) return null
      const verified: Verified = { id: ownText(signed.text), stale: signed.outdated }
      // Others are the same with quotes around, any number of them.
      if (value.length === SIGNATURE_LENGTH + verified.id.length) seen.set(ownText(value), verified)
      return verified
    },
  }
}

/** Python's `strip('"')`. */
function unquote(value: string): string {
  let start = 0
  let end = value.length
  while (value[start] === '"') start++
  while (end > start && value[end - 1] === '"') end--
  return value.slice(start, end)
}

/** The session of one cookie is too long for Beaker, whatever the browser would say. */
export class CookieTooLong extends RangeError {
  override readonly name = 'CookieTooLong'
  /** In characters, as is `limit`. */
  readonly length: number
  readonly limit: number

  constructor(length: number, limit: number) {
    super(`a session of ${length} characters does not fit into a cookie of ${limit}`)
    this.length = length
    this.limit = limit
  }
}

/** `type = cookie`: signed rows of the container `cookie`. `seal` throws CookieTooLong where Beaker raises. */
export function beakerSeal(signer: BeakerSigner): CookieSeal {
  return {
    seal(row) {
      const text = Buffer.from(row).toString('latin1')
      if (text.length > BEAKER_COOKIE_LIMIT) throw new CookieTooLong(text.length, BEAKER_COOKIE_LIMIT)
      return signer.sign(text)
    },
    open(value) {
      const verified = signer.verify(value)
      return verified === null ? null : { row: Buffer.from(verified.text), outdated: verified.outdated }
    },
  }
}
