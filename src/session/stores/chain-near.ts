// A store of a chain that is not the last: it keeps copies, and whatever goes wrong with it is only counted. When a copy
// could not be changed or removed, none of its copies is believed before the oldest have run out.

import type { MaybePromise } from '../../protocol.js'
import type { Clock } from '../clock.js'
import { Deadlines } from '../deadlines.js'
import { after, isPromise } from '../maybe-promise.js'
import type { SaveResult, SessionStore, StoredSession } from '../store.js'
import { type Copy, decodeCopy, encodeCopy } from './chain-copy.js'

/** What happened since the chain was made. */
export interface NearStats {
  readonly hits: number
  readonly misses: number
  /** It threw, rejected, was slow, or answered nonsense. */
  readonly failures: number
}

/** A near store that takes longer than this, in milliseconds, is not near. */
const PATIENCE = 100

/** How long one that could not be read is left alone, in milliseconds. */
const PAUSE = 1000

/** After so many copies, expired ones are removed, twice as many: nobody else does it. */
const SWEEP_AFTER = 100

export class NearStore {
  readonly #store: SessionStore
  readonly #maxAge: number
  readonly #clock: Clock
  readonly #deadlines = new Deadlines(PATIENCE)
  #hits = 0
  #misses = 0
  #failures = 0
  #puts = 0
  /** From then on no copy was made, until then none is believed. */
  #pausedSince = 0
  #pausedUntil = Number.NEGATIVE_INFINITY

  constructor(store: SessionStore, { maxAge, clock }: { maxAge: number; clock: Clock }) {
    this.#store = store
    this.#maxAge = maxAge
    this.#clock = clock
  }

  /** A copy that is believed. */
  load(id: string): MaybePromise<Copy | null> {
    if (this.#isPaused()) return null
    return this.#attempt(PAUSE, null, () => after(this.#store.load(id), (stored) => this.#believed(stored)))
  }

  /** Keeps a copy, of a row as it is in the last store, or of another copy. */
  put(id: string, row: StoredSession, believedUntil = Number.POSITIVE_INFINITY): MaybePromise<void> {
    if (this.#isPaused()) return
    const until = Math.min(
      this.#clock() + this.#maxAge,
      row.expiresAt ?? Number.POSITIVE_INFINITY,
      believedUntil,
    )
    const bytes = encodeCopy({ row, until })
    const save = (expected: StoredSession | null): MaybePromise<SaveResult> =>
      this.#store.save(id, bytes, { expiresAt: until, expected: expected?.revision ?? null })
    if (++this.#puts % SWEEP_AFTER === 0) void this.#sweep()
    return this.#attempt(this.#maxAge, undefined, () =>
      after(save(null), (inserted) => {
        if (inserted.saved) return
        return after(save(inserted.current), (replaced) => {
          if (!replaced.saved) return after(this.#store.delete(id), () => {})
        })
      }),
    )
  }

  /** Removes the copy. */
  drop(id: string): MaybePromise<void> {
    if (this.#isPaused()) {
      this.#pausedUntil = Math.max(this.#pausedUntil, this.#pausedSince + this.#maxAge)
      return
    }
    return this.#attempt(this.#maxAge, undefined, () => after(this.#store.delete(id), () => {}))
  }

  close(): MaybePromise<void> {
    return this.#store.close?.()
  }

  stats(): NearStats {
    return { hits: this.#hits, misses: this.#misses, failures: this.#failures }
  }

  #believed(stored: StoredSession | null): Copy | null {
    const copy = stored === null ? null : this.#decode(stored.payload)
    const isBelieved = copy !== null && copy.until > this.#clock()
    if (isBelieved) this.#hits++
    else this.#misses++
    return isBelieved ? copy : null
  }

  #decode(payload: Uint8Array): Copy | null {
    try {
      return decodeCopy(payload)
    } catch {
      this.#failures++
      return null
    }
  }

  #sweep(): MaybePromise<void> {
    return this.#attempt(0, undefined, () => after(this.#store.sweep?.(2 * SWEEP_AFTER), () => {}))
  }

  /** What `work` answers; `otherwise`, and a pause, when it fails or takes too long. */
  #attempt<T>(pause: number, otherwise: T, work: () => MaybePromise<T>): MaybePromise<T> {
    const fail = (): T => {
      this.#failures++
      this.#pause(pause)
      return otherwise
    }
    try {
      const result = work()
      if (!isPromise(result)) return result
      return this.#deadlines.limit(result, () => new Error('a near store is slow')).catch(fail)
    } catch {
      return fail()
    }
  }

  #isPaused(): boolean {
    return this.#clock() < this.#pausedUntil
  }

  #pause(span: number): void {
    if (span === 0) return
    if (!this.#isPaused()) this.#pausedSince = this.#clock()
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock() + span)
  }
}
