// A cursor over the bytes of a pickle. A length that the bytes don't keep is an error before anything is made of it.

import { CorruptSession } from '../codec.js'

/** Every method throws CorruptSession when the bytes end too early. */
export class PickleBytes {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** The next `count` bytes: a view, to be copied by who keeps them. */
  take(count: number): Buffer {
    const start = this.#at
    this.#at += count
    if (this.#at > this.#bytes.length) throw new CorruptSession('a pickle that ends too early')
    return this.#bytes.subarray(start, this.#at)
  }

  /** An unsigned number of one byte. */
  byte(): number {
    const value = this.#bytes[this.#at++]
    if (value === undefined) throw new CorruptSession('a pickle that ends too early')
    return value
  }

  /** An unsigned number of two bytes, little endian. */
  short(): number {
    return this.take(2).readUInt16LE()
  }

  /** An unsigned number of four bytes, little endian. */
  long(): number {
    return this.take(4).readUInt32LE()
  }

  /** A number of eight bytes, little endian, that must count bytes which are there. */
  size(): number {
    const low = this.long()
    if (this.long() !== 0 || low > this.#bytes.length - this.#at) {
      throw new CorruptSession('a pickle that ends too early')
    }
    return low
  }

  /** The bytes up to the next line feed, without it. */
  line(): Buffer {
    const end = this.#bytes.indexOf(10, this.#at)
    if (end === -1) throw new CorruptSession('a pickle that ends too early')
    const line = this.#bytes.subarray(this.#at, end)
    this.#at = end + 1
    return line
  }
}
