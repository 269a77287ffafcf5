// Which of very many things are due, without looking at the rest: a ring of slots, one per span of time, each a list of
// the things that end in it. A thing whose end moves later stays where it is and is filed anew when its slot comes up,
// so moving it costs nothing.

/** A place in a list. A node that is in no list is its own neighbour. */
export interface Link {
  previous: Link
  next: Link
}

export interface Timed extends Link {
  /** When it is due, in epoch milliseconds; Infinity: never. May be moved later at any time. */
  expiresAt: number
}

/** The span of one slot; with 1024 of them, one turn of the wheel takes 70 minutes. */
export const SLOT_MS = 4096
const SLOTS = 1024

/** At most so many nodes are looked at in one go, some milliseconds' worth. */
const MAX_VISITS = 50_000

export class TimerWheel<T extends Timed> {
  readonly #slots: readonly Link[] = Array.from({ length: SLOTS }, makeList)
  /** Taken out of their slot, still to be looked at. */
  readonly #taken = makeList()
  /** Where the next sweep begins: nothing outside `#taken` is due earlier. */
  #span: number
  /** After a jump forward: so far every slot has to be looked at, also if the clock is put back meanwhile. */
  #reach = 0

  constructor(now: number) {
    this.#span = spanOf(now)
  }

  /** Files a node that is in no list. One that is never due stays outside. */
  add(node: T): void {
    if (node.expiresAt === Number.POSITIVE_INFINITY) return
    const span = spanOf(node.expiresAt)
    if (span < this.#span) this.#span = span
    const list = this.#slot(span)
    node.previous = list.previous
    node.next = list
    list.previous.next = node
    list.previous = node
  }

  /** Takes a node out, wherever it is. Needed before it goes, and before its end moves to an earlier time. */
  remove(node: T): void {
    node.previous.next = node.next
    node.next.previous = node.previous
    node.previous = node
    node.next = node
  }

  /**
   * Takes out what is due at `now`, at most `limit` nodes, and hands each to `expire`. Answers how many; fewer than are
   * due when a great many that are not due were in the way.
   */
  sweep(now: number, limit: number, expire: (node: T) => void): number {
    const last = spanOf(now)
    // A clock that was put back, or forward by more than a turn.
    if (last < this.#span) this.#span = last
    else if (last - this.#span >= SLOTS) {
      this.#span = last - SLOTS + 1
      this.#reach = last
    }
    const end = Math.min(Math.max(last, this.#reach), this.#span + SLOTS - 1)
    let expired = 0
    let visits = MAX_VISITS
    for (let span = this.#span; ; span++) {
      while (this.#taken.next !== this.#taken) {
        if (expired >= limit || visits-- === 0) return expired
        const node = this.#taken.next as T
        this.remove(node)
        if (node.expiresAt > now) {
          this.add(node)
        } else {
          expire(node)
          expired++
        }
      }
      if (span > end) {
        this.#span = last
        this.#reach = 0
        return expired
      }
      this.#span = Math.min(span, last)
      moveAll(this.#slot(span), this.#taken)
    }
  }

  #slot(span: number): Link {
    return this.#slots[span % SLOTS]!
  }
}

function spanOf(time: number): number {
  return Math.max(0, Math.floor(time / SLOT_MS))
}

function makeList(): Link {
  const list = {} as Link
  list.previous = list
  list.next = list
  return list
}

/** Empties one list into another, which must be empty. */
function moveAll(from: Link, to: Link): void {
  if (from.next === from) return
  to.next = from.next
  to.previous = from.previous
  to.next.previous = to
  to.previous.next = to
  from.next = from
  from.previous = from
}
