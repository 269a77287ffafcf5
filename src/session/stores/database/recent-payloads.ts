// Payloads that were read or saved lately, for a database to compare with: it need not hand over what is still the same.
// Only ever a guess. Two generations, so that forgetting costs nothing per row.

const MAX_ROWS = 512
const MAX_SIZE = 4096

/** What no row holds. */
const NONE = new Uint8Array()

/** Keeps up to twice MAX_ROWS payloads of MAX_SIZE bytes at most. */
export class RecentPayloads {
  #young = new Map<string, Uint8Array>()
  #old = new Map<string, Uint8Array>()

  /** What the row held last, as far as we know; an empty array, always the same one, when nothing is known. */
  get(id: string): Uint8Array {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const old = this.#old.get(id)
    if (old === undefined) return NONE
    this.put(id, old)
    return old
  }

  put(id: string, payload: Uint8Array): void {
    if (payload.length > MAX_SIZE) {
      this.#young.delete(id)
      this.#old.delete(id)
      return
    }
    if (this.#young.size >= MAX_ROWS) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(id, payload)
  }
}
