// Removes what expired and was never asked for again: at intervals, in small steps, with other work in between.

import { LONGEST_TIMER } from './deadlines.js'
import { publish } from './events.js'
import type { SessionStore } from './store.js'

/** Rows per step: few enough that no step holds up the event loop. */
const STEP = 200

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
    let count = 0
    try {
      for (let removed = STEP; removed >= STEP && !stopped; ) {
        removed = (await store.sweep?.(STEP)) ?? 0
        count += removed
        await new Promise((next) => setImmediate(next))
      }
    } finally {
      if (count > 0) publish({ type: 'swept', count })
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
