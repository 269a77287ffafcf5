// What the engines are told about sessions in general. Times are milliseconds.

import type { Document } from './codec.js'
import type { Lifetime } from './lifetime.js'

export interface SessionSettings extends Lifetime {
  /** An access is recorded when the last one recorded is older than this; null: accesses are not recorded. */
  readonly touchAfter: number | null
  /** Changes are stored without save(). */
  readonly auto: boolean
  /** A row that can't be decoded is set aside and the visitor starts anew; else the request fails. */
  readonly invalidateCorrupt: boolean
  /**
   * What a request gets whose session can't be loaded because the store is away: an error; the session as this process
   * saw it last, or else an empty one, that can only be read; or an empty one that can only be read.
   */
  readonly onStoreError: 'error' | 'readonly' | 'anonymous'
  /** A change that meets another one makes the request fail, in place of a merge. */
  readonly failOnConflict: boolean
  /** How large a row may be, in bytes. */
  readonly maxBytes: number
  /** An access is written into the row itself, because others read it there. */
  readonly touchRewrites: boolean
  /** What new sessions say about their cookie; undefined: nothing. */
  readonly newDomain: string | null | undefined
  readonly newPath: string | undefined
}

/** Somebody else changed the session first, and `on_conflict = fail`. */
export class SessionConflict extends Error {
  override readonly name = 'SessionConflict'
}

/** A session that is larger than `max_bytes` allows. */
export class OversizedSession extends RangeError {
  override readonly name = 'OversizedSession'
}

/** The document of a session that nobody has stored yet. */
export function blankDocument<E>(settings: SessionSettings): Document<E> {
  return {
    created: null,
    accessed: null,
    values: new Map(),
    domain: settings.newDomain,
    path: settings.newPath,
  }
}

/** Sessions that were ended leave an empty row for a moment when their id changes. None of ours has no birth date. */
export function isVacant(document: Document<unknown>): boolean {
  return document.created === null && document.values.size === 0
}

/** After so many conflicts in a row something is wrong, and the request fails. */
export const MAX_ATTEMPTS = 50

/** What is said when that was not enough. */
export function tooManyConflicts(what: 'stored' | 'moved'): Error {
  return new Error(
    `the session could not be ${what}: it was changed by others ${MAX_ATTEMPTS} times in a row`,
  )
}
