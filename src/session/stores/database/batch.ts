// Calls that go to a server together: what is asked while earlier calls are under way leaves with the next ones. Alone,
// a call leaves at once; under load a round trip, and the work that it costs here and there, is shared by dozens.

export interface BatchOptions<Item, Answer> {
  /** Sends some items, no two of the same key. Resolves to what finds the answer of each. */
  readonly send: (items: readonly Item[]) => Promise<(item: Item) => Answer>
  readonly keyOf: (item: Item) => string
  /** Bytes that an item takes on the wire, roughly. */
  readonly sizeOf: (item: Item) => number
  /** Items in one batch, at most. */
  readonly limit: number
  /** Batches under way at a time, at most. */
  readonly lanes: number
  /** What has waited so long for a lane, in milliseconds, is not sent any more. */
  readonly patience: number
}

interface Waiting<Item, Answer> {
  readonly item: Item
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
  /** By the monotonic clock. */
  readonly since: number
}

/** A batch is full when it is so large, in bytes. */
const FULL = 256 * 1024

export class Batch<Item, Answer> {
  readonly #options: BatchOptions<Item, Answer>
  #waiting: Waiting<Item, Answer>[] = []
  #busy = 0
  #scheduled = false

  constructor(options: BatchOptions<Item, Answer>) {
    this.#options = options
  }

  /** What the server answers for this item. Rejects as the batch that it is in. */
  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject, since: performance.now() })
      this.#schedule()
    })
  }

  /** Sends after this turn of the event loop, so that what comes in by the same turn goes along. */
  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0 || this.#busy >= this.#options.lanes) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#giveUp()
      if (this.#waiting.length > 0) void this.#send(this.#take())
      this.#schedule()
    })
  }

  #giveUp(): void {
    const { patience } = this.#options
    const now = performance.now()
    const late = this.#waiting.findIndex(({ since }) => now - since < patience)
    for (const { reject } of this.#waiting.splice(0, late === -1 ? this.#waiting.length : late)) {
      reject(new Error(`no answer within ${patience} ms`))
    }
  }

  /** The oldest, without those whose key is in already: they wait for the next batch. */
  #take(): Waiting<Item, Answer>[] {
    const { keyOf, sizeOf, limit } = this.#options
    const keys = new Set<string>()
    const left: Waiting<Item, Answer>[] = []
    let size = 0
    const taken = this.#waiting.filter((waiting) => {
      const key = keyOf(waiting.item)
      if (keys.size >= limit || size >= FULL || keys.has(key)) {
        left.push(waiting)
        return false
      }
      keys.add(key)
      size += sizeOf(waiting.item)
      return true
    })
    this.#waiting = left
    return taken
  }

  async #send(batch: readonly Waiting<Item, Answer>[]): Promise<void> {
    this.#busy++
    try {
      const answerTo = await this.#options.send(batch.map(({ item }) => item))
      for (const { item, resolve } of batch) resolve(answerTo(item))
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      this.#busy--
      this.#schedule()
    }
  }
}
