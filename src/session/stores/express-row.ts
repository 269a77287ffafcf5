// What we keep in an express-session store: an object that looks like a session to it, with a cookie that says when it
// dies, and our row as text. And what express-session itself kept there, read as a row.

import type { StoredSession } from '../store.js'

/** Makes a row of the data of a session of express-session's, without its cookie. */
export type Adopt = (data: Readonly<Record<string, unknown>>) => Uint8Array

/** Our part of the object. The store's own times are never trusted: its touch leaves what it stored as it is. */
interface Mark {
  readonly row: string
  /** How the row became text. Default: it is text. */
  readonly encoding?: 'base64'
  readonly expires: number | null
}

/** What was found in the store. */
export interface Found {
  readonly stored: StoredSession
  /** As the store gave it. */
  readonly session: object
  /** Whether express-session made it. */
  readonly isForeign: boolean
}

/** Stores look for the end of a session in different places, and some for a live `maxAge`. */
class RowCookie {
  readonly originalMaxAge: number
  readonly expires: Date
  readonly httpOnly = true
  readonly path = '/'

  constructor(span: number) {
    this.originalMaxAge = span
    this.expires = new Date(Date.now() + span)
  }

  get maxAge(): number {
    return this.expires.getTime() - Date.now()
  }

  toJSON(): object {
    const { originalMaxAge, expires, httpOnly, path } = this
    return { originalMaxAge, expires, httpOnly, path }
  }
}

/** Stores have defaults of their own for a session without an end, mostly a day. */
const FOREVER = 3650 * 86_400_000

/** The object for a row. Its cookie counts in real time, whatever `now` is. */
export function sessionFor(payload: Uint8Array, expires: number | null, now: number): object {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  const text = bytes.toString()
  // Databases take no NUL in a text.
  const isText = !text.includes('\0') && Buffer.from(text).equals(bytes)
  const mark: Mark = isText
    ? { row: text, expires }
    : { row: bytes.toString('base64'), encoding: 'base64', expires }
  return { cookie: cookieUntil(expires, now), sessd: mark }
}

/** The same row with another end. */
export function withExpiry(session: object, expires: number | null, now: number): object {
  const { sessd } = session as { sessd: Mark }
  return { cookie: cookieUntil(expires, now), sessd: { ...sessd, expires } }
}

function cookieUntil(expires: number | null, now: number): RowCookie {
  return new RowCookie(expires === null ? FOREVER : expires - now)
}

/** A session of express-session's as its own middleware would have it touched: it lives as long again as it did. */
export function touchedForeign(session: object): object {
  const { cookie } = session as { cookie?: { originalMaxAge?: unknown } }
  const span = cookie?.originalMaxAge
  return typeof span === 'number' && span > 0 ? { ...session, cookie: new RowCookie(span) } : session
}

/** Reads what a store gave; null when it is no session. */
export function readSession(session: unknown, adopt: Adopt): Found | null {
  if (typeof session !== 'object' || session === null) return null
  const { sessd } = session as { sessd?: unknown }
  if (isMark(sessd)) {
    const { row, encoding, expires } = sessd
    const payload = Buffer.from(row, encoding ?? 'utf8')
    return { stored: { payload, revision: `row ${row}`, expiresAt: expires }, session, isForeign: false }
  }
  const data = dataOf(session)
  const revision = `foreign ${JSON.stringify(data)}`
  // The store knows when it dies, and we don't.
  return { stored: { payload: adopt(data), revision, expiresAt: null }, session, isForeign: true }
}

function isMark(value: unknown): value is Mark {
  if (typeof value !== 'object' || value === null) return false
  const { row, encoding, expires } = value as Record<string, unknown>
  return (
    typeof row === 'string' &&
    (encoding === undefined || encoding === 'base64') &&
    (expires === null || typeof expires === 'number')
  )
}

/** `__lastAccess` is session-file-store's. */
function dataOf(session: object): Record<string, unknown> {
  const entries = Object.entries(session).filter(([key]) => key !== 'cookie' && key !== '__lastAccess')
  return Object.fromEntries(entries)
}

/** The revision of a row that was just stored. */
export function revisionOf(session: object): string {
  return `row ${(session as { sessd: Mark }).sessd.row}`
}
