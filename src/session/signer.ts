// The id cookie: which ids did we hand out? A value is `<id>.<HMAC-SHA256 of name and id>`. The signature covers the
// cookie's name, so a value that was signed for one filter means nothing to another with the same secret.

import { createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import { HmacSha256 } from './hmac.js'
import { isId } from './id.js'
import { ownText, SeenValues } from './seen-values.js'

export interface Verified {
  readonly id: string
  /** Signed with an older secret: sign it anew when a cookie goes out anyway. */
  readonly stale: boolean
}

/** Turns ids into cookie values and back. The first secret signs, all of them verify. */
export interface Signer {
  /** Throws TypeError for what is no id. */
  sign(id: string): string
  /** null: not ours, whatever the reason. */
  verify(value: string): Verified | null
}

/**
 * Signs for the cookie `name`. Keys are derived from the secrets by HKDF-SHA256, so that the same secret can serve
 * encryption too. Every value has exactly one valid spelling: signatures are compared as text.
 */
export function makeSigner(name: string, secrets: readonly string[]): Signer {
  const prefix = Buffer.from(`${name}=`)
  const macs = secrets.map((secret) => new HmacSha256(deriveKey(secret, 'sessd id cookie'), prefix, MAX_ID))
  const seen = new SeenValues<Verified>()

  return {
    sign(id) {
      // Of another text the bytes that are signed could be those of an id.
      if (!isId(id)) throw new TypeError('no id of a session: 1 to 128 letters, digits, - and _')
      return `${id}.${macs[0]!.ofText(id)}`
    },
    verify(value) {
      const known = seen.get(value)
      if (known !== undefined) return known
      const dot = value.length - 44
      if (dot < 1 || value.charCodeAt(dot) !== 46) return null
      const id = value.slice(0, dot)
      if (!isId(id)) return null
      const given = value.slice(dot + 1)
      for (const [index, mac] of macs.entries()) {
        if (!sameText(given, mac.ofText(id))) continue
        const own = ownText(value)
        // The id as a text of its own, too: as a piece of another it would be compared slowly, at each look into a store.
        const verified: Verified = { id: ownText(id), stale: index > 0 }
        seen.set(own, verified)
        return verified
      }
      return null
    },
  }
}

/** As long as an id can be. */
const MAX_ID = 128

/** A key for one purpose from a secret of any length: HKDF-SHA256 (RFC 5869) without salt, `purpose` as info. */
export function deriveKey(secret: string, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', purpose, 32)))
}

/** Compares in a time that tells nothing about where the texts differ. */
export function sameText(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
