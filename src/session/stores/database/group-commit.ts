// Writes of one turn of the event loop, in one transaction: one lock, one commit and, if wanted, one fsync for all of
// them. Each still finds out for itself whether it changed a row, and nobody hears of it before it is committed.

export interface Transactional {
  begin(): void
  commit(): void
  rollback(): void
}

export interface GroupCommitOptions<C> {
  /** The connection to write to; may throw. */
  readonly connection: () => C
  /** Whether an error says that another process has the lock, and nothing was done. */
  readonly isBusy: (error: unknown) => boolean
  /** Told of any other error: the connection is in an unknown state. Answers what the writer is to be told. */
  readonly onError: (error: unknown) => Error
  /** How long a write may wait for another process, in milliseconds. */
  readonly patience: number
}

interface Job<C> {
  readonly work: (connection: C) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
  /** By the monotonic clock. */
  readonly due: number
}

/** So many writes go together: a millisecond or so of work. */
const LARGEST_GROUP = 100

/** How long to wait before the lock is tried again, in milliseconds, give or take a half. */
const PAUSE = 4

export class GroupCommit<C extends Transactional> {
  readonly #options: GroupCommitOptions<C>
  #jobs: Job<C>[] = []
  #scheduled = false
  #onIdle: (() => void)[] = []

  constructor(options: GroupCommitOptions<C>) {
    this.#options = options
  }

  /** Runs `work`, which must not wait for anything, in a transaction. Answers what it gave, once that is committed. */
  add<R>(work: (connection: C) => R): Promise<R> {
    return new Promise((resolve, reject) => {
      const due = performance.now() + this.#options.patience
      this.#jobs.push({ work, resolve: resolve as (value: unknown) => void, reject, due })
      this.#schedule(0)
    })
  }

  /** Resolves when nothing is waiting to be written. */
  idle(): Promise<void> {
    if (this.#jobs.length === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onIdle.push(resolve)
    })
  }

  #schedule(pause: number): void {
    if (this.#scheduled) return
    this.#scheduled = true
    if (pause === 0) setImmediate(this.#write)
    else setTimeout(this.#write, pause * (0.5 + Math.random()))
  }

  readonly #write = (): void => {
    this.#scheduled = false
    const blocked = this.#commit(this.#jobs.splice(0, LARGEST_GROUP))
    const now = performance.now()
    this.#jobs.unshift(...blocked.filter((job) => !this.#rejectLate(job, now)))
    if (this.#jobs.length > 0) this.#schedule(blocked.length === 0 ? 0 : PAUSE)
    else for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  /** Settles a group of writes. Answers those that have to wait, because another process has the lock. */
  #commit(group: readonly Job<C>[]): readonly Job<C>[] {
    const { connection, isBusy, onError } = this.#options
    const answers: unknown[] = []
    let open: C | undefined
    try {
      const target = connection()
      target.begin()
      open = target
      for (const { work } of group) answers.push(work(target))
      target.commit()
    } catch (error) {
      if (open === undefined && isBusy(error)) return group
      open?.rollback()
      const reason = onError(error)
      // One may have spoilt it for all: now each for itself.
      if (group.length > 1) return group.flatMap((job) => this.#commit([job]))
      for (const { reject } of group) reject(reason)
      return []
    }
    for (const [index, { resolve }] of group.entries()) resolve(answers[index])
    return []
  }

  #rejectLate({ due, reject }: Job<C>, now: number): boolean {
    if (now < due) return false
    const { patience, onError } = this.#options
    reject(onError(new Error(`another process has had it locked for ${patience} ms`)))
    return true
  }
}
