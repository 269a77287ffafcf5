// Rows that were read or saved lately, each with the state of the database that it is known from.

import { RecentMap } from '../../recent-map.js'
import type { StoredSession } from '../../store.js'

/** Of all together: some thousand rows of an ordinary size. */
const MAX_BYTES = 4_000_000
/** Of a payload. */
const MAX_PAYLOAD = 65_536
/** About what a row takes besides its payload, in bytes. */
const OVERHEAD = 400

export interface RecentRow {
  readonly row: StoredSession
  /** As whoever put it counts states. */
  readonly state: number
}

export class RecentRows {
  readonly #rows = new RecentMap<RecentRow>(MAX_BYTES, ({ row }) => row.payload.length + OVERHEAD)

  /** What was put last, if it is still there. */
  get(id: string): RecentRow | undefined {
    return this.#rows.get(id)
  }

  put(id: string, row: StoredSession, state: number): void {
    if (row.payload.length > MAX_PAYLOAD) this.#rows.delete(id)
    else this.#rows.set(id, { row, state })
  }

  delete(id: string): void {
    this.#rows.delete(id)
  }
}
