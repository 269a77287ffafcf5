// Rows that were read or saved lately, each with the state of the database that it is known from. Two generations, so
// that forgetting costs nothing per row.

import type { StoredSession } from '../../store.js'

/** Of a generation: some thousand rows of an ordinary size. */
const MAX_BYTES = 2_000_000
/** Of a payload. */
const MAX_PAYLOAD = 65_536
/** About what a row takes besides its payload, in bytes. */
const OVERHEAD = 400

export interface RecentRow {
  readonly row: StoredSession
  /** As whoever put it counts states. */
  readonly state: number
}

/** Keeps about twice MAX_BYTES at most. */
export class RecentRows {
  #young = new Map<string, RecentRow>()
  #old = new Map<string, RecentRow>()
  /** Of the young ones, in bytes. */
  #size = 0

  /** What was put last, if it is still there. */
  get(id: string): RecentRow | undefined {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const old = this.#old.get(id)
    if (old !== undefined) this.#add(id, old)
    return old
  }

  put(id: string, row: StoredSession, state: number): void {
    if (row.payload.length > MAX_PAYLOAD) this.delete(id)
    else this.#add(id, { row, state })
  }

  delete(id: string): void {
    const young = this.#young.get(id)
    if (young !== undefined) this.#size -= sizeOf(young)
    this.#young.delete(id)
    this.#old.delete(id)
  }

  #add(id: string, recent: RecentRow): void {
    if (this.#size >= MAX_BYTES) {
      this.#old = this.#young
      this.#young = new Map()
      this.#size = 0
    }
    const replaced = this.#young.get(id)
    if (replaced !== undefined) this.#size -= sizeOf(replaced)
    this.#young.set(id, recent)
    this.#size += sizeOf(recent)
  }
}

function sizeOf({ row }: RecentRow): number {
  return row.payload.length + OVERHEAD
}
