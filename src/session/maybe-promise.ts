// Values that may come later. A store in memory answers at once; going on without a promise then saves a turn of the
// event loop per request and lets the response leave in the same write.

import type { MaybePromise } from '../protocol.js'

export function isPromise<T>(value: MaybePromise<T>): value is Promise<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Goes on with `value`: now if it is there, else when it comes. */
export function after<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return isPromise(value) ? value.then(next) : next(value)
}

/** Runs `work`, then `cleanup` in any case: now, or when the promise settles. */
export function lastly<R>(work: () => MaybePromise<R>, cleanup: () => void): MaybePromise<R> {
  let result: MaybePromise<R>
  try {
    result = work()
  } catch (error) {
    cleanup()
    throw error
  }
  if (isPromise(result)) return result.finally(cleanup)
  cleanup()
  return result
}
