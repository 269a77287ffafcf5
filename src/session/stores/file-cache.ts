// Session files that were read lately, so that one system call instead of four answers for a file that is still the
// same. Saving never looks in here: it compares what is really in the file.

import type { Stats } from 'node:fs'
import type { StoredSession } from '../store.js'

const MAX_ROWS = 4096
const MAX_SIZE = 4096

/** File systems count time in steps, of up to two seconds: a file changed so lately may change again unseen. */
const SETTLED_MS = 2000

interface Entry {
  readonly row: StoredSession
  readonly inode: number
  readonly size: number
  readonly written: number
  readonly changed: number
}

/** Keeps up to twice MAX_ROWS rows: when the young are many enough, they become the old, and the old are dropped. */
export class RecentRows {
  #young = new Map<string, Entry>()
  #old = new Map<string, Entry>()

  /** The row as it was read, if the file is the one that was read then. */
  get(id: string, stat: Stats): StoredSession | undefined {
    const entry = this.#young.get(id) ?? this.#old.get(id)
    if (
      entry === undefined ||
      entry.changed !== stat.ctimeMs ||
      entry.written !== stat.mtimeMs ||
      entry.inode !== stat.ino ||
      entry.size !== stat.size
    ) {
      return undefined
    }
    this.#keep(id, entry)
    return entry.row
  }

  /** Keeps a small row whose file has been left alone for a while. */
  put(id: string, row: StoredSession, stat: Stats): void {
    if (stat.size > MAX_SIZE || Date.now() - stat.ctimeMs < SETTLED_MS) return
    this.#keep(id, {
      row,
      inode: stat.ino,
      size: stat.size,
      written: stat.mtimeMs,
      changed: stat.ctimeMs,
    })
  }

  delete(id: string): void {
    this.#young.delete(id)
    this.#old.delete(id)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }

  #keep(id: string, entry: Entry): void {
    if (this.#young.get(id) === entry) return
    if (this.#young.size >= MAX_ROWS) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(id, entry)
  }
}
