// JSON as Python's json.dumps writes and json.loads reads it: ", " and ": ", ASCII only, floats as repr() shows them,
// NaN and Infinity as bare words, integers of any size.

import { CorruptSession, ForeignSession } from '../codec.js'
import { JsonReader } from './json-text.js'
import { type PythonDict, PythonTuple, type PythonValue, thawPython } from './python-value.js'

/** As many digits as Python turns into an int (sys.get_int_max_str_digits). */
export const MAX_INT_DIGITS = 4300

/** The text json.dumps would write. Throws ForeignSession for what JSON lacks: bytes, and keys that are no str. */
export function writePythonJson(value: PythonValue): string {
  switch (typeof value) {
    case 'string':
      return quotePythonJson(value)
    case 'number':
      return pythonFloat(value)
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
  }
  if (value === null) return 'null'
  if (Array.isArray(value)) return `[${value.map(writePythonJson).join(', ')}]`
  if (value instanceof PythonTuple) return `[${value.items.map(writePythonJson).join(', ')}]`
  if (!(value instanceof Map)) throw new ForeignSession('bytes, which JSON can not hold')
  return `{${Array.from(value, ([key, member]) => {
    if (typeof key !== 'string')
      throw new ForeignSession('a dict with keys that are no str, which JSON can not hold')
    return `${quotePythonJson(key)}: ${writePythonJson(member)}`
  }).join(', ')}}`
}

/** `text` as json.dumps quotes it: everything beyond ASCII as lower-case `\uXXXX`. */
export function quotePythonJson(text: string): string {
  return JSON.stringify(text).replace(
    /[\x7f-\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A float as json.dumps writes it: `100.0`, `1e-05`, `1e+16`, `NaN`. */
export function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Object.is(value, -0)) return '-0.0'
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    // JavaScript writes one digit of exponent where Python writes two.
    return value.toExponential().replace(/(e[+-])(\d)$/, '$10$2')
  }
  const text = String(value)
  return text.includes('.') ? text : `${text}.0`
}

/**
 * The Python value of one JSON text that a JsonReader has passed already (its depth is known to be bounded).
 * Throws CorruptSession for an integer that Python wouldn't read.
 */
export function readPythonJson(text: string): PythonValue {
  return read(new JsonReader(text, 'python'), pythonInt)
}

/** The JavaScript value of one JSON text, as JSON.parse gives it; NaN and the infinities as they are. */
export function thawPythonJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return thawPython(read(new JsonReader(text, 'python'), Number))
  }
}

function read(reader: JsonReader, int: (digits: string) => PythonValue): PythonValue {
  const code = reader.peek()
  if (code === 123) {
    const dict: PythonDict = new Map()
    for (let key = reader.firstKey(); key !== undefined; key = reader.nextKey())
      dict.set(key, read(reader, int))
    return dict
  }
  if (code === 91) {
    const list: PythonValue[] = []
    for (let more = reader.firstElement(); more; more = reader.nextElement()) list.push(read(reader, int))
    return list
  }
  const text = reader.value()
  if (code === 34 || code === 116 || code === 102 || code === 110)
    return JSON.parse(text) as string | boolean | null
  return /^-?\d+$/.test(text) ? int(text) : Number(text)
}

/** The int of decimal digits, as Python reads it. Throws CorruptSession when there are too many of them. */
export function pythonInt(digits: string): bigint {
  if (digits.length > MAX_INT_DIGITS)
    throw new CorruptSession(`an integer of more than ${MAX_INT_DIGITS} digits`)
  return BigInt(digits)
}
