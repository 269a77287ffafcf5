// HMAC-SHA256 (RFC 2104) by two one-shot digests: half of what an Hmac object costs, and nothing for the garbage
// collector to finalize. The message stands behind a fixed prefix, which says what it is for.

import { hash, type KeyObject } from 'node:crypto'

const BLOCK = 64
const DIGEST = 32

/** Authenticates `prefix` and a message with one key, which may be as long as a block of SHA-256: 64 bytes. */
export class HmacSha256 {
  /** The inner pad, the prefix, and room for messages. */
  readonly #inner: Buffer
  readonly #start: number
  readonly #outer = Buffer.alloc(BLOCK + DIGEST, 0x5c)
  /** The beginnings of #inner for short messages, by length. */
  readonly #views: readonly Buffer[]

  /** Messages of up to `room` bytes are the fast ones. */
  constructor(secretKey: KeyObject, prefix: Uint8Array, room: number) {
    const key = secretKey.export()
    if (key.length > BLOCK) throw new RangeError(`a key of ${key.length} bytes, of ${BLOCK} at most`)
    const start = BLOCK + prefix.length
    const inner = Buffer.alloc(start + room, 0x36)
    for (const [index, byte] of key.entries()) {
      inner[index]! ^= byte
      this.#outer[index]! ^= byte
    }
    inner.set(prefix, BLOCK)
    this.#inner = inner
    this.#start = start
    const short = Math.min(room, MAX_SHORT)
    this.#views = Array.from({ length: short + 1 }, (_, length) => inner.subarray(0, start + length))
  }

  /** Of a text of one byte per character, and no more than there is room for. Answers base64url. */
  ofText(text: string): string {
    this.#inner.write(text, this.#start, 'latin1')
    return this.#sign(this.#inner, text.length, 'base64url')
  }

  /** Answers 32 characters, one for each byte. */
  ofBytes(message: Uint8Array): string {
    const end = this.#start + message.length
    const frame = end <= this.#inner.length ? this.#inner : Buffer.concat([this.#inner], end)
    frame.set(message, this.#start)
    return this.#sign(frame, message.length, 'binary')
  }

  #sign(frame: Buffer, length: number, encoding: 'base64url' | 'binary'): string {
    const short = frame === this.#inner ? this.#views[length] : undefined
    const digest = hash('sha256', short ?? frame.subarray(0, this.#start + length), 'binary')
    this.#outer.write(digest, BLOCK, 'binary')
    return hash('sha256', this.#outer, encoding)
  }
}

/** As long as an id can be. */
const MAX_SHORT = 128
