// How long one waits for a backend that may never answer. All wait equally long, so they stand in one line, and one
// timer serves them all; it keeps no process alive.

/** The longest time for a timer, in milliseconds: Node takes longer ones for a millisecond. */
export const LONGEST_TIMER = 2 ** 31 - 1

/** In a list of its own making: a Set of so many short lives costs ten times as much. */
class Waiter {
  readonly due: number
  readonly late: () => Error
  reject: (error: Error) => void = () => {}
  previous: Waiter = this
  next: Waiter = this

  constructor(due: number, late: () => Error) {
    this.due = due
    this.late = late
  }
}

export class Deadlines {
  readonly #milliseconds: number
  /** Nobody: the ends of the line, the oldest next. */
  readonly #line = new Waiter(0, () => new Error())
  #timer: NodeJS.Timeout | undefined
  #onIdle: (() => void)[] = []

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  /** What `work` answers; rejects with the error of `late` when that takes too long. The work itself goes on. */
  limit<T>(work: Promise<T>, late: () => Error): Promise<T> {
    const waiter = this.#add(late)
    return new Promise((resolve, reject) => {
      waiter.reject = reject
      work.then(
        (value) => {
          this.#remove(waiter)
          resolve(value)
        },
        (error: unknown) => {
          this.#remove(waiter)
          reject(error)
        },
      )
    })
  }

  /** Resolves when nobody waits any more, at the latest when the present deadlines have passed. */
  idle(): Promise<void> {
    if (this.#line.next === this.#line) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle.push(resolve)
    })
  }

  #add(late: () => Error): Waiter {
    const line = this.#line
    const waiter = new Waiter(performance.now() + this.#milliseconds, late)
    waiter.previous = line.previous
    waiter.next = line
    line.previous.next = waiter
    line.previous = waiter
    if (this.#timer === undefined) this.#arm(this.#milliseconds)
    return waiter
  }

  #arm(milliseconds: number): void {
    this.#timer = setTimeout(this.#expire, Math.min(milliseconds, LONGEST_TIMER)).unref()
  }

  #remove(waiter: Waiter): void {
    waiter.previous.next = waiter.next
    waiter.next.previous = waiter.previous
    // Removed twice, when the work ends after all, it must not touch the line.
    waiter.previous = waiter
    waiter.next = waiter
    if (this.#onIdle.length === 0 || this.#line.next !== this.#line) return
    for (const resolve of this.#onIdle) resolve()
    this.#onIdle = []
  }

  readonly #expire = (): void => {
    this.#timer = undefined
    const now = performance.now()
    for (let first = this.#line.next; first !== this.#line; first = this.#line.next) {
      if (first.due > now) {
        // A timer may be early by a fraction of a millisecond.
        this.#arm(Math.ceil(first.due - now))
        return
      }
      this.#remove(first)
      first.reject(first.late())
    }
  }
}
