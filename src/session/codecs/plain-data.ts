// What a session value may be in JavaScript: text, numbers, booleans, null, and arrays and plain objects of them.
// Everything else is refused rather than flattened, except that object members which are undefined (or have symbol
// keys) are left out, as JSON.stringify does.

import { types } from 'node:util'
import { UnstorableValue } from '../codec.js'
import { MAX_DEPTH, quoteJson } from './json-text.js'

/** What a format holds beyond JSON. */
export interface Reach {
  /** NaN and the infinities. */
  readonly nonFinite: boolean
  /** bigint, Uint8Array, and Map with keys of any hashable type. */
  readonly python: boolean
}

export const JSON_REACH: Reach = { nonFinite: false, python: false }

/** Throws UnstorableValue, naming the path, when the format can't hold `value`. */
export function requireStorable(key: string, value: unknown, reach: Reach): void {
  if (isStorable(value, reach, 0)) return
  throw explain(key, value, reach, []) ?? new UnstorableValue(key, 'changes while it is looked at')
}

/** Whether the format can hold `value`. A circular value is one that nests too deep. */
function isStorable(value: unknown, reach: Reach, depth: number): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true
    case 'number':
      return reach.nonFinite || Number.isFinite(value)
    case 'bigint':
      return reach.python
    case 'object':
      break
    default:
      return false
  }
  if (value === null) return true
  if (depth === MAX_DEPTH) return false
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      if (!isStorable(value[at], reach, depth + 1)) return false
    }
    return true
  }
  if (isPlainObject(value)) {
    for (const name in value) {
      const member = value[name]
      if (member !== undefined && !isStorable(member, reach, depth + 1)) return false
    }
    return true
  }
  if (!reach.python) return false
  if (types.isMap(value)) {
    for (const [name, member] of value) {
      if (!isHashable(name, depth + 1) || !isStorable(member, reach, depth + 1)) return false
    }
    return true
  }
  return types.isUint8Array(value)
}

/** Whether Python takes it as a key of a dict; an array becomes a tuple there. */
function isHashable(key: unknown, depth: number): boolean {
  if (Array.isArray(key)) return depth < MAX_DEPTH && key.every((item) => isHashable(item, depth + 1))
  if (typeof key === 'object') return key === null || types.isUint8Array(key)
  return typeof key !== 'undefined' && typeof key !== 'function' && typeof key !== 'symbol'
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value)
  // The last case is a plain object of another realm (`node:vm`).
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Finds what isStorable didn't like and says where it is: the slow way, for the error only. */
function explain(path: string, value: unknown, reach: Reach, above: unknown[]): UnstorableValue | undefined {
  const reason = refusal(value, reach, above)
  if (reason !== undefined) return new UnstorableValue(path, reason)
  if (typeof value !== 'object' || value === null) return undefined
  above.push(value)
  for (const [step, child] of childrenOf(value)) {
    const found = explain(path + step, child, reach, above)
    if (found !== undefined) return found
  }
  above.pop()
  return undefined
}

/** Why `value` itself can't be held, whatever its members are. */
function refusal(value: unknown, reach: Reach, above: readonly unknown[]): string | undefined {
  switch (typeof value) {
    case 'undefined':
      return above.length === 0 ? 'undefined is no value; unset the key instead' : 'undefined; use null'
    case 'number':
      return reach.nonFinite || Number.isFinite(value) ? undefined : 'a number that is not finite'
    case 'bigint':
      return reach.python ? undefined : 'a bigint; store its text'
    case 'function':
    case 'symbol':
      return `a ${typeof value}`
    case 'object':
      break
    default:
      return undefined
  }
  if (value === null) return undefined
  if (above.includes(value)) return 'refers to itself'
  if (above.length === MAX_DEPTH) return `nested more than ${MAX_DEPTH} deep`
  if (Array.isArray(value) || isPlainObject(value)) return undefined
  if (types.isMap(value)) {
    if (!reach.python) return 'a Map; store an array of its entries'
    return [...value.keys()].every((key) => isHashable(key, above.length + 1))
      ? undefined
      : 'a Map with a key that Python can not hash'
  }
  if (types.isUint8Array(value)) return reach.python ? undefined : 'bytes; store their base64 text'
  if (types.isDate(value)) return 'a Date; store its getTime() or toISOString()'
  if (types.isSet(value)) return 'a Set; store an array of its members'
  return `an instance of ${constructorName(value)}; store a plain object`
}

function constructorName(value: object): string {
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== '' ? name : 'a class'
}

/** The members of a container, each with its step of the path: `.name`, `["odd name"]`, `[2]`. */
function* childrenOf(value: object): Generator<[step: string, child: unknown]> {
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) yield [`[${at}]`, value[at]]
  } else if (types.isMap(value)) {
    for (const [key, child] of value)
      yield [typeof key === 'string' ? `[${quoteJson(key)}]` : `[${String(key)}]`, child]
  } else if (isPlainObject(value)) {
    for (const name in value) {
      const child = value[name]
      if (child !== undefined) yield [/^[\w$]+$/.test(name) ? `.${name}` : `[${quoteJson(name)}]`, child]
    }
  }
}

/**
 * Whether two values mean the same: equal content, members of objects in any order. NaN equals itself and 0 equals -0,
 * so that a value which was only read never counts as changed.
 */
export function sameData(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return Number.isNaN(a) && Number.isNaN(b)
  }
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => sameData(item, b[at]))
  }
  if (types.isUint8Array(a)) return types.isUint8Array(b) && Buffer.compare(a, b) === 0
  if (types.isMap(a)) return types.isMap(b) && sameData([...a], [...b])
  if (!isPlainObject(a) || !isPlainObject(b)) return false
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && sameData(a[name], b[name]))
  )
}
