// Random bytes for one purpose: a call for twelve of them costs as much as one for thousands.

import { randomFillSync } from 'node:crypto'

/** How many times may be served from one call. */
const SERVINGS = 256

/** Gives `size` fresh random bytes at a time. They are wiped as they are given, and never given twice. */
export class RandomPool {
  readonly #size: number
  readonly #bytes: Buffer
  #used: number

  constructor(size: number) {
    this.#size = size
    this.#bytes = Buffer.allocUnsafeSlow(size * SERVINGS)
    this.#used = this.#bytes.length
  }

  /** Puts them into `target` at `at`. */
  take(target: Uint8Array, at: number): void {
    if (this.#used === this.#bytes.length) {
      randomFillSync(this.#bytes)
      this.#used = 0
    }
    const end = this.#used + this.#size
    for (let next = this.#used; next < end; next++) {
      target[at++] = this.#bytes[next]!
      this.#bytes[next] = 0
    }
    this.#used = end
  }
}
