// `accept`: sessions of another library, taken over once each. Its cookie proves the id, its row gives the data; then the
// session goes on as one of ours, under a new id, and the old row is gone.

import { createHmac } from 'node:crypto'
import type { Clock } from './clock.js'
import { type Codec, CorruptSession, type Document, ForeignSession, UnstorableValue } from './codec.js'
import { sessdCodec } from './codecs/sessd.js'
import { isId } from './id.js'
import { sameText } from './signer.js'
import type { SessionStore } from './store.js'

export interface Takeover<E> {
  /** Where the other library keeps its rows. */
  readonly store: SessionStore
  /** The id in a cookie value that the other library signed, else null. */
  verify(value: string): string | null
  /** Throws CorruptSession or ForeignSession. */
  decode(payload: Uint8Array): Document<E>
  /** A row without a session, as the other library writes it: what is left for the moment between two steps. */
  readonly vacant: Uint8Array
}

/** What `codec` reads, in our own form. Throws ForeignSession for what JSON can't hold: bytes, NaN, large integers. */
export function translate<E>(codec: Codec<E>, document: Document<E>): Document<string> {
  const values = new Map<string, string>()
  const { created, accessed } = document
  let reason: string | undefined
  for (const [key, encoded] of document.values) {
    try {
      values.set(key, sessdCodec.freeze(key, codec.thaw(encoded)))
    } catch (error) {
      if (!(error instanceof UnstorableValue)) throw error
      reason = error.message
    }
  }
  if (reason !== undefined) throw new ForeignSession(reason, { created, accessed, values })
  return { created, accessed, values }
}

/** Cookies of express-session: `s:<id>.<base64 of HMAC-SHA256>`, percent-encoded; rows are JSON with a `cookie` member. */
export function expressSession(
  store: SessionStore,
  secrets: readonly string[],
  clock: Clock,
): Takeover<string> {
  return {
    store,
    vacant: Buffer.from('{}'),
    verify(value) {
      const text = decodeValue(value)
      if (text === null || !text.startsWith('s:')) return null
      const dot = text.lastIndexOf('.')
      const id = text.slice(2, dot)
      if (dot < 3 || !isId(id)) return null
      const given = text.slice(dot + 1)
      const isOurs = secrets.some((secret) => {
        const signature = createHmac('sha256', secret).update(id).digest('base64')
        return sameText(given, signature.replace(/=+$/, ''))
      })
      return isOurs ? id : null
    },
    decode(payload) {
      const row = parseRow(payload)
      // A store that keeps express-session's rows for us may hand them over translated.
      if ('sessd' in row) return sessdCodec.decode(payload)
      const values = new Map<string, string>()
      if (isOver(row.cookie, clock())) return { created: null, accessed: null, values }
      for (const [key, value] of Object.entries(row)) {
        if (key !== 'cookie') values.set(key, JSON.stringify(value))
      }
      return { created: null, accessed: null, values }
    },
  }
}

function parseRow(payload: Uint8Array): Record<string, unknown> {
  let row: unknown
  try {
    row = JSON.parse(Buffer.from(payload).toString())
  } catch {
    throw new CorruptSession('a row of express-session that is no JSON')
  }
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) return row as Record<string, unknown>
  throw new CorruptSession('a row of express-session that is no object')
}

/** express-session keeps in the row when its cookie dies. */
function isOver(cookie: unknown, now: number): boolean {
  const { expires } = (cookie ?? {}) as { expires?: unknown }
  return typeof expires === 'string' && Date.parse(expires) <= now
}

function decodeValue(value: string): string | null {
  try {
    return decodeURIComponent(value)
  } catch {
    return null
  }
}
