// Requests of one session that come together ask the store once, not each for itself. Nobody joins a load that is under
// way already: it may give a row from before a change that its client was told is stored. Who comes while one is under
// way shares the one after it.

import type { MaybePromise } from '../protocol.js'
import { BriefMap } from './brief-map.js'
import { isPromise } from './maybe-promise.js'
import type { SessionStore, StoredSession } from './store.js'

/** A load that is under way, and the one after it, as soon as somebody wants it. */
interface Flight {
  readonly current: Promise<StoredSession | null>
  next: Promise<StoredSession | null> | null
}

export class SharedLoads {
  readonly #store: SessionStore
  readonly #flights = new BriefMap<string, Flight>()

  constructor(store: SessionStore) {
    this.#store = store
  }

  /** As `store.load(id)`: what it answers was stored at the time of the call or later. A failure is everybody's. */
  load(id: string): MaybePromise<StoredSession | null> {
    const flight = this.#flights.size === 0 ? undefined : this.#flights.get(id)
    if (flight === undefined) return this.#begin(id)
    flight.next ??= flight.current.then(() => this.#begin(id))
    return flight.next
  }

  #begin(id: string): MaybePromise<StoredSession | null> {
    this.#flights.delete(id)
    const current = this.#store.load(id)
    if (!isPromise(current)) return current
    const flight: Flight = { current, next: null }
    this.#flights.set(id, flight)
    const land = () => this.#flights.delete(id)
    current.then(() => flight.next === null && land(), land)
    return current
  }
}
