// Keeps the opening of an LMDB environment apart from all writing into it, over the processes of a host. LMDB as the
// package lmdb brings it needs that: an opening sets the number of the last transaction to what it read a moment before
// (OpenLDAP ITS#9496), and what was committed in between is overwritten by the next writer.

import { existsSync, linkSync, readdirSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FileLocks } from './file-lock.js'

const OPENING = 'opening'
const WRITING = 'writing-'
const PATIENCE_MS = 10_000
const PAUSE_MS = 2
const SEAL_WITHIN_MS = 500
const nothing = new Int32Array(new SharedArrayBuffer(4))

/**
 * Many write, or one opens. A process that writes has a file that says so, for as long as it writes: it makes that
 * first and looks for an opening then. Who opens says that first and looks for writers then. So one of the two sees the
 * other, whatever comes between. Files of dead processes are taken away.
 */
export class LmdbGate {
  readonly #locks: FileLocks
  readonly #card: string
  readonly #mark: string
  readonly #opening: string
  readonly #patience: number
  #writes = 0

  /** `directory`: of the gate's own files. `patience`: how many milliseconds to wait for others before giving up. */
  constructor(directory: string, patience = PATIENCE_MS) {
    this.#patience = patience
    this.#locks = new FileLocks(directory, { patience })
    const { owner } = this.#locks
    this.#card = join(directory, `${owner}.owner`)
    this.#mark = join(directory, `${WRITING}${owner}.lock`)
    this.#opening = join(directory, `${OPENING}.lock`)
  }

  /** Runs `work`, which opens, when nobody writes or opens, and lets nobody in until it is done. */
  async open<R>(work: () => R | Promise<R>): Promise<R> {
    return this.#locks.hold(OPENING, async () => {
      await this.#silence()
      return work()
    })
  }

  /** Runs `work`, which closes, when nobody opens. LMDB itself keeps that apart from writing. */
  async shut<R>(work: () => Promise<R>): Promise<R> {
    return this.#locks.hold(OPENING, work)
  }

  /** Runs `work`, which writes, when nobody opens: at once, if that is so now. */
  async write<R>(work: () => Promise<R>): Promise<R> {
    this.#enter()
    if (!existsSync(this.#opening)) return this.#run(work)
    this.#leave()
    return this.#writeLater(work)
  }

  /** For the end of this process: from now on nobody opens until it is gone. Waits a little where somebody does. */
  seal(): void {
    const deadline = performance.now() + SEAL_WITHIN_MS
    while (!this.#sealed() && performance.now() < deadline) Atomics.wait(nothing, 0, 0, 1)
  }

  /** Takes away our own files. Nothing may be under way. */
  close(): Promise<void> {
    return this.#locks.close()
  }

  #sealed(): boolean {
    try {
      linkSync(this.#card, this.#opening)
      return true
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'EEXIST'
    }
  }

  async #writeLater<R>(work: () => Promise<R>): Promise<R> {
    let result: Promise<R> | undefined
    // While we have the lock nobody opens; who does so after us sees our mark.
    await this.#locks.hold(OPENING, () => {
      this.#enter()
      result = this.#run(work)
    })
    return result!
  }

  async #run<R>(work: () => Promise<R>): Promise<R> {
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  #enter(): void {
    if (this.#writes === 0) this.#makeMark()
    this.#writes++
  }

  #leave(): void {
    if (--this.#writes > 0) return
    unlessAbsent(() => unlinkSync(this.#mark))
  }

  #makeMark(): void {
    const link = () => linkSync(this.#card, this.#mark)
    if (unlessAbsent(link)) return
    this.#locks.prepare()
    link()
  }

  /** Waits until no process writes. New writers wait for us. */
  async #silence(): Promise<void> {
    const deadline = performance.now() + this.#patience
    for (;;) {
      this.#locks.sweep()
      const mark = readdirSync(this.#locks.directory).find((name) => name.startsWith(WRITING))
      if (mark === undefined) return
      if (performance.now() > deadline) {
        const [pid] = mark.slice(WRITING.length).split('.')
        throw new Error(`no end of writing for ${this.#patience / 1000} s: process ${pid} is at it`)
      }
      await sleep(PAUSE_MS)
    }
  }
}

/** Answers false if what it is about is not there. */
function unlessAbsent(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
