// What stands between a request and a backend that is slow or away: a deadline for every operation, and breakers that
// answer at once while the backend, or the part of it that has the row, is known to be down. Written once, for all stores.

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

/** After so many failures in a row a breaker opens, ... */
const FAILURES = 5
/** ... and lets one operation through, as a probe, after so many milliseconds. */
const PROBE_AFTER = 500
/** One that nobody's probe has failed at for so many milliseconds is forgotten: its rows are elsewhere now. */
const FORGET_AFTER = 5000

/**
 * The same store, which answers or rejects within the timeout. An operation that timed out may still take effect: its
 * outcome is unknown, and it is reported as failed. What answers at once (memory) passes through.
 */
export function guardedStore(store: SessionStore, options: GuardOptions): SessionStore {
  const { timeout } = options
  const breakers = new Breakers(store)
  const deadlines = new Deadlines(timeout)

  /** `id`: of the row that it is about; undefined for what is about all of the store. */
  function run<R>(
    operation: StoreOperation['operation'],
    id: string | undefined,
    call: () => MaybePromise<R>,
  ): MaybePromise<R> {
    const begun = beginOperation()
    const refusal = breakers.refusal(id)
    if (refusal !== undefined) {
      endOperation(operation, begun, 'refused')
      throw refusal
    }
    let result: MaybePromise<R>
    try {
      result = call()
    } catch (error) {
      endOperation(operation, begun, 'failed')
      breakers.failed(id, error)
      throw error
    }
    if (!isPromise(result)) {
      endOperation(operation, begun, 'done')
      breakers.succeeded(id)
      return result
    }
    return settle(result, operation, id, begun)
  }

  async function settle<R>(
    result: Promise<R>,
    operation: StoreOperation['operation'],
    id: string | undefined,
    begun: number | null,
  ): Promise<R> {
    try {
      const value = await deadlines.limit(result, () => {
        // A late answer tells that the store is back; a late failure has been counted as late.
        result.then(
          () => breakers.succeeded(id),
          () => {},
        )
        return new Late(`the session store did not ${operation} within ${timeout} ms`)
      })
      endOperation(operation, begun, 'done')
      breakers.succeeded(id)
      return value
    } catch (error) {
      endOperation(operation, begun, error instanceof Late ? 'late' : 'failed')
      breakers.failed(id, error)
      throw error
    }
  }

  const { touch, sweep, ids, setAside, ping, close } = store
  return {
    scope: store.scope,
    load: (id) => run('load', id, () => store.load(id)),
    save: (id, payload, how) => run('save', id, () => store.save(id, payload, how)),
    delete: (id) => run('delete', id, () => store.delete(id)),
    ...(touch && {
      touch: (id: string, expiresAt: number | null) =>
        run('touch', id, () => touch.call(store, id, expiresAt)),
    }),
    ...(ping && { ping: () => run('ping', undefined, () => ping.call(store)) }),
    ...(setAside && { setAside: (id: string) => run('setAside', id, () => setAside.call(store, id)) }),
    // Work of the background and of the command line: slow is all right.
    ...(sweep && { sweep: sweep.bind(store) }),
    ...(ids && { ids: ids.bind(store) }),
    ...(close && { close: close.bind(store) }),
  }
}

/** One breaker for each shard that failed last, and under undefined that of the whole store. Mostly there is none. */
class Breakers {
  readonly #store: SessionStore
  readonly #all = new Map<string | undefined, Breaker>()

  constructor(store: SessionStore) {
    this.#store = store
  }

  /** What to answer instead of asking the store. */
  refusal(id: string | undefined): StoreUnavailable | undefined {
    if (this.#all.size === 0) return
    const breaker = this.#all.get(this.#shardOf(id))
    if (breaker === undefined || breaker.admits()) return
    return new StoreUnavailable(`the session store is away: ${breaker.reason}`)
  }

  failed(id: string | undefined, error: unknown): void {
    const shard = this.#shardOf(id)
    let breaker = this.#all.get(shard)
    if (breaker === undefined) {
      breaker = new Breaker()
      this.#all.set(shard, breaker)
    }
    if (!breaker.failed(error)) return
    publish(shard === undefined ? { type: 'store-away', error } : { type: 'shard-away', shard, error })
  }

  succeeded(id: string | undefined): void {
    if (this.#all.size === 0) return
    const answering = this.#shardOf(id)
    for (const [shard, breaker] of this.#all) {
      // Where one shard answers, the store as a whole is not away.
      if (shard !== answering && shard !== undefined && !breaker.isForgotten()) continue
      this.#all.delete(shard)
      if (!breaker.isOpen) continue
      publish(shard === undefined ? { type: 'store-back' } : { type: 'shard-back', shard })
    }
  }

  #shardOf(id: string | undefined): string | undefined {
    return id === undefined ? undefined : this.#store.shardOf?.(id)
  }
}

/** Closed: all pass. Open: none does, but one probe each PROBE_AFTER. It is thrown away with the first success. */
class Breaker {
  #failures = 0
  #lastFailure = 0
  #openUntil = 0
  #reason: unknown

  /** Why it is open, in a few words. */
  get reason(): string {
    return this.#reason instanceof Error ? this.#reason.message : String(this.#reason)
  }

  get isOpen(): boolean {
    return this.#failures >= FAILURES
  }

  isForgotten(): boolean {
    return performance.now() - this.#lastFailure > FORGET_AFTER
  }

  admits(): boolean {
    if (!this.isOpen) return true
    const now = performance.now()
    if (now < this.#openUntil) return false
    this.#openUntil = now + PROBE_AFTER
    return true
  }

  /** Answers whether that has opened it. */
  failed(error: unknown): boolean {
    this.#reason = error
    this.#failures++
    this.#lastFailure = performance.now()
    if (this.isOpen) this.#openUntil = this.#lastFailure + PROBE_AFTER
    return this.#failures === FAILURES
  }
}
