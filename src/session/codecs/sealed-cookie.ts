// Our own `type = cookie`: a row sealed into a cookie value. Opening says that we sealed it for this cookie name, and
// nothing about how old it is: that stands in the row, and whoever kept an old cookie can send it again.

import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { encryptedBox } from './encrypted-box.js'
import { signedBox } from './signed-box.js'

/** Turns rows into cookie values of `[A-Za-z0-9_-]` (Beaker's also `+/=`) and back. */
export interface CookieSeal {
  seal(row: Uint8Array): string
  /** The row, or null when the value was not made by `seal` with one of the keys. */
  open(value: string): OpenedCookie | null
}

export interface OpenedCookie {
  readonly row: Uint8Array
  /** Sealed with a key that is no longer the first. */
  readonly outdated: boolean
}

export interface SealedCookieOptions {
  /** The cookie's name: a value that is moved to another cookie does not open. */
  readonly name: string
  /** The first one seals, all of them open. Any text; keys are derived from it. */
  readonly secrets: readonly [string, ...string[]]
  /** Hide the row (AES-256-CTR and HMAC-SHA256), or only sign it (HMAC-SHA256). */
  readonly encrypt: boolean
  /**
   * Rows of more bytes than this are deflated; by default none. The length of a deflated cookie tells an eavesdropper who
   * can write into the session something about what else is in it.
   */
  readonly deflateAbove?: number | undefined
}

/** How many bytes a deflated row may inflate to. */
const MAX_INFLATED = 1024 * 1024

/** The first byte of what is sealed. */
const PLAIN = 0
const DEFLATED = 1

/** Derives all keys at once; sealing and opening are synchronous and derive nothing. */
export function sealedCookie({
  name,
  secrets,
  encrypt,
  deflateAbove = Number.POSITIVE_INFINITY,
}: SealedCookieOptions): CookieSeal {
  const makeBox = encrypt ? encryptedBox : signedBox
  const boxes = secrets.map((secret) => makeBox(secret, name))

  return {
    seal(row) {
      const deflated = row.length > deflateAbove
      return boxes[0]!.close(deflated ? DEFLATED : PLAIN, deflated ? deflateRawSync(row) : row)
    },
    open(value) {
      const sealed = Buffer.from(value, 'base64url')
      // Node drops what is no base64url; a changed value must not open because the change was dropped.
      if (sealed.toString('base64url') !== value) return null
      for (const [index, { open }] of boxes.entries()) {
        const row = rowOf(open(sealed))
        if (row !== null) return { row, outdated: index > 0 }
      }
      return null
    },
  }
}

/** The row in an opened body. */
function rowOf(body: Buffer | null): Buffer | null {
  if (body?.[0] === PLAIN) return body.subarray(1)
  if (body?.[0] !== DEFLATED) return null
  try {
    return inflateRawSync(body.subarray(1), { maxOutputLength: MAX_INFLATED })
  } catch {
    return null
  }
}
