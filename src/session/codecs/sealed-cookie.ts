// Our own `type = cookie`: a row sealed into a cookie value. Opening says that we sealed it for this cookie name, and
// nothing about how old it is: that stands in the row, and whoever kept an old cookie can send it again.

import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { HmacSha256 } from '../hmac.js'
import { RandomPool } from '../random-pool.js'

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
  /** Hide the row (AES-256-GCM), or only sign it (HMAC-SHA256). */
  readonly encrypt: boolean
  /**
   * Rows of more bytes than this are deflated; by default none. The length of a deflated cookie tells an eavesdropper who
   * can write into the session something about what else is in it.
   */
  readonly deflateAbove?: number | undefined
}

/** How many bytes a deflated row may inflate to. */
const MAX_INFLATED = 1024 * 1024

const IV_BYTES = 12
const TAG_BYTES = 16
const MAC_BYTES = 32

/** The first byte of the value, before base64url; it is authenticated too. */
const ENCRYPTED = 1
const SIGNED = 2

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
  const version = encrypt ? ENCRYPTED : SIGNED
  const context = Buffer.concat([Buffer.of(version), Buffer.from(name)])
  const box = encrypt ? encryptedBox : signedBox
  const boxes = secrets.map((secret) => box(deriveKey(secret, version), context))

  return {
    seal(row) {
      const deflated = row.length > deflateAbove
      return boxes[0]!.close(deflated ? DEFLATED : PLAIN, deflated ? deflateRawSync(row) : row)
    },
    open(value) {
      const sealed = Buffer.from(value, 'base64url')
      // Node drops what is no base64url; a changed value must not open because the change was dropped.
      if (sealed[0] !== version || sealed.toString('base64url') !== value) return null
      for (const [index, { open }] of boxes.entries()) {
        const row = rowOf(open(sealed))
        if (row !== null) return { row, outdated: index > 0 }
      }
      return null
    },
  }
}

interface Box {
  /** The cookie value for a row, or a deflated one. */
  close(kind: typeof PLAIN | typeof DEFLATED, row: Uint8Array): string
  /** The body: its first byte tells of which kind the rest is. null: this key did not make it. */
  open(sealed: Buffer): Buffer | null
}

/** What is sealed stands here until it is text: nothing that is sealed takes longer than one call. */
const scratch = Buffer.alloc(16 * 1024)

/** Room for `length` bytes, whatever they were before. */
function frameOf(length: number): Buffer {
  return length <= scratch.length ? scratch : Buffer.alloc(length)
}

const nonces = new RandomPool(IV_BYTES)

/** HKDF-SHA256 with the salt `sessd` and one `info` per use, so that no key serves two purposes. */
function deriveKey(secret: string, version: number): KeyObject {
  const info = version === ENCRYPTED ? 'sessd cookie aes-256-gcm' : 'sessd cookie hmac-sha256'
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, 'sessd', info, 32)))
}

/** version, iv (12), AES-256-GCM, tag (16); the additional data are version and cookie name. */
function encryptedBox(key: KeyObject, context: Buffer): Box {
  return {
    close(kind, row) {
      const start = 1 + IV_BYTES
      const end = start + 1 + row.length
      const frame = frameOf(end + TAG_BYTES)
      frame[0] = ENCRYPTED
      nonces.take(frame, 1)
      frame[start] = kind
      frame.set(row, start + 1)
      const cipher = createCipheriv('aes-256-gcm', key, frame.subarray(1, start)).setAAD(context)
      frame.set(cipher.update(frame.subarray(start, end)), start)
      cipher.final()
      frame.set(cipher.getAuthTag(), end)
      return frame.toString('base64url', 0, end + TAG_BYTES)
    },
    open(sealed) {
      const end = sealed.length - TAG_BYTES
      if (end <= 1 + IV_BYTES) return null
      const iv = sealed.subarray(1, 1 + IV_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
      decipher.setAAD(context).setAuthTag(sealed.subarray(end))
      const body = decipher.update(sealed.subarray(1 + IV_BYTES, end))
      try {
        decipher.final()
      } catch {
        return null
      }
      return body
    },
  }
}

/** version, the body in the clear, HMAC-SHA256 (32) of context, a zero byte and the body. */
function signedBox(key: KeyObject, context: Buffer): Box {
  const mac = new HmacSha256(key, Buffer.concat([context, Buffer.of(0)]), scratch.length)
  return {
    close(kind, row) {
      const end = 2 + row.length
      const frame = frameOf(end + MAC_BYTES)
      frame[0] = SIGNED
      frame[1] = kind
      frame.set(row, 2)
      frame.write(mac.ofBytes(frame.subarray(1, end)), end, 'latin1')
      return frame.toString('base64url', 0, end + MAC_BYTES)
    },
    open(sealed) {
      const end = sealed.length - MAC_BYTES
      if (end <= 1) return null
      const body = sealed.subarray(1, end)
      return timingSafeEqual(Buffer.from(mac.ofBytes(body), 'latin1'), sealed.subarray(end)) ? body : null
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
