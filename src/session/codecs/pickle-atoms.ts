// The opcodes of a pickle that stand for one value by themselves, by their names in Python's pickletools.

import type { PickleBytes } from './pickle-bytes.js'
import {
  decodeFloat,
  decodeInt,
  decodeLong,
  decodeQuotedBytes,
  decodeRawEscapes,
  decodeText,
  pythonTwoString,
} from './pickle-text.js'
import { PythonTuple, type PythonValue } from './python-value.js'

/** The value of an opcode, whose argument is read from `bytes`; undefined when it is another kind of opcode. */
export function readAtom(opcode: number, bytes: PickleBytes): PythonValue | undefined {
  switch (opcode) {
    case 0x4e: // NONE
      return null
    case 0x88: // NEWTRUE
      return true
    case 0x89: // NEWFALSE
      return false

    case 0x49: // INT
    case 0x4c: // LONG
      return decodeInt(bytes.line())
    case 0x4a: // BININT
      return BigInt(bytes.long() | 0)
    case 0x4b: // BININT1
      return BigInt(bytes.byte())
    case 0x4d: // BININT2
      return BigInt(bytes.short())
    case 0x8a: // LONG1
      return decodeLong(bytes.take(bytes.byte()))
    case 0x8b: // LONG4
      return decodeLong(bytes.take(bytes.long()))
    case 0x46: // FLOAT
      return decodeFloat(bytes.line())
    case 0x47: // BINFLOAT
      return bytes.take(8).readDoubleBE()

    case 0x53: // STRING
      return pythonTwoString(decodeQuotedBytes(bytes.line()))
    case 0x54: // BINSTRING
      return pythonTwoString(bytes.take(bytes.long()))
    case 0x55: // SHORT_BINSTRING
      return pythonTwoString(bytes.take(bytes.byte()))
    case 0x56: // UNICODE
      return decodeRawEscapes(bytes.line())
    case 0x58: // BINUNICODE
      return decodeText(bytes.take(bytes.long()))
    case 0x8c: // SHORT_BINUNICODE
      return decodeText(bytes.take(bytes.byte()))
    case 0x8d: // BINUNICODE8
      return decodeText(bytes.take(bytes.size()))
    case 0x42: // BINBYTES
      return Uint8Array.from(bytes.take(bytes.long()))
    case 0x43: // SHORT_BINBYTES
      return Uint8Array.from(bytes.take(bytes.byte()))
    case 0x8e: // BINBYTES8
      return Uint8Array.from(bytes.take(bytes.size()))

    case 0x7d: // EMPTY_DICT
      return new Map()
    case 0x5d: // EMPTY_LIST
      return []
    case 0x29: // EMPTY_TUPLE
      return new PythonTuple([])
    default:
      return undefined
  }
}
