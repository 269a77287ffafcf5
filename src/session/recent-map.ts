// A map that forgets what was not asked for lately. Two generations: when the young entries are half of what may be kept,
// they become the old ones, and those before them are dropped. So forgetting costs nothing per entry.

/**
 * Keeps about `capacity` entries or, where values are weighed, so much of them together. No value may be undefined. The
 * text that is asked for may be kept in place of the one that was set: neither may be a piece of something large.
 */
export class RecentMap<V> {
  readonly #half: number
  readonly #weigh: ((value: V) => number) | undefined
  #young = new Map<string, V>()
  #old = new Map<string, V>()
  /** Of the young ones, where they are weighed. */
  #weight = 0

  /** `weigh` must answer the same for a value for as long as it is kept. */
  constructor(capacity: number, weigh?: (value: V) => number) {
    this.#half = Math.ceil(capacity / 2)
    this.#weigh = weigh
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: string, value: V): void {
    if ((this.#weigh === undefined ? this.#young.size : this.#weight) >= this.#half) {
      this.#old = this.#young
      this.#young = new Map()
      this.#weight = 0
    }
    this.#replaceWeight(key, value)
    this.#young.set(key, value)
  }

  delete(key: string): void {
    this.#replaceWeight(key, undefined)
    this.#young.delete(key)
    this.#old.delete(key)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
    this.#weight = 0
  }

  #replaceWeight(key: string, value: V | undefined): void {
    if (this.#weigh === undefined) return
    const replaced = this.#young.get(key)
    if (replaced !== undefined) this.#weight -= this.#weigh(replaced)
    if (value !== undefined) this.#weight += this.#weigh(value)
  }
}
