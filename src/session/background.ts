// Work that no response waits for: it is followed to its end, and a failure is told to whoever listens.

import { publish } from './events.js'
import { isPromise } from './maybe-promise.js'

export class Background {
  /** Only counted: in a Set of so many short lives each would outlive its request, until the next full collection. */
  #running = 0
  #onIdle: (() => void)[] = []

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
    this.#running++
    work.then(this.#done, this.#done)
  }

  /** Resolves when nothing is under way. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle.push(resolve)
    })
  }

  readonly #done = (): void => {
    if (--this.#running > 0 || this.#onIdle.length === 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }
}
