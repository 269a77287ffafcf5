// One request at a time, for those who ask for it: a lock is a row of the same store that only one can insert, and that
// dies by itself when its holder does.

import type { Clock } from './clock.js'
import type { SessionStore } from './store.js'

/** The lock was not to be had in time. */
export class LockTimeout extends Error {
  override readonly name = 'LockTimeout'
}

/** Gives a lock back. Twice is once. */
export type Release = () => Promise<void>

export class Locks {
  readonly #store: SessionStore
  readonly #clock: Clock
  readonly #limit: number
  /** Those of this process that wait, per id: they are woken when it gives the lock back. */
  readonly #waiting = new Map<string, Set<() => void>>()

  /** `limit`: how long one waits for a lock at most, and how long one is held at most, in milliseconds. */
  constructor(store: SessionStore, clock: Clock, limit: number) {
    this.#store = store
    this.#clock = clock
    this.#limit = limit
  }

  /** Rejects with LockTimeout when others hold it for too long. */
  async acquire(id: string): Promise<Release> {
    const row = `${PREFIX}${id}`
    const giveUp = performance.now() + this.#limit
    for (let attempt = 1; ; attempt++) {
      const expiresAt = this.#clock() + this.#limit
      const result = await this.#store.save(row, new Uint8Array(), { expiresAt, expected: null })
      if (result.saved) return this.#releaser(id, row, expiresAt)
      const left = giveUp - performance.now()
      if (left <= 0) throw new LockTimeout(`the session was not free within ${this.#limit} ms`)
      await this.#pause(id, Math.min(left, 2 ** Math.min(attempt, 6) * (0.5 + Math.random())))
    }
  }

  #releaser(id: string, row: string, expiresAt: number): Release {
    let held = true
    return async () => {
      // After the limit it is not ours any more, and to delete it would be to take it from another.
      if (held && this.#clock() < expiresAt) await this.#store.delete(row)
      held = false
      const [wake] = this.#waiting.get(id) ?? []
      wake?.()
    }
  }

  /** Some milliseconds, or until this process gives the lock back. */
  #pause(id: string, milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id) ?? new Set()
      this.#waiting.set(id, waiting)
      const wake = () => {
        clearTimeout(timer)
        waiting.delete(wake)
        if (waiting.size === 0) this.#waiting.delete(id)
        resolve()
      }
      const timer = setTimeout(wake, milliseconds)
      waiting.add(wake)
    })
  }
}

const PREFIX = 'lock-'

/** Whether a row of this id is a lock, and no session: ids of sessions are hex digits. */
export function isLockRow(id: string): boolean {
  return id.startsWith(PREFIX)
}
