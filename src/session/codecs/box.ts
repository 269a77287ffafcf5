// How a sealed cookie is closed and opened: what the two ways to do it have in common.

import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

/** One way to seal, with one key. The first byte of what it makes says which way, and is authenticated too. */
export interface Box {
  /** The cookie value for a row. `kind`: one byte that is sealed in front of it. */
  close(kind: number, row: Uint8Array): string
  /** What was sealed: `kind`, then the row. null: this box did not make it. */
  open(sealed: Buffer): Buffer | null
}

/** What is sealed stands here until it is text: nothing that is sealed takes longer than one call. */
const scratch = Buffer.alloc(16 * 1024)

/** The longest message that is sealed without memory of its own, in bytes. */
export const ROOM = scratch.length

/** Room for `length` bytes, whatever they were before. */
export function frameOf(length: number): Buffer {
  return length <= ROOM ? scratch : Buffer.alloc(length)
}

/** HKDF-SHA256 with the salt `sessd` and one `purpose` per use, so that no key serves two of them. 32 bytes. */
export function deriveKey(secret: string, purpose: string): KeyObject {
  return createSecretKey(Buffer.from(hkdfSync('sha256', secret, 'sessd', purpose, 32)))
}

/** What a cookie's value is bound to: the way it was sealed, and the cookie's name. */
export function contextOf(version: number, name: string): Buffer {
  return Buffer.concat([Buffer.of(version), Buffer.from(name)])
}
