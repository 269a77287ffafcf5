// One at a time per id: commits of one process to one session queue up instead of running into each other.

import type { MaybePromise } from '../protocol.js'
import { BriefMap } from './brief-map.js'
import { isPromise } from './maybe-promise.js'

export class Turns {
  /** The last piece of work per id; it never rejects. */
  readonly #tails = new BriefMap<string, Promise<void>>()

  /** Runs `work` when earlier work on `id` is done; at once when there is none. Answers (or rejects with) its result. */
  run<R>(id: string, work: () => MaybePromise<R>): MaybePromise<R> {
    const tail = this.#tails.get(id)
    const result = tail === undefined ? work() : tail.then(work)
    if (isPromise(result)) this.#follow(id, result)
    return result
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values())
  }

  #follow(id: string, result: Promise<unknown>): void {
    const done = () => {
      if (this.#tails.get(id) === tail) this.#tails.delete(id)
    }
    const tail: Promise<void> = result.then(done, done)
    this.#tails.set(id, tail)
  }
}
