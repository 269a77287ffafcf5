// The id cookie: which ids did we hand out? A value is `<id>.<HMAC-SHA256 of name and id>`. The signature covers the
// cookie's name, so a value that was signed for one filter means nothing to another with the same secret.

import { createSecretKey, hash, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto'
import { isId } from './id.js'

export interface Verified {
  readonly id: string
  /** Signed with an older secret: sign it anew when a cookie goes out anyway. */
  readonly stale: boolean
}

/** Turns ids into cookie values and back. The first secret signs, all of them verify. */
export interface Signer {
  sign(id: string): string
  /** null: not ours, whatever the reason. */
  verify(value: string): Verified | null
}

/**
 * Signs for the cookie `name`. Keys are derived from the secrets by HKDF-SHA256, so that the same secret can serve
 * encryption too. Every value has exactly one valid spelling: signatures are compared as text.
 */
export function makeSigner(name: string, secrets: readonly string[]): Signer {
  const signatures = secrets.map((secret) => hmacSha256(deriveKey(secret, 'sessd id cookie'), `${name}=`))
  const seen = new SeenValues()

  return {
    sign: (id) => `${id}.${signatures[0]!(id)}`,
    verify(value) {
      const known = seen.get(value)
      if (known !== undefined) return known
      const dot = value.length - 44
      if (dot < 1 || value.charCodeAt(dot) !== 46) return null
      const id = value.slice(0, dot)
      if (!isId(id)) return null
      const given = value.slice(dot + 1)
      for (const [index, signature] of signatures.entries()) {
        if (sameText(given, signature(id))) return seen.add(value, index > 0)
      }
      return null
    },
  }
}

/** The HMAC of `prefix` and a text of ASCII, as base64url: RFC 2104 by two one-shot digests, twice as fast as an Hmac. */
function hmacSha256(secretKey: KeyObject, prefix: string): (text: string) => string {
  const key = secretKey.export()
  const start = BLOCK + prefix.length
  const inner = Buffer.alloc(start + MAX_TEXT, 0x36)
  const outer = Buffer.alloc(BLOCK + DIGEST, 0x5c)
  for (const [index, byte] of key.entries()) {
    inner[index]! ^= byte
    outer[index]! ^= byte
  }
  inner.write(prefix, BLOCK, 'latin1')
  const innerOf = Array.from({ length: MAX_TEXT + 1 }, (_, length) => inner.subarray(0, start + length))
  return (text) => {
    inner.write(text, start, 'latin1')
    outer.write(hash('sha256', innerOf[text.length]!, 'binary'), BLOCK, 'binary')
    return hash('sha256', outer, 'base64url')
  }
}

const BLOCK = 64
const DIGEST = 32
/** Of ids. */
const MAX_TEXT = 128

/** Good values that came lately: a table in which each has one place, found by two characters of its signature. */
class SeenValues {
  readonly #values = new Array<string>(SLOTS).fill('')
  readonly #verified = new Array<Verified | undefined>(SLOTS).fill(undefined)

  get(value: string): Verified | undefined {
    const slot = slotOf(value)
    return this.#values[slot] === value ? this.#verified[slot] : undefined
  }

  /** Keeps a copy: what was cut out of a header would keep the whole header alive. */
  add(value: string, stale: boolean): Verified {
    const own = Buffer.from(value, 'latin1').toString('latin1')
    const slot = slotOf(own)
    const verified: Verified = { id: own.slice(0, -44), stale }
    this.#values[slot] = own
    this.#verified[slot] = verified
    return verified
  }
}

const SLOTS = 4096

function slotOf(value: string): number {
  const { length } = value
  return ((value.charCodeAt(length - 2) & 63) << 6) | (value.charCodeAt(length - 3) & 63)
}

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

/** Remembers the last few entries: two generations, so that forgetting costs nothing per entry. */
export class RecentMap<V> {
  readonly #half: number
  #young = new Map<string, V>()
  #old = new Map<string, V>()

  constructor(capacity: number) {
    this.#half = Math.ceil(capacity / 2)
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  delete(key: string): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }
}
