// A map of what is under way: entries that come and go all the time. A Map that outgrows its table leaves it behind, with
// all that was in it and with the way to the next table. When one of these is old enough for V8's old space, each later
// one is taken for alive, and every request that was ever in it, until the next full collection. So it is renewed.

const RENEW_AFTER = 256

/** As a Map, as far as it goes. */
export class BriefMap<K, V> {
  #entries = new Map<K, V>()
  #added = 0

  get size(): number {
    return this.#entries.size
  }

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    // Not before most of what was added is gone again: so an entry is copied once at most, on average.
    if (++this.#added > RENEW_AFTER + this.#entries.size) {
      this.#entries = new Map(this.#entries)
      this.#added = 0
    }
    this.#entries.set(key, value)
  }

  delete(key: K): boolean {
    return this.#entries.delete(key)
  }

  values(): IterableIterator<V> {
    return this.#entries.values()
  }
}
