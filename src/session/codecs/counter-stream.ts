// All that one process encrypts with a key is one stream of AES-256-CTR (NIST SP 800-38A), of which each message takes
// whole blocks: the counter of the first one stands in front of it, so that it can be decrypted by itself.

import { createCipheriv, type KeyObject, randomFillSync } from 'node:crypto'

/** Bytes of a block, and of its counter. */
export const BLOCK = 16
const NONCE_BYTES = 12

type Cipher = ReturnType<typeof createCipheriv>

/** Encrypts messages with one key, as long as there are any. */
export class CounterStream {
  readonly #key: KeyObject
  /** A random nonce, then the number of the next block. */
  readonly #counter = Buffer.alloc(BLOCK)
  /** A nonce serves for so many blocks. */
  readonly #limit: number
  #blocks = 0
  #cipher: Cipher | undefined

  /** `limit`: how many blocks come under one nonce; by default as many as 32 bits can count. */
  constructor(key: KeyObject, limit = 2 ** 32) {
    this.#key = key
    this.#limit = limit
  }

  /**
   * Encrypts `frame` in place from `start` to `end`, and puts the first counter block at `at`. What is behind `end`, up to a
   * whole block, is overwritten, and must be there.
   */
  encrypt(frame: Buffer, at: number, start: number, end: number): void {
    const taken = Math.ceil((end - start) / BLOCK)
    const cipher =
      this.#cipher === undefined || this.#blocks + taken > this.#limit ? this.#begin() : this.#cipher
    this.#counter.writeUInt32BE(this.#blocks, NONCE_BYTES)
    frame.set(this.#counter, at)
    // Should it throw, nobody knows which block is the next: another nonce then.
    this.#cipher = undefined
    frame.set(cipher.update(frame.subarray(start, start + taken * BLOCK)), start)
    this.#cipher = cipher
    this.#blocks += taken
  }

  #begin(): Cipher {
    this.#cipher = undefined
    randomFillSync(this.#counter, 0, NONCE_BYTES)
    this.#blocks = 0
    this.#counter.writeUInt32BE(0, NONCE_BYTES)
    return createCipheriv('aes-256-ctr', this.#key, this.#counter)
  }
}
