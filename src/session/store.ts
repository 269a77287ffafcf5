// The store contract: bytes by id, with compare-and-set. Everything else (deadlines, merging, formats, hashing of ids)
// is written once, above the stores. "Not found" is a value; a rejection means that the backend is broken.

import type { MaybePromise } from '../protocol.js'

/**
 * Names one version of one row. The store makes it; nobody else looks inside, except that two revisions of the same
 * bytes may be equal. A store that compares the bytes themselves uses the bytes. A counter must never count the same
 * number twice for one id.
 */
export type Revision = string | number | bigint | Uint8Array

export interface StoredSession {
  /** The row as it was saved. Shared: nobody may change it. */
  readonly payload: Uint8Array
  readonly revision: Revision
  /** When it dies, in epoch milliseconds; null: never. As last saved or touched. */
  readonly expiresAt: number | null
}

export type SaveResult =
  | { readonly saved: true; readonly revision: Revision }
  /** Somebody else was first: the row as it is now, or null when it is gone (deleted or expired). */
  | { readonly saved: false; readonly current: StoredSession | null }

export interface SaveOptions {
  /** When the row shall die, in epoch milliseconds; null: never. */
  readonly expiresAt: number | null
  /** null: insert only, a conflict when there is a live row. A revision: replace only that version. */
  readonly expected: Revision | null
}

/**
 * A backend. Each method answers at once where the backend can (memory), else with a promise.
 * Rejects (or throws) for system faults only: unreachable, full, no permission.
 * Ids are made or checked by the caller: 1 to 128 characters of `[A-Za-z0-9_-]`.
 */
export interface SessionStore {
  /** Unknown, expired and set-aside rows are null. An expired row is removed when met. */
  load(id: string): MaybePromise<StoredSession | null>
  /** Compare-and-set, atomic among all users of the store within its scope. A replace never creates. */
  save(id: string, payload: Uint8Array, options: SaveOptions): MaybePromise<SaveResult>
  /** Answers whether there was a live row. Deleting what is not there, or has expired, is no error. */
  delete(id: string): MaybePromise<boolean>
  /** Who shares the rows: this process, all processes of this host, or every host that reaches the backend. */
  readonly scope: 'process' | 'host' | 'network'

  /** Moves the expiry without changing payload or revision. False when the row is gone. */
  touch?(id: string, expiresAt: number | null): MaybePromise<boolean>
  /** Removes expired rows, at most `limit`; answers how many. Bounded: never blocks the loop for long. */
  sweep?(limit: number): MaybePromise<number>
  /** The ids of live rows. May miss or repeat what is written meanwhile; never throws because of it. */
  ids?(): AsyncIterable<string> | Iterable<string>
  /** Puts a row that can't be decoded out of the way, for a human to look at. Without it the row is deleted. */
  setAside?(id: string): MaybePromise<void>
  /**
   * Names the part of the backend that has this row, at once, where one part may be away without the others: a node of a
   * cluster, one of several servers. undefined: not known, or all are away. Without it the store fails as a whole.
   */
  shardOf?(id: string): string | undefined
  /** Resolves when the backend answers. */
  ping?(): MaybePromise<void>
  /** Lets go of files, timers and sockets. Twice is once; operations after it reject, those under way settle. */
  close?(): MaybePromise<void>
}
