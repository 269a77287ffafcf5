// Whether one server has all the keys, so that one script may have several. A proxy that divides keys among servers may
// send a script to the server of its first key and say nothing: so it is found out, and not for ever, as a proxy may get
// another server.

import { randomBytes } from 'node:crypto'
import type { RedisAccess } from './redis-access.js'
import { probeScript, runScript } from './redis-scripts.js'

/** So many keys are on one server by chance once in 850 times if it has nine tenths of all, and never if it has half. */
const PROBES = 64
/** When to try again where that could not be found out, in milliseconds. */
const PROBE_AGAIN = 5000
/** How long it is believed, in milliseconds. */
const BELIEVED = 60_000

export class OneServer {
  readonly #access: RedisAccess
  readonly #prefix: string
  #place: 'together' | 'apart' | 'unknown'
  /** By the monotonic clock, as is the next. */
  #probeAt = 0
  #believedUntil = 0
  #isProbing = false
  /** Counts what makes the answer of a probe under way worthless. */
  #doubts = 0

  /** `prefix`: what keys begin with. */
  constructor(access: RedisAccess, prefix: string) {
    this.#access = access
    this.#prefix = prefix
    this.#place = access.isCluster ? 'apart' : 'unknown'
  }

  /** Several servers have the keys: that is for good. */
  get isDenied(): boolean {
    return this.#place === 'apart'
  }

  /** Whether it is known now. If not, it is asked for, and the next to ask may know. */
  isKnown(): boolean {
    if (this.#place === 'together' && performance.now() < this.#believedUntil) return true
    this.#probe()
    return false
  }

  /** A script failed: what answers next time may be another server. */
  doubt(): void {
    this.#doubts++
    this.#probeAt = 0
    if (this.#place === 'together') this.#place = 'unknown'
  }

  /** A server said that it has some keys only. */
  deny(): void {
    this.#doubts++
    this.#place = 'apart'
  }

  /** A script leaves a mark in some keys, and each is asked for by itself. */
  #probe(): void {
    const now = performance.now()
    if (this.#place === 'apart' || this.#isProbing || now < this.#probeAt) return
    this.#probeAt = now + PROBE_AGAIN
    this.#isProbing = true
    const doubts = this.#doubts
    const mark = randomBytes(8).toString('hex')
    // No id has a dot: nobody takes these for rows.
    const keys = Array.from({ length: PROBES }, (_, at) => `${this.#prefix}.${mark}.${at}`)
    this.#access
      .run(async (link) => {
        await runScript(link, probeScript, keys as [string, ...string[]], [mark])
        return Promise.all(keys.map((key) => link.send(key, ['GET', key])))
      })
      .then(
        (found) => {
          if (doubts !== this.#doubts) return
          this.#place = found.every((value) => String(value) === mark) ? 'together' : 'apart'
          this.#believedUntil = performance.now() + BELIEVED
        },
        () => {}, // As it was: the rows themselves tell what is wrong.
      )
      .finally(() => {
        this.#isProbing = false
      })
  }
}
