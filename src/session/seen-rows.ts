// Rows that this process read or wrote lately, decoded: good for as long as the store gives the same bytes, and while the
// store is away for those who may go on without it. What was ended here is never taken up again: a load that was under way
// meanwhile may come after the end. Documents are shared and never changed, only copied.

import type { Document } from './codec.js'
import { RecentMap } from './recent-map.js'
import type { SessionStore } from './store.js'

/** What was seen last of a row. */
interface Seen<E> {
  readonly payload: Uint8Array
  readonly document: Document<E>
  /** When a request asked for it last, epoch milliseconds; null: none has, since it was written. */
  accessed: number | null
}

/** Of all rows together, in bytes: some thousand sessions of an ordinary size. */
const MAX_BYTES = 4_000_000
/** About what a row takes besides its payload and the text that this was decoded to, in bytes. */
const OVERHEAD = 1000

export class SeenRows<E> {
  readonly #rows = new RecentMap<Seen<E>>(MAX_BYTES, ({ payload }) => OVERHEAD + 2 * payload.length)
  /** By number, so that large rows push none of them out. */
  readonly #ended = new RecentMap<true>(1024)

  /** The document of these bytes, if they were decoded before. */
  find(id: string, payload: Uint8Array): Document<E> | undefined {
    const seen = this.#rows.get(id)
    return seen === undefined || !sameBytes(seen.payload, payload) ? undefined : seen.document
  }

  add(id: string, payload: Uint8Array, document: Document<E>): void {
    if (this.#ended.get(id) !== undefined) return
    this.#rows.set(id, { payload: ownBytes(payload), document, accessed: null })
  }

  /** A request asked for it. */
  access(id: string, now: number): void {
    const seen = this.#rows.get(id)
    if (seen !== undefined) seen.accessed = now
  }

  /** Whatever the store would give now. */
  last(id: string): Omit<Seen<E>, 'payload'> | undefined {
    return this.#rows.get(id)
  }

  /** The store has no such row. */
  forget(id: string): void {
    this.#rows.delete(id)
  }

  /** The same store, whose deletes are noticed here: at once, since one that fails may have taken effect. */
  watch(store: SessionStore): SessionStore {
    const { touch, sweep, ids, setAside, ping, close } = store
    return {
      scope: store.scope,
      load: (id) => store.load(id),
      save: (id, payload, options) => {
        // Another row begins, as when the move to a new id is tried again.
        if (options.expected === null) {
          this.#rows.delete(id)
          this.#ended.delete(id)
        }
        return store.save(id, payload, options)
      },
      delete: (id) => {
        this.#rows.delete(id)
        this.#ended.set(id, true)
        return store.delete(id)
      },
      ...(touch && { touch: touch.bind(store) }),
      ...(sweep && { sweep: sweep.bind(store) }),
      ...(ids && { ids: ids.bind(store) }),
      ...(setAside && { setAside: setAside.bind(store) }),
      ...(ping && { ping: ping.bind(store) }),
      ...(close && { close: close.bind(store) }),
    }
  }
}

/** A copy of what is a piece of something large, such as a server's answer about several rows. */
function ownBytes(payload: Uint8Array): Uint8Array {
  const whole = payload.buffer.byteLength
  return whole > Buffer.poolSize && whole > 2 * payload.length ? new Uint8Array(payload) : payload
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && Buffer.compare(a, b) === 0)
}
