// One process at a time per session file. A lock is a hard link to a file that names its owner: made in one step, never
// half written, and cheaper than a file of its own. Beaker's flock is another thing, and is taken besides where wanted.

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
import type { BeakerLocks } from './file-flock.js'
import { isAbandoned, makeOwner } from './file-owner.js'

/** A lock is normally held for a fraction of a millisecond. */
const PATIENCE_MS = 10_000
const MAX_PAUSE_MS = 8

export interface FileLocksOptions {
  /** How many milliseconds to wait for others before giving up. Default: 10000. */
  readonly patience?: number | undefined
  /** Locks of Beaker's that are held as well. */
  readonly beaker?: BeakerLocks | undefined
}

export class FileLocks {
  readonly directory: string
  /** Who we are, to other processes. */
  readonly owner = makeOwner()
  readonly #card: string
  readonly #patience: number
  readonly #beaker: BeakerLocks | undefined
  /** What gives a lock of Beaker's back, per id. */
  readonly #releases = new Map<string, () => void>()
  /** Locks of ours that nobody holds, and that could not be removed: the disk became read-only under them. */
  readonly #left = new Set<string>()
  /** The last work of this process that is under way, per id. */
  readonly #tails = new Map<string, Promise<unknown>>()

  constructor(directory: string, { patience = PATIENCE_MS, beaker }: FileLocksOptions = {}) {
    this.directory = directory
    this.#patience = patience
    this.#beaker = beaker
    this.#card = join(directory, `${this.owner}.owner`)
  }

  /**
   * Runs `work` when nobody else, in this process or another, is at work on `id`; at once if that is so now. Rejects,
   * and never runs it, when that takes too long.
   */
  hold<R>(id: string, work: () => MaybePromise<R>): MaybePromise<R> {
    const deadline = performance.now() + this.#patience
    const begin = () =>
      this.#acquire(id) ? this.#locked(id, work) : this.#wait(id, deadline).then(() => this.#locked(id, work))
    const beginLater = () => {
      if (performance.now() > deadline) throw this.#noTurn(id)
      return begin()
    }
    const tail = this.#tails.get(id)
    const result = tail === undefined ? begin() : tail.then(beginLater, beginLater)
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
    if (!existsSync(this.#card)) this.#writeCard()
    this.sweep()
  }

  /** Takes away the locks and cards of dead processes, and what could not be removed before. */
  sweep(): void {
    for (const id of this.#left) this.#removeLeft(id)
    for (const name of readdirSync(this.directory)) {
      const [, stem, kind] = /^(.+)\.(lock|owner)$/.exec(name) ?? []
      if (kind === 'lock') this.#breakAbandoned(stem!)
      else if (kind === 'owner' && stem !== this.owner) {
        const time = readLock(join(this.directory, name))?.time
        if (time !== undefined && isAbandoned(stem!, time)) remove(join(this.directory, name))
      }
    }
  }

  /** Resolves when all work under locks is done. What can't be removed now is that of a dead process soon. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#tails.values())
    try {
      for (const id of this.#left) this.#removeLeft(id)
      remove(this.#card)
    } catch {
      // A disk that is read-only, or gone.
    }
  }

  #locked<R>(id: string, work: () => MaybePromise<R>): MaybePromise<R> {
    return lastly(work, () => {
      this.#releases.get(id)?.()
      this.#releases.delete(id)
      this.#release(id)
    })
  }

  /** Gives a lock back. Throws nothing: the work is done, whatever becomes of its lock. */
  #release(id: string): void {
    try {
      remove(this.#path(id))
    } catch {
      this.#left.add(id)
    }
  }

  /** Removes a lock that was left, unless somebody took it for abandoned meanwhile and has one of his own there. */
  #removeLeft(id: string): void {
    if (readLock(this.#path(id))?.owner === this.owner) remove(this.#path(id))
    this.#left.delete(id)
  }

  /** An empty card would be nobody's. */
  #writeCard(): void {
    try {
      writeFileSync(this.#card, this.owner, { mode: 0o600 })
    } catch (error) {
      remove(this.#card)
      throw error
    }
  }

  #acquire(id: string): boolean {
    return this.#linkOrBreak(id) && this.#shutOutBeaker(id)
  }

  #linkOrBreak(id: string): boolean {
    while (!this.#link(id)) if (!this.#breakAbandoned(id)) return false
    return true
  }

  /** Takes Beaker's lock besides ours; without it, ours is given back, so that who waits for Beaker is in nobody's way. */
  #shutOutBeaker(id: string): boolean {
    if (this.#beaker === undefined) return true
    let release: (() => void) | undefined
    try {
      release = this.#beaker.tryLock(id)
    } finally {
      if (release === undefined) this.#release(id)
      else this.#releases.set(id, release)
    }
    return release !== undefined
  }

  /** Makes the lock; false: there is one. */
  #link(id: string): boolean {
    if (this.#left.has(id)) this.#removeLeft(id)
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

  async #wait(id: string, deadline: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await sleep(Math.min(attempt, MAX_PAUSE_MS) * (0.5 + Math.random()))
      // Who asked has given up: what came now would be done behind his back.
      if (performance.now() > deadline) throw this.#noTurn(id)
      // Whether the holder lives is the dearer question: it was asked at first, and is again from time to time.
      const isOurs = attempt % 16 === 0 ? this.#linkOrBreak(id) : this.#link(id)
      if (isOurs && this.#shutOutBeaker(id)) return
    }
  }

  #noTurn(id: string): Error {
    const pid = readLock(this.#path(id))?.owner.split('.')[0]
    const who =
      pid !== undefined ? `process ${pid} is` : this.#beaker !== undefined ? 'Beaker is' : 'others are'
    const time = `${this.#patience / 1000} s`
    return new Error(`no turn at a session in ${this.directory} for ${time}: ${who} at work on it`)
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
    const breaker = `${id}.break`
    if (this.#linkOrBreak(breaker)) {
      try {
        if (isDead()) remove(path)
      } finally {
        this.#release(breaker)
      }
    }
    return isFree()
  }

  #path(id: string): string {
    return `${this.directory}/${id}.lock`
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
