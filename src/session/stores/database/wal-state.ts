// Tells whether anybody but us has changed a SQLite file, for about a microsecond, where a query costs six. Nothing about
// the system is taken for granted: until a commit of ours was seen in what is read here, the answer is "may be".
// docs/decisions/018 has the reasons.

import { readSync, realpathSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { type KeptDescriptor, keepDescriptor } from './kept-descriptor.js'
import { WalHeader } from './wal-header.js'

/** A state of the file. Whoever gets the same number twice knows that nobody but we have committed in between. */
export type StateNumber = number

/** No number at all: somebody may have. */
export const UNKNOWN: StateNumber = 0

export class WalState {
  readonly #file: KeptDescriptor | undefined
  readonly #isPredictable: () => boolean
  /** As of `#number`; `#now` is read into. */
  readonly #known = new WalHeader()
  readonly #now = new WalHeader()
  #number: StateNumber = UNKNOWN + 1
  /** Whether our writes do in this state just what they say; undefined: nobody has asked yet. */
  #predictable: boolean | undefined
  /** Whether the last commit of ours was seen. */
  #proven = false
  #replaced = false

  /**
   * `path`: of the database, which is open and was read; null: in memory. `isPredictable`: asks the database whether our
   * statements change nothing but what they name (there may be triggers).
   */
  constructor(path: string | null, isPredictable: () => boolean) {
    this.#file = path === null ? undefined : openIndex(path)
    this.#isPredictable = isPredictable
  }

  /** Asks. Not for use between `beginWrite` and `endWrite`. */
  number(): StateNumber {
    if (!this.#proven || !this.#read()) return UNKNOWN
    if (!this.#now.equals(this.#known)) {
      // Where others write all the time, finding out more would be in vain: it waits for a state that is met twice.
      this.#start()
      return UNKNOWN
    }
    this.#predictable ??= this.#known.isSound() && this.#isPredictable()
    return this.#predictable ? this.#number : UNKNOWN
  }

  /** To be called with the lock of writers taken. Answers the state that is written to, as `number` does. */
  beginWrite(): StateNumber {
    if (!this.#read() || !this.#now.equals(this.#known)) this.#start()
    return this.#proven && this.#predictable === true ? this.#number : UNKNOWN
  }

  /**
   * To be called when what was written since `beginWrite` is committed; not for a transaction that changed nothing.
   * The number stays when nobody else has written meanwhile.
   */
  endWrite(): void {
    if (this.#file === undefined) return
    const wasSound = this.#known.isSound()
    const isSeen = this.#read() && !this.#now.equals(this.#known)
    const isNext = isSeen && wasSound && this.#now.isSound() && this.#now.isOneCommitAfter(this.#known)
    if (isNext) this.#known.copyFrom(this.#now)
    else this.#start()
    // Rows that were written as they were are no change, either: then the next commit proves it again.
    this.#proven = isSeen && (isNext || this.#proven)
  }

  /** From now on the state is another one. */
  forget(): void {
    this.#number++
    this.#predictable = undefined
  }

  /** Looks whether the file that is read is still the one that others open. */
  checkFile(): void {
    if (this.#file === undefined || this.#replaced || this.#file.isInPlace()) return
    this.#replaced = true
    this.#proven = false
  }

  /** To be called after the database is closed, not before. */
  close(): void {
    this.#proven = false
    this.#file?.release()
  }

  #start(): void {
    this.#known.copyFrom(this.#now)
    this.forget()
  }

  #read(): boolean {
    if (this.#file === undefined || this.#replaced) return false
    try {
      const { bytes } = this.#now
      return readSync(this.#file.fd, bytes, 0, bytes.length, 0) === bytes.length
    } catch {
      return false
    }
  }
}

/** What can't be opened, or read as the memory that it is, is not needed. */
function openIndex(path: string): KeptDescriptor | undefined {
  // Node closes what a worker thread has opened when that ends, and SQLite's locks with it.
  if (!isMainThread || (process.platform !== 'linux' && process.platform !== 'darwin')) return undefined
  try {
    return keepDescriptor(`${realpathSync(path)}-shm`)
  } catch {
    return undefined
  }
}
