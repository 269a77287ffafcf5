// Session files that were read lately, so that one system call instead of four answers for a file that is still the
// same. Saving never looks in here: it compares what is really in the file.

import type { Stats } from 'node:fs'
import { RecentMap } from '../recent-map.js'
import type { StoredSession } from '../store.js'

const MAX_ROWS = 8192
const MAX_SIZE = 4096

/**
 * File systems count time in steps, and a file that was changed within this one may change again unseen. A time that is
 * no whole second is counted finer: in steps of the system's clock, 16 ms at most, or of 10 ms (exFAT); the rest is for
 * machines that are held up. A time that is one may be of a file system that knows no others: steps of up to two seconds.
 */
const FINE_STEP_MS = 250
const COARSE_STEP_MS = 2000

/** A row as it was read, and the state of its file then. */
export interface RecentRow {
  readonly row: StoredSession
  readonly path: string
  readonly inode: number
  readonly size: number
  readonly written: number
  readonly changed: number
}

export class RecentRows {
  readonly #rows = new RecentMap<RecentRow>(MAX_ROWS)

  /** What is known of a row; whether it still holds is for the caller to see, by `isUnchanged`. */
  find(id: string): RecentRow | undefined {
    return this.#rows.get(id)
  }

  /** Keeps a small row whose file had been left alone for a while at `now`, in epoch milliseconds: before it was read. */
  put(id: string, path: string, row: StoredSession, stat: Stats, now: number): void {
    const { size, ino: inode, mtimeMs: written, ctimeMs: changed } = stat
    const step = changed % 1000 === 0 ? COARSE_STEP_MS : FINE_STEP_MS
    if (size > MAX_SIZE || now - changed < step) return
    this.#rows.set(id, { row, path, inode, size, written, changed })
  }

  delete(id: string): void {
    this.#rows.delete(id)
  }

  clear(): void {
    this.#rows.clear()
  }
}

/** Whether a file is still the one that was read. */
export function isUnchanged({ changed, written, inode, size }: RecentRow, stat: Stats): boolean {
  return changed === stat.ctimeMs && written === stat.mtimeMs && inode === stat.ino && size === stat.size
}
