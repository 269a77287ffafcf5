// One process at a time per session file. A lock is a hard link to a file that names its owner: made in one step, never
// half written, and cheaper than a file of its own. Beaker's flock is another thing, and does not meet these.

import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MaybePromise } from '../../protocol.js'
import { isPromise, lastly } from '../maybe-promise.js'
import { isAbandoned, makeOwner } from './file-owner.js'

/** A lock is normally held for a fraction of a millisecond. */
const PATIENCE_MS = 10_000
const MAX_PAUSE_MS = 8

export class FileLocks {
  readonly directory: string
  /** Who we are, to other processes. */
  readonly owner = makeOwner()
  readonly #card: string
  readonly #patience: number
  /** The last work of this process that is under way, per id. */
  readonly #tails = new Map<string, Promise<unknown>>()

  /** `patience`: how many milliseconds to wait for another process before giving up. */
  constructor(directory: string, patience = PATIENCE_MS) {
    this.directory = directory
    this.#patience = patience
    this.#card = join(directory, `${this.owner}.owner`)
  }

  /** Runs `work` when nobody else, in this process or another, is at work on `id`; at once if that is so now. */
  hold<R>(id: string, work: () => MaybePromise<R>): MaybePromise<R> {
    const begin = () =>
      this.#acquire(id) ? this.#locked(id, work) : this.#wait(id).then(() => this.#locked(id, work))
    const tail = this.#tails.get(id)
    const result = tail === undefined ? begin() : tail.then(begin, begin)
    if (isPromise(result)) {
      const done = () => {
        if (this.#tails.get(id) === result) this.#tails.delete(id)
      }
      this.#tails.set(id, result)
      result.then(done, done)
    }
    return result
  }

  /** Runs `work` if nobody else is at work on `id`; answers undefined if somebody is. */
  tryHold<R>(id: string, work: () => R): R | undefined {
    return this.#acquire(id) ? (this.#locked(id, work) as R) : undefined
  }

  /** Makes the directory and our card in it, and takes away what dead processes left there. */
  prepare(): void {
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    if (!existsSync(this.#card)) writeFileSync(this.#card, this.owner, { mode: 0o600 })
    this.sweep()
  }

  /** Takes away the locks and cards of dead processes. */
  sweep(): void {
    for (const name of readdirSync(this.directory)) {
      const [, stem, kind] = /^(.+)\.(lock|owner)$/.exec(name) ?? []
      if (kind === 'lock') this.#breakAbandoned(stem!)
      else if (kind === 'owner' && stem !== this.owner) {
        const time = readLock(join(this.directory, name))?.time
        if (time !== undefined && isAbandoned(stem!, time)) remove(join(this.directory, name))
      }
    }
  }

  /** Resolves when all work under locks is done. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#tails.values())
    remove(this.#card)
  }

  #locked<R>(id: string, work: () => MaybePromise<R>): MaybePromise<R> {
    return lastly(work, () => remove(this.#path(id)))
  }

  #acquire(id: string): boolean {
    while (!this.#link(id)) if (!this.#breakAbandoned(id)) return false
    return true
  }

  /** Makes the lock; false: there is one. */
  #link(id: string): boolean {
    for (let attempt = 1; ; attempt++) {
      try {
        linkSync(this.#card, this.#path(id))
        return true
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EEXIST') return false
        if (code !== 'ENOENT' || attempt > 1) throw error
        this.prepare()
      }
    }
  }

  async #wait(id: string): Promise<void> {
    const deadline = performance.now() + this.#patience
    for (let attempt = 1; ; attempt++) {
      await sleep(Math.min(attempt, MAX_PAUSE_MS) * (0.5 + Math.random()))
      // Whether the holder lives is the dearer question: it was asked at first, and is again from time to time.
      if (attempt % 16 === 0 ? this.#acquire(id) : this.#link(id)) return
      if (performance.now() > deadline) {
        const pid = readLock(this.#path(id))?.owner.split('.')[0] ?? '?'
        throw new Error(
          `no turn at a session in ${this.directory} for ${this.#patience / 1000} s: process ${pid} is at work on it`,
        )
      }
    }
  }

  /**
   * Whether the way is free now. Breaking takes a lock of its own: two that break at once could otherwise take away
   * the fresh lock of a third. Nobody but a holder of that lock takes away the lock of a dead process.
   */
  #breakAbandoned(id: string): boolean {
    const path = this.#path(id)
    const isFree = () => readLock(path) === undefined
    const isDead = () => {
      const lock = readLock(path)
      return lock !== undefined && isAbandoned(lock.owner, lock.time)
    }
    if (!isDead()) return isFree()
    this.tryHold(`${id}.break`, () => {
      if (isDead()) remove(path)
    })
    return isFree()
  }

  #path(id: string): string {
    return join(this.directory, `${id}.lock`)
  }
}

/** Who holds a lock, and when its card was last linked or unlinked; undefined: nobody. */
function readLock(path: string): { owner: string; time: number } | undefined {
  try {
    return { owner: readFileSync(path, 'latin1'), time: statSync(path).ctimeMs }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
