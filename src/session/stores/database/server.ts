// What a store on a database server needs of the server: statements on many rows at once where they are frequent, on
// one where they are not. PostgreSQL and MySQL each say it in their own words.

import type { Expiry, Layout } from './layout.js'
import type { ServerTarget } from './url.js'

export interface ServerSettings {
  readonly target: ServerTarget
  readonly layout: Layout
  /** Connections, at most. */
  readonly poolSize: number
  /** How long connecting, and a statement, may take, in milliseconds. */
  readonly timeout: number
  /** Whether statements are prepared, once per connection. */
  readonly prepare: boolean
}

export interface SqlServer {
  /** What errors call it: dialect and place, no user and no password. */
  readonly name: string
  /** Rows that one statement loads, and saves, at most. */
  readonly batch: { readonly load: number; readonly save: number }
  /** Statements that load, and that save, which may be under way at a time. */
  readonly lanes: { readonly load: number; readonly save: number }
  /** How long a statement may take, in milliseconds. */
  readonly timeout: number

  /** The rows of these ids, in any order. */
  load(ids: readonly string[]): Promise<readonly LoadedRow[]>
  /** Inserts rows, also in the place of dead ones. Answers the ids that were not taken. */
  insert(rows: readonly NewRow[], deadline: Expiry): Promise<readonly string[]>
  /** Replaces live rows that hold what is expected. Answers the ids of those. */
  replace(rows: readonly Replacement[], deadline: Expiry): Promise<readonly string[]>
  /** Moves the expiry of live rows. Answers the ids of those that there are. */
  touch(rows: readonly Touch[], deadline: Expiry): Promise<readonly string[]>
  /** Removes a live row; answers whether there was one. */
  remove(id: string, deadline: Expiry): Promise<boolean>
  /** Removes a dead row. */
  removeDead(id: string, deadline: Expiry): Promise<void>
  /** Removes dead rows, at most `limit`; answers how many. */
  sweep(deadline: Expiry, limit: number): Promise<number>
  /** Ids of live rows that come after this one, in order, at most `limit`. */
  idsAfter(id: string, deadline: Expiry, limit: number): Promise<readonly string[]>
  /** Gives a row another id, and takes away who has that. */
  rename(id: string, newId: string, expiry: Expiry): Promise<void>
  /** Makes the table, if it is not there. Others may be doing the same. */
  createTable(): Promise<void>
  /** What went wrong, as far as something can be done about it. */
  diagnose(error: unknown): Diagnosis
  close(): Promise<void>
}

/**
 * `no-table`: there is none yet. `collision`: others were in the way, and nothing was done. `lost`: the connection went,
 * and what was asked may have been done. `late`: the time is over.
 */
export type Diagnosis = 'no-table' | 'collision' | 'lost' | 'late' | 'other'

export interface LoadedRow {
  readonly id: string
  readonly payload: Uint8Array
  readonly expiry: unknown
}

export interface NewRow {
  readonly id: string
  readonly payload: Buffer
  readonly expiry: Expiry
  /** For layouts that have such a column; empty for others. */
  readonly created: string
}

export interface Replacement {
  readonly id: string
  readonly expected: Buffer
  readonly payload: Buffer
  readonly expiry: Expiry
}

export interface Touch {
  readonly id: string
  readonly expiry: Expiry
}
