// Pickles of protocol 2, which every Python since 2.3 reads. Nothing is memoized: what stands in two places is written
// twice. The one call in what we write is the one Python itself writes at this protocol, for bytes.

import { ForeignSession } from '../codec.js'
import { encodeLong, encodeText } from './pickle-text.js'
import { PythonTuple, type PythonValue } from './python-value.js'

/** The pickle of plain data. Throws ForeignSession for a PythonObject. */
export function writePickle(value: PythonValue): Buffer {
  const writer = new PickleWriter()
  writer.byte(0x80) // PROTO
  writer.byte(2)
  writer.value(value)
  writer.byte(0x2e) // STOP
  return writer.finish()
}

class PickleWriter {
  #bytes = Buffer.allocUnsafe(512)
  #at = 0

  finish(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#at))
  }

  /** Makes room for `count` bytes and answers where they go. */
  #reserve(count: number): number {
    const start = this.#at
    this.#at += count
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.#at * 2)
      this.#bytes.copy(larger, 0, 0, start)
      this.#bytes = larger
    }
    return start
  }

  byte(value: number): void {
    const at = this.#reserve(1)
    this.#bytes[at] = value
  }

  #long(value: number): void {
    const at = this.#reserve(4)
    this.#bytes.writeInt32LE(value, at)
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length)
    this.#bytes.set(bytes, at)
  }

  /** The opcodes of one value, by their names in Python's pickletools. */
  value(value: PythonValue): void {
    switch (typeof value) {
      case 'string':
        this.#text(value)
        return
      case 'boolean':
        this.byte(value ? 0x88 : 0x89) // NEWTRUE, NEWFALSE
        return
      case 'bigint':
        this.#int(value)
        return
      case 'number':
        this.#float(value)
        return
      default:
    }
    if (value === null)
      this.byte(0x4e) // NONE
    else if (Array.isArray(value)) this.#list(value)
    else if (value instanceof PythonTuple) this.#tuple(value.items)
    else if (value instanceof Map) this.#dict(value)
    else if (value instanceof Uint8Array) this.#binary(value)
    else throw new ForeignSession(String(value))
  }

  #text(text: string): void {
    const bytes = encodeText(text)
    this.byte(0x58) // BINUNICODE
    this.#long(bytes.length)
    this.#raw(bytes)
  }

  #int(value: bigint): void {
    if (value >= 0n && value < 256n) {
      this.byte(0x4b) // BININT1
      this.byte(Number(value))
    } else if (BigInt.asIntN(32, value) === value) {
      this.byte(0x4a) // BININT
      this.#long(Number(value))
    } else {
      const bytes = encodeLong(value)
      this.byte(bytes.length < 256 ? 0x8a : 0x8b) // LONG1, LONG4
      if (bytes.length < 256) this.byte(bytes.length)
      else this.#long(bytes.length)
      this.#raw(bytes)
    }
  }

  #float(value: number): void {
    this.byte(0x47) // BINFLOAT
    const at = this.#reserve(8)
    this.#bytes.writeDoubleBE(value, at)
  }

  #list(items: readonly PythonValue[]): void {
    this.byte(0x5d) // EMPTY_LIST
    if (items.length === 0) return
    this.byte(0x28) // MARK
    for (const item of items) this.value(item)
    this.byte(0x65) // APPENDS
  }

  #tuple(items: readonly PythonValue[]): void {
    if (items.length > 3) this.byte(0x28) // MARK
    for (const item of items) this.value(item)
    // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
    this.byte([0x29, 0x85, 0x86, 0x87][items.length] ?? 0x74)
  }

  #dict(members: ReadonlyMap<PythonValue, PythonValue>): void {
    this.byte(0x7d) // EMPTY_DICT
    if (members.size === 0) return
    this.byte(0x28) // MARK
    for (const [key, member] of members) {
      this.value(key)
      this.value(member)
    }
    this.byte(0x75) // SETITEMS
  }

  /** bytes, which protocol 2 has no opcode for: `_codecs.encode(text, 'latin1')`, and `bytes()` when empty. */
  #binary(bytes: Uint8Array): void {
    this.byte(0x63) // GLOBAL
    if (bytes.length === 0) {
      this.#raw(Buffer.from('__builtin__\nbytes\n'))
      this.byte(0x29) // EMPTY_TUPLE
    } else {
      this.#raw(Buffer.from('_codecs\nencode\n'))
      this.#text(Buffer.from(bytes).toString('latin1'))
      this.#text('latin1')
      this.byte(0x86) // TUPLE2
    }
    this.byte(0x52) // REDUCE
  }
}
