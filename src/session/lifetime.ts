// How long sessions live. All times are epoch milliseconds, all spans milliseconds; null: none.

import type { Document } from './codec.js'
import type { StoredSession } from './store.js'

export interface Lifetime {
  /** How long a session lives without being used. */
  readonly timeout: number | null
  /** How long a session lives at most. */
  readonly absoluteTimeout: number | null
}

/** When a row that is used now and was made at `created` shall die. */
export function expiresAt(life: Lifetime, created: number | null, now: number): number | null {
  const idle = life.timeout === null ? null : now + life.timeout
  if (life.absoluteTimeout === null) return idle
  const absolute = (created ?? now) + life.absoluteTimeout
  return idle === null ? absolute : Math.min(idle, absolute)
}

/**
 * The access that was recorded last, never in the future. A touch moves the row's expiry and leaves its bytes alone, so
 * the later of the two times is the true one.
 */
export function lastAccess(
  life: Lifetime,
  document: Document<unknown>,
  stored: StoredSession,
  now: number,
): number {
  const written = document.accessed ?? document.created ?? now
  if (life.timeout === null || stored.expiresAt === null) return Math.min(written, now)
  return Math.min(Math.max(written, stored.expiresAt - life.timeout), now)
}

/** Judged from stored times, whatever the store says: Beaker's rule is `now - accessed > timeout`. */
export function isExpired(life: Lifetime, created: number | null, accessed: number, now: number): boolean {
  if (life.timeout !== null && now - accessed > life.timeout) return true
  return life.absoluteTimeout !== null && created !== null && now - created > life.absoluteTimeout
}
