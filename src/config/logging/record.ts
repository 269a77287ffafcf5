// One thing that was said in a log: plain data, safe to print, whatever the call was given. A call to a logger never
// throws, so nothing here trusts the values.

import { maskValue } from '../secrets.js'
import { type ErrorValue, errorValue, isError, plainFields, titleOf } from './values.js'

/** The methods of a logger, by how much they matter. Numbers as in Python's `logging`. */
export const LEVELS = { trace: 5, debug: 10, info: 20, warn: 30, error: 40, fatal: 50 } as const

export type Level = keyof typeof LEVELS

/** Secrets are masked in it already. Its texts may hold any character. */
export interface LogRecord {
  /** Epoch milliseconds. */
  readonly time: number
  readonly level: Level
  /** Of the logger. */
  readonly name: string
  /** '' when only fields were given. */
  readonly msg: string
  /** As in the X-Request-Id header; undefined: none is known. */
  readonly requestId: string | undefined
  readonly err: ErrorValue | undefined
  /** What else was given, as JSON can hold it. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** Keys that lines have of their own: a field of that name gets a `_` before it. */
const OWN_KEYS = new Set(['time', 'level', 'name', 'msg', 'pid', 'worker', 'hostname', 'v'])

/**
 * A record out of what a logger's method was given: a text, an error or fields, in either order. Of the fields, `err` is
 * an error, and `req` a request, of which its id, method and path are told.
 */
export function makeRecord(name: string, level: Level, first: unknown, second: unknown): LogRecord {
  const [detail, text] = typeof first === 'string' ? [second, first] : [first, second]
  const { err, req, request_id, ...others } = fieldsOf(detail)
  const request = requestOf(req)
  const id = typeof request_id === 'string' ? request_id : request?.id
  const fields: Record<string, unknown> = Object.create(null)
  if (request !== undefined) Object.assign(fields, { method: request.method, path: request.path })
  else if (req !== undefined) others.req = req
  for (const [key, value] of Object.entries(plainFields(others)))
    fields[OWN_KEYS.has(key) ? `_${key}` : key] = value
  return {
    time: Date.now(),
    level,
    name,
    msg: maskValue(messageOf(text, detail, err), false),
    requestId: id,
    err: err === undefined ? undefined : errorValue(err),
    fields,
  }
}

function fieldsOf(detail: unknown): Record<string, unknown> {
  if (isError(detail)) return { err: detail }
  return typeof detail === 'object' && detail !== null ? { ...detail } : {}
}

function messageOf(text: unknown, detail: unknown, err: unknown): string {
  const isPlain = detail !== undefined && (typeof detail !== 'object' || detail === null)
  // As console.log('rows', 3) has it: nothing that was given is lost.
  if (typeof text === 'string') return isPlain ? `${text} ${String(detail)}` : text
  if (err !== undefined) return titleOf(err)
  return typeof detail === 'object' && detail !== null ? '' : String(detail)
}

/** Never its query, headers or cookies. undefined: it is no request. */
function requestOf(req: unknown): { id: string | undefined; method: string; path: string } | undefined {
  if (typeof req !== 'object' || req === null) return undefined
  const { method, url, originalUrl, environ } = req as Record<string, unknown>
  const target = originalUrl ?? url
  if (typeof method !== 'string' || typeof target !== 'string') return undefined
  const id = (environ as Record<string, unknown> | undefined)?.['sessd.request_id']
  return { id: typeof id === 'string' ? id : undefined, method, path: target.split('?', 1)[0]! }
}
