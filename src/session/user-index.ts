// Whose sessions: for each user that sessions are bound to, a row of the same store that lists their ids. It is kept by
// compare-and-set like any other row, so every store can have it. An id in it may be dead; whoever reads it looks.

import { createHash } from 'node:crypto'
import type { Clock } from './clock.js'
import { pauseAfter } from './retry.js'
import type { SessionStore, StoredSession } from './store.js'

/** What the index knows of one session. */
export interface IndexEntry {
  readonly id: string
  /** When it was bound to the user, epoch milliseconds. */
  readonly bound: number
  /** What the app said of the device, if it said anything. */
  readonly device?: string
}

/** After so many conflicts in a row something is wrong. */
const MAX_ATTEMPTS = 50

/** An empty list is soon swept, milliseconds. */
const EMPTY_LIFE = 60_000

export class UserIndex {
  readonly #store: SessionStore
  readonly #clock: Clock

  constructor(store: SessionStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Oldest first. */
  async entries(user: string): Promise<readonly IndexEntry[]> {
    const stored = await this.#store.load(rowId(user))
    return stored === null ? [] : readEntries(stored)
  }

  /**
   * Replaces the entries by what `change` makes of them; `change` runs again when another process was first.
   * Answers what was stored.
   */
  async update(
    user: string,
    change: (entries: readonly IndexEntry[]) => readonly IndexEntry[],
  ): Promise<readonly IndexEntry[]> {
    const id = rowId(user)
    let stored = await this.#store.load(id)
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const before = stored === null ? [] : readEntries(stored)
      const entries = change(before)
      if (entries === before || (entries.length === 0 && stored === null)) return entries
      const payload = Buffer.from(JSON.stringify({ sessions: entries }))
      const expected = stored?.revision ?? null
      const expiresAt = entries.length === 0 ? this.#clock() + EMPTY_LIFE : null
      const result = await this.#store.save(id, payload, { expiresAt, expected })
      if (result.saved) return entries
      stored = result.current
      await pauseAfter(attempt)
    }
    throw new Error('the list of a user’s sessions could not be stored: others changed it all the time')
  }
}

/** Whether a row of this id is such a list, and no session: ids of sessions are hex digits. */
export function isUserRow(id: string): boolean {
  return id.startsWith(PREFIX)
}

const PREFIX = 'user-'

/** Users have any name; ids of rows don't. */
function rowId(user: string): string {
  return `${PREFIX}${createHash('sha256').update(user).digest('hex')}`
}

function readEntries(stored: StoredSession): readonly IndexEntry[] {
  try {
    const row: unknown = JSON.parse(Buffer.from(stored.payload).toString())
    const { sessions } = row as { sessions?: unknown }
    if (Array.isArray(sessions)) return sessions.filter(isEntry)
  } catch {
    // Not ours, or cut: begun anew, and sessions that it named are bound again when they are used.
  }
  return []
}

function isEntry(value: unknown): value is IndexEntry {
  const entry = value as Partial<IndexEntry> | null
  return typeof entry?.id === 'string' && typeof entry.bound === 'number'
}
