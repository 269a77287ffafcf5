// Any value as JSON can hold it, for a log: no circle, getter or proxy stops it, secrets are masked, and it has a bound.

import { types } from 'node:util'
import { isSecretKey, MASK, maskValue } from '../secrets.js'

/** An error as logs have it. */
export interface ErrorValue {
  readonly type: string
  readonly message: string
  /** All lines, the first of them `type: message`. */
  readonly stack?: string
  readonly code?: string | number
  readonly cause?: ErrorValue
  /** Of an AggregateError. */
  readonly errors?: readonly ErrorValue[]
}

const DEEPEST = 6
const MOST = 100

/** `TypeError: message`; of what is no error, its text. */
export function titleOf(error: unknown): string {
  return isError(error) ? `${textOf(error.name)}: ${textOf(error.message)}` : textOf(error)
}

/** What was thrown, its causes included, which may go in a circle: six of them. */
export function errorValue(error: unknown, depth = 0): ErrorValue {
  if (!isError(error)) return { type: typeof error, message: clean(textOf(error)) }
  const { name, message, stack, code, cause, errors } = error
  const inner = (value: unknown) => errorValue(value, depth + 1)
  return {
    type: textOf(name),
    message: clean(textOf(message)),
    ...(typeof stack === 'string' && { stack: clean(stack) }),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(cause !== undefined && depth < DEEPEST && { cause: inner(cause) }),
    ...(Array.isArray(errors) && depth < DEEPEST && { errors: errors.slice(0, 10).map(inner) }),
  }
}

/** The same fields with plain values. Keys that name a secret or a cookie keep nothing. */
export function plainFields(fields: object): Record<string, unknown> {
  return plainObject(fields, 0, []) as Record<string, unknown>
}

interface ErrorLike {
  readonly name: unknown
  readonly message: unknown
  readonly stack?: unknown
  readonly code?: unknown
  readonly cause?: unknown
  readonly errors?: unknown
}

/** Also one from another realm, as of `node:vm`. */
export function isError(value: unknown): value is ErrorLike {
  return value instanceof Error || types.isNativeError(value)
}

function plain(value: unknown, depth: number, above: readonly object[]): unknown {
  switch (typeof value) {
    case 'string':
      return clean(value)
    case 'bigint':
      return String(value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'boolean':
    case 'undefined':
      return value
    case 'object':
      return value === null ? null : plainOf(value, depth, above)
    default:
      return undefined // a function or a symbol: no data
  }
}

function plainOf(value: object, depth: number, above: readonly object[]): unknown {
  if (above.includes(value)) return '[circular]'
  if (depth >= DEEPEST) return '[deeper]'
  try {
    if (isError(value)) return errorValue(value, depth)
    const { toJSON } = value as { toJSON?: unknown }
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
    if (typeof toJSON === 'function') return plain(toJSON.call(value, ''), depth + 1, [...above, value])
    if (value instanceof Map) return plainObject(Object.fromEntries(value), depth, [...above, value])
    const list = value instanceof Set ? [...value] : value
    if (!Array.isArray(list)) return plainObject(value, depth, [...above, value])
    return list.slice(0, MOST).map((item: unknown) => plain(item, depth + 1, [...above, value]) ?? null)
  } catch (error) {
    return `[threw ${textOf(error)}]`
  }
}

function plainObject(value: object, depth: number, above: readonly object[]): object {
  const result: Record<string, unknown> = Object.create(null)
  for (const [key, item] of Object.entries(value).slice(0, MOST))
    result[key] = isPrivate(key) ? MASK : plain(item, depth + 1, above)
  return result
}

/** Whoever has one of these is somebody else. */
function isPrivate(key: string): boolean {
  return isSecretKey(key) || /^(?:(?:set-)?cookies?|(?:proxy-)?authorization|session[._-]?id)$/i.test(key)
}

function clean(text: string): string {
  return maskValue(text, false)
}

function textOf(value: unknown): string {
  try {
    return String(value)
  } catch {
    return 'an object without a text'
  }
}
