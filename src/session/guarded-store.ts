// What stands between a request and a backend that is slow or away: a deadline for every operation, and a breaker that
// answers at once while the backend is known to be down. Written once, for all stores.

import type { MaybePromise } from '../protocol.js'
import { Deadlines } from './deadlines.js'
import { beginOperation, endOperation, publish, type StoreOperation } from './events.js'
import { isPromise } from './maybe-promise.js'
import type { SessionStore } from './store.js'

export interface GuardOptions {
  /** How long an operation may take, in milliseconds. */
  readonly timeout: number
}

/** The backend did not answer in time, or is known not to answer. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

class Late extends StoreUnavailable {}

/** After so many failures in a row the breaker opens, ... */
const FAILURES = 5
/** ... and lets one operation through, as a probe, after so many milliseconds. */
const PROBE_AFTER = 500

/**
 * The same store, which answers or rejects within the timeout. An operation that timed out may still take effect: its
 * outcome is unknown, and it is reported as failed. What answers at once (memory) passes through.
 */
export function guardedStore(store: SessionStore, options: GuardOptions): SessionStore {
  const { timeout } = options
  const breaker = new Breaker()
  const deadlines = new Deadlines(timeout)

  function run<R>(operation: StoreOperation['operation'], call: () => MaybePromise<R>): MaybePromise<R> {
    const begun = beginOperation()
    if (!breaker.admits()) {
      endOperation(operation, begun, 'refused')
      throw new StoreUnavailable(`the session store is away: ${breaker.reason}`)
    }
    let result: MaybePromise<R>
    try {
      result = call()
    } catch (error) {
      endOperation(operation, begun, 'failed')
      breaker.failed(error)
      throw error
    }
    if (!isPromise(result)) {
      endOperation(operation, begun, 'done')
      breaker.succeeded()
      return result
    }
    return settle(result, operation, begun)
  }

  async function settle<R>(
    result: Promise<R>,
    operation: StoreOperation['operation'],
    begun: number | null,
  ): Promise<R> {
    try {
      const value = await deadlines.limit(result, () => {
        result.then(
          () => breaker.succeeded(),
          (error: unknown) => breaker.failed(error),
        )
        return new Late(`the session store did not ${operation} within ${timeout} ms`)
      })
      endOperation(operation, begun, 'done')
      breaker.succeeded()
      return value
    } catch (error) {
      endOperation(operation, begun, error instanceof Late ? 'late' : 'failed')
      breaker.failed(error)
      throw error
    }
  }

  const { touch, sweep, ids, setAside, ping, close } = store
  return {
    scope: store.scope,
    load: (id) => run('load', () => store.load(id)),
    save: (id, payload, how) => run('save', () => store.save(id, payload, how)),
    delete: (id) => run('delete', () => store.delete(id)),
    ...(touch && {
      touch: (id: string, expiresAt: number | null) => run('touch', () => touch.call(store, id, expiresAt)),
    }),
    ...(ping && { ping: () => run('ping', () => ping.call(store)) }),
    ...(setAside && { setAside: (id: string) => run('setAside', () => setAside.call(store, id)) }),
    // Work of the background and of the command line: slow is all right.
    ...(sweep && { sweep: sweep.bind(store) }),
    ...(ids && { ids: ids.bind(store) }),
    ...(close && { close: close.bind(store) }),
  }
}

/** Closed: all pass. Open: none does, but one probe each PROBE_AFTER. A success closes it. */
class Breaker {
  #failures = 0
  #openUntil = 0
  #reason: unknown

  /** Why it is open, in a few words. */
  get reason(): string {
    return this.#reason instanceof Error ? this.#reason.message : String(this.#reason)
  }

  admits(): boolean {
    if (this.#failures < FAILURES) return true
    const now = performance.now()
    if (now < this.#openUntil) return false
    this.#openUntil = now + PROBE_AFTER
    return true
  }

  succeeded(): void {
    if (this.#failures >= FAILURES) publish({ type: 'store-back' })
    this.#failures = 0
  }

  failed(error: unknown): void {
    this.#reason = error
    this.#failures++
    if (this.#failures < FAILURES) return
    if (this.#failures === FAILURES) publish({ type: 'store-away', error })
    this.#openUntil = performance.now() + PROBE_AFTER
  }
}
