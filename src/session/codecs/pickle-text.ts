// The texts inside pickles: three ways to write a str, and the decimal numbers of protocol 0.

import { isUtf8 } from 'node:buffer'
import { CorruptSession } from '../codec.js'
import { pythonInt } from './python-json.js'
import type { PythonValue } from './python-value.js'

/** UTF-8 as Python's pickles have it: lone surrogates are three bytes each ("surrogatepass"). */
export function decodeText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString()
  let text = ''
  let from = 0
  for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at)) {
    const second = bytes[at + 1] ?? 0
    const third = bytes[at + 2] ?? 0
    if (second >= 0xa0 && second < 0xc0 && third >= 0x80 && third < 0xc0) {
      text += wellFormed(bytes.subarray(from, at))
      text += String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f))
      at += 3
      from = at
    } else {
      at++
    }
  }
  return text + wellFormed(bytes.subarray(from))
}

function wellFormed(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new CorruptSession('a pickled str that is no UTF-8')
  return bytes.toString()
}

/** The reverse of decodeText. */
export function encodeText(text: string): Buffer {
  if (!/[\ud800-\udfff]/u.test(text)) return Buffer.from(text)
  const parts = text.split(/([\ud800-\udfff])/u).map((part, index) => {
    if (index % 2 === 0) return Buffer.from(part)
    const code = part.charCodeAt(0)
    return Buffer.of(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f))
  })
  return Buffer.concat(parts)
}

/** The str of a UNICODE line (protocol 0, "raw-unicode-escape"): Latin-1 with `\uXXXX` and `\UXXXXXXXX`. */
export function decodeRawEscapes(line: Buffer): string {
  const text = line.toString('latin1')
  // A backslash and what follows it belong together; only before `u` and `U` do they mean something.
  return text.replace(/(?:\\[^uU])+|\\u(.{0,4})|\\U(.{0,8})/gs, (whole, short?: string, long?: string) => {
    const hex = short ?? long
    if (hex === undefined) return whole
    const code = Number.parseInt(hex, 16)
    const digits = short === undefined ? 8 : 4
    if (hex.length !== digits || !/^[\da-fA-F]+$/.test(hex) || code > 0x10ffff) {
      throw new CorruptSession('an escape in a pickled str that is none')
    }
    return String.fromCodePoint(code)
  })
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

/** The bytes of a STRING line: the repr() of a Python 2 str, quotes and escapes included. */
export function decodeQuotedBytes(line: Buffer): Buffer {
  const text = line.toString('latin1')
  const quote = text[0]
  if (text.length < 2 || (quote !== "'" && quote !== '"') || !text.endsWith(quote)) {
    throw new CorruptSession('a pickled str without its quotes')
  }
  const plain = text.slice(1, -1).replace(/\\(?:x(.{0,2})|([0-7]{1,3})|(.))/gs, (pair, hex, octal, char) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff)
    if (hex === undefined) return SIMPLE_ESCAPES[char] ?? pair
    if (!/^[\da-fA-F]{2}$/.test(hex)) throw new CorruptSession('an escape in a pickled str that is none')
    return String.fromCharCode(Number.parseInt(hex, 16))
  })
  return Buffer.from(plain, 'latin1')
}

/** What Python 2 called str: text when it is ASCII, as Python 3 reads it, else bytes. */
export function pythonTwoString(bytes: Buffer): string | Uint8Array {
  for (const byte of bytes) {
    if (byte > 127) return Uint8Array.from(bytes)
  }
  return bytes.toString('latin1')
}

/** The value of an INT line, where `00` and `01` are booleans, or of a LONG line with its `L`. */
export function decodeInt(line: Buffer): PythonValue {
  const text = line.toString('latin1')
  if (text === '00' || text === '01') return text === '01'
  const digits = /^([+-]?)(\d+)L?$/.exec(text)
  if (digits === null) throw new CorruptSession('a pickled int that is none')
  const size = pythonInt(digits[2] ?? '')
  return digits[1] === '-' ? -size : size
}

/** The int of a LONG1 or LONG4: two's complement, little endian. */
export function decodeLong(bytes: Buffer): bigint {
  if (bytes.length === 0) return 0n
  const unsigned = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`)
  return BigInt.asIntN(bytes.length * 8, unsigned)
}

/** The reverse of decodeLong, in as few bytes as Python takes. */
export function encodeLong(value: bigint): Buffer {
  if (value === 0n) return Buffer.alloc(0)
  const size = value < 0n ? -value : value
  const bytes = (size.toString(2).length >> 3) + 1
  const hex = BigInt.asUintN(bytes * 8, value)
    .toString(16)
    .padStart(bytes * 2, '0')
  return Buffer.from(hex, 'hex').reverse()
}

/** The value of a FLOAT line: what repr() writes. */
export function decodeFloat(line: Buffer): number {
  const text = line.toString('latin1')
  if (/^[+-]?inf$/.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (text === 'nan' || text === '-nan') return Number.NaN
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) {
    throw new CorruptSession('a pickled float that is none')
  }
  return Number(text)
}
