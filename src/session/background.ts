// Work that no response waits for: it is followed to its end, and a failure is told to whoever listens.

import { publish } from './events.js'
import { isPromise } from './maybe-promise.js'

export class Background {
  readonly #running = new Set<Promise<unknown>>()

  /** Does what costs no data when it fails. */
  run(work: () => unknown): void {
    try {
      const result = work()
      if (!isPromise(result)) return
      this.follow(result.then(undefined, (error: unknown) => publish({ type: 'background-failed', error })))
    } catch (error) {
      publish({ type: 'background-failed', error })
    }
  }

  /** Keeps an eye on work that answers for itself. */
  follow(work: Promise<unknown>): void {
    this.#running.add(work)
    const done = () => this.#running.delete(work)
    work.then(done, done)
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }
}
