// Cookie values that proved good lately: a table in which each has one place, found by a few of its characters, so that
// no long value is ever hashed. What is in it was authenticated, and it is as old as the keys that it was checked with.

const SLOTS = 4096
/** So many characters at either end choose the place: at one of them the signature stands. */
const ENDS = 4

/** `V`: what a value proves. */
export class SeenValues<V> {
  readonly #values = new Array<string>(SLOTS).fill('')
  readonly #proofs = new Array<V | undefined>(SLOTS).fill(undefined)

  /** What exactly this value proved; undefined: not seen, or its place was needed. */
  get(value: string): V | undefined {
    const slot = slotOf(value)
    return this.#values[slot] === value ? this.#proofs[slot] : undefined
  }

  /** `value` must be a text of its own: see ownText. */
  set(value: string, proof: V): void {
    const slot = slotOf(value)
    this.#values[slot] = value
    this.#proofs[slot] = proof
  }

  /** For a value that nobody will send any more. */
  delete(value: string): void {
    const slot = slotOf(value)
    if (this.#values[slot] !== value) return
    this.#values[slot] = ''
    this.#proofs[slot] = undefined
  }
}

/** A copy: what was cut out of a header would keep the whole header alive. */
export function ownText(value: string): string {
  return Buffer.from(value, 'latin1').toString('latin1')
}

function slotOf(value: string): number {
  const last = value.length - 1
  let slot = 0
  // The last character holds but two or four bits of the signature.
  for (let at = 0; at < ENDS; at++) {
    slot = Math.imul(slot, 37) + value.charCodeAt(at)
    slot = Math.imul(slot, 37) + value.charCodeAt(last - at)
  }
  return (slot ^ (slot >>> 12)) & (SLOTS - 1)
}
