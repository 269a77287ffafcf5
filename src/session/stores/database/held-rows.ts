// Rows of a SQLite file that need not be asked for again, since nobody has changed the file meanwhile. Also when somebody
// has, a row that was held is a guess: SQLite compares, and need not hand over what is still the same.

import type { StoredSession } from '../../store.js'
import { RecentRows } from './recent-rows.js'
import { UNKNOWN, type WalState } from './wal-state.js'

/** What no row holds. */
const NO_GUESS = new Uint8Array()

export class HeldRows {
  readonly #state: WalState
  readonly #recent = new RecentRows()
  /** What the transaction under way makes of rows; null: gone, or not known. undefined: there is no transaction. */
  #written: Map<string, StoredSession | null> | undefined
  /** Of the file that the transaction writes to. */
  #writtenTo = UNKNOWN
  #forget = false

  constructor(state: WalState) {
    this.#state = state
  }

  /**
   * The row as SQLite would give it now; null: none. `ask` asks SQLite, with a guess at the payload: an answer with the
   * very same array says that it was right.
   */
  load(id: string, ask: (guess: Uint8Array) => StoredSession | null): StoredSession | null {
    const held = this.#recent.get(id)
    const guess = held === undefined ? NO_GUESS : held.row.payload
    // What a transaction sees may never come true.
    if (this.#written !== undefined) return ask(guess)
    const state = this.#state.number()
    if (held !== undefined && state !== UNKNOWN && held.state === state) return held.row
    const row = ask(guess)
    // Of this state or of a later one, and then this one never comes again.
    if (row !== null && (state !== UNKNOWN || row.payload !== guess)) this.#recent.put(id, row, state)
    return row
  }

  /** A transaction has begun: the lock of writers is ours. */
  begin(): void {
    this.#written = new Map()
    this.#writtenTo = this.#state.beginWrite()
    this.#forget = false
  }

  /** What the transaction makes of a row; null: it is gone, or hard to tell. */
  write(id: string, row: StoredSession | null): void {
    this.#written?.set(id, row)
  }

  /** The transaction moves when a row dies, and leaves its payload as it is. */
  touch(id: string, expiresAt: number | null): void {
    const written = this.#written?.get(id)
    const held = this.#recent.get(id)
    const isSure = written === undefined && held !== undefined && held.state === this.#writtenTo
    const row = isSure ? held.row : (written ?? null)
    this.write(id, row === null ? null : { ...row, expiresAt })
  }

  /** The transaction changes rows without naming them. */
  writeAny(): void {
    this.#forget = true
  }

  commit(): void {
    const written = this.#written!
    this.#written = undefined
    if (written.size === 0 && !this.#forget) return
    this.#state.endWrite()
    if (this.#forget) this.#state.forget()
    const state = this.#writtenTo
    for (const [id, row] of written) {
      if (row !== null) this.#recent.put(id, row, state)
      else this.#recent.delete(id)
    }
  }

  rollback(): void {
    this.#written = undefined
  }

  /** Looks whether the files of the database are still in place. */
  checkFiles(): void {
    this.#state.checkFile()
  }

  /** To be called after the database is closed, not before. */
  close(): void {
    this.#state.close()
  }
}
