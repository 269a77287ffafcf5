// Removes what expired and was never asked for again: at intervals, in small steps, with other work in between.

import type { SessionStore } from './store.js'

/** Rows per step: few enough that no step holds up the event loop. */
const STEP = 200
/** Node takes longer ones for a millisecond. */
const LONGEST_TIMER = 2 ** 31 - 1

export interface Sweeper {
  /** Resolves when a round that is under way has stopped. */
  stop(): Promise<void>
}

/**
 * Sweeps every `interval` milliseconds, give or take a quarter, so that processes that started together do not sweep
 * together. A store that fails is tried again at the next round. Keeps no process alive.
 */
export function sweepAtIntervals(
  store: SessionStore,
  interval: number,
  onError: (error: unknown) => void,
): Sweeper {
  let stopped = false
  let round = Promise.resolve()
  let timer = schedule()

  function schedule(): NodeJS.Timeout {
    return setTimeout(
      () => {
        round = sweep().catch(onError)
        void round.then(() => {
          if (!stopped) timer = schedule()
        })
      },
      Math.min(interval * (0.75 + Math.random() / 2), LONGEST_TIMER),
    ).unref()
  }

  async function sweep(): Promise<void> {
    for (let removed = STEP; removed >= STEP && !stopped; ) {
      removed = (await store.sweep?.(STEP)) ?? 0
      await new Promise((next) => setImmediate(next))
    }
  }

  return {
    stop() {
      stopped = true
      clearTimeout(timer)
      return round
    },
  }
}
