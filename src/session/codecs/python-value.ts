// A Python value as data, with the differences kept that JavaScript doesn't make: int is bigint, float is number,
// list is Array, tuple is PythonTuple, dict is Map (in order, keys of any type), bytes is Uint8Array.

import { types } from 'node:util'
import { CorruptSession, ForeignSession } from '../codec.js'
import { MAX_DEPTH } from './json-text.js'
import type { Reach } from './plain-data.js'

export type PythonValue =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | PythonValue[]
  | PythonTuple
  | PythonDict
  | PythonObject

export type PythonDict = Map<PythonValue, PythonValue>

export class PythonTuple {
  readonly items: readonly PythonValue[]

  constructor(items: readonly PythonValue[]) {
    this.items = items
  }
}

/** What is no plain data: an instance, a class, a set. Only its name is known; nothing of it was ever run. */
export class PythonObject {
  /** As Python would import it: `datetime.datetime`. */
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  toString(): string {
    return `a Python object (${this.name})`
  }
}

/** How many values one row may hold; one that refers to a list twice holds its members twice. */
export const MAX_VALUES = 1_000_000

/** What these formats hold beyond JSON: pickles hold all of Python's plain data, Python's JSON also NaN and infinities. */
export const PICKLE_REACH: Reach = { nonFinite: true, python: true }
export const PYTHON_JSON_REACH: Reach = { nonFinite: true, python: false }

/**
 * The JavaScript value, made afresh. dict becomes a plain object, or a Map when a key is no str; list and tuple become
 * arrays, bytes a Buffer. int and float become numbers; an int beyond 2**53 a bigint.
 */
export function thawPython(value: PythonValue): unknown {
  if (typeof value === 'bigint') {
    const nearest = Number(value)
    return Number.isSafeInteger(nearest) ? nearest : value
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => thawPython(item))
  if (value instanceof PythonTuple) return value.items.map((item) => thawPython(item))
  if (value instanceof Uint8Array) return Buffer.from(value)
  if (value instanceof PythonObject) throw new ForeignSession(String(value))
  const entries: [unknown, unknown][] = []
  let named = true
  for (const [key, member] of value) {
    if (typeof key !== 'string') named = false
    entries.push([thawPython(key), thawPython(member)])
  }
  // Like JSON.parse, this makes `__proto__` an ordinary property.
  return named ? Object.fromEntries(entries) : new Map(entries)
}

/**
 * The Python value of what requireStorable let pass: whole numbers become int, others float; arrays become list (as a key
 * of a Map: tuple), plain objects and Maps dict. Members that are undefined are left out.
 */
export function freezePython(value: unknown): PythonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'bigint':
      return value
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value
    default:
  }
  if (typeof value !== 'object' || value === null) return null
  if (Array.isArray(value)) return Array.from(value, freezePython)
  if (types.isUint8Array(value)) return Uint8Array.from(value)
  const dict: PythonDict = new Map()
  if (types.isMap(value)) {
    for (const [key, member] of value) dict.set(freezeKey(key), freezePython(member))
  } else {
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) dict.set(key, freezePython(member))
    }
  }
  return dict
}

function freezeKey(key: unknown): PythonValue {
  return Array.isArray(key) ? new PythonTuple(key.map(freezeKey)) : freezePython(key)
}

/**
 * Looks through a value that was read: throws ForeignSession, naming it, for the first thing in it that can't be
 * represented, and CorruptSession when it nests too deep, or holds more than `budget` allows once everything that is
 * referred to twice is counted twice. What was seen is taken off the budget.
 */
export function requirePlain(value: PythonValue, budget: { values: number }): void {
  survey(value, budget, [], false)
}

function survey(value: PythonValue, budget: { values: number }, above: PythonValue[], isKey: boolean): void {
  const long = typeof value === 'string' || value instanceof Uint8Array
  budget.values -= long ? 1 + (value.length >> 6) : 1
  if (budget.values < 0) throw new CorruptSession(`more than ${MAX_VALUES} values`)
  if (long || typeof value !== 'object' || value === null) return
  if (value instanceof PythonObject) throw new ForeignSession(String(value))
  if (above.length === MAX_DEPTH) {
    if (new Set(above).size < above.length) throw new ForeignSession('something that contains itself')
    throw new CorruptSession(`data nested more than ${MAX_DEPTH} deep`)
  }
  if (isKey && !(value instanceof PythonTuple)) throw new CorruptSession('a dict with a key that has no hash')
  above.push(value)
  if (value instanceof Map) {
    for (const [key, member] of value) {
      survey(key, budget, above, true)
      survey(member, budget, above, false)
    }
  } else {
    for (const item of value instanceof PythonTuple ? value.items : value) survey(item, budget, above, isKey)
  }
  above.pop()
}
