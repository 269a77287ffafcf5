// What is asked of rows in one turn of the event loop goes to Redis as one script, in the order in which it was asked: a
// command costs a client several microseconds, a row in a script less than one. In a cluster each goes by itself, since
// a script may have keys of one slot only; and so it is everywhere before it is known that one server has all the keys.

import type { RedisAccess } from './redis-access.js'
import type { RedisArgument, RedisLink } from './redis-link.js'
import { OneServer } from './redis-one-server.js'
import { loadScript, replaceScript, rowsScript, runScript } from './redis-scripts.js'

/** Something to do with one row. */
export interface RowTask<R> {
  readonly key: string
  /** Its letter in the script. */
  readonly kind: 'L' | 'D' | 'T' | 'A' | 'I' | 'S' | 'H'
  /** When the row shall die, in epoch milliseconds; null: never; undefined: the task is not about that. */
  readonly expiresAt?: number | null
  /** The new row, and what is expected of the old one, as the task comes with them. */
  readonly bytes: readonly Buffer[]
  /** Makes the answer out of the two values that the script gives. */
  readonly read: (value: unknown, left: unknown) => R
}

interface Waiting {
  readonly task: RowTask<unknown>
  readonly resolve: (answer: never) => void
  readonly reject: (error: unknown) => void
}

/** Tasks in one command, at most, and the bytes there and back after which it takes no more. */
const MOST = 128
const FULL = 256 * 1024

export class RedisRows {
  readonly #access: RedisAccess
  readonly #clock: () => number
  #waiting: Waiting[] = []
  /** How long rows are that are loaded: the longest of late. */
  #rowLength = 0
  readonly #oneServer: OneServer

  /** `prefix`: what keys begin with. */
  constructor(access: RedisAccess, clock: () => number, prefix: string) {
    this.#access = access
    this.#clock = clock
    this.#oneServer = new OneServer(access, prefix)
  }

  /** Rejects, naming the server, when it can't be done, or was not done in time. */
  ask<R>(task: RowTask<R>): Promise<R> {
    if (this.#oneServer.isDenied) return this.#askAlone(task)
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ task, resolve, reject }) === 1) setImmediate(this.flush)
    })
  }

  /** Sends what waits for the end of the turn. */
  readonly flush = (): void => {
    const all = this.#waiting
    this.#waiting = []
    if (all.length > 1 && !this.#oneServer.isKnown()) {
      for (const waiting of all) this.#settleAlone(waiting)
      return
    }
    for (let from = 0, to = 0; from < all.length; from = to) {
      for (let size = 0; to < all.length && to - from < MOST && size < FULL; to++) {
        size += this.#sizeOf(all[to]!.task)
      }
      if (to - from === 1) this.#settleAlone(all[from]!)
      else void this.#send(all.slice(from, to))
    }
  }

  #askAlone<R>(task: RowTask<R>): Promise<R> {
    return this.#access.run((link) => askAlone(link, task, this.#clock()))
  }

  #settleAlone({ task, resolve, reject }: Waiting): void {
    this.#askAlone(task).then(resolve as (answer: unknown) => void, reject)
  }

  #sizeOf({ bytes }: RowTask<unknown>): number {
    let size = this.#rowLength
    for (const part of bytes) size += part.length
    return size
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    try {
      const answers = await this.#access.run((link) => this.#run(link, batch))
      if (answers !== undefined) return this.#answer(batch, answers)
    } catch (error) {
      for (const { reject } of batch) reject(error)
      return this.#oneServer.doubt()
    }
    this.#oneServer.deny()
    for (const waiting of batch) this.#settleAlone(waiting)
  }

  #answer(batch: readonly Waiting[], answers: readonly unknown[]): void {
    let longest = this.#rowLength >> 1
    for (let index = 0; index < batch.length; index++) {
      const { task, resolve, reject } = batch[index]!
      const value = answers[2 * index]
      if (value instanceof Buffer && value.length > longest) longest = value.length
      if (Array.isArray(value)) reject(this.#access.failure(String(value[0])))
      else resolve(task.read(value, answers[2 * index + 1]) as never)
    }
    this.#rowLength = longest
  }

  /** What the script answers; undefined, and nothing was done: the address is that of one server of a cluster. */
  async #run(link: RedisLink, batch: readonly Waiting[]): Promise<readonly unknown[] | undefined> {
    const keys = batch.map(({ task }) => task.key) as [string, ...string[]]
    try {
      return valuesFor(keys, await runScript(link, rowsScript, keys, this.#argumentsOf(batch)))
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('CROSSSLOT')) return undefined
      throw error
    }
  }

  /** After the keys; nothing when all rows are only loaded. */
  #argumentsOf(batch: readonly Waiting[]): RedisArgument[] {
    const now = this.#clock()
    const tasks: RedisArgument[] = []
    const bytes: Buffer[] = []
    let isReading = true
    for (const { task } of batch) {
      if (task.kind !== 'L') isReading = false
      tasks.push(textOf(task, now))
      bytes.push(...task.bytes)
    }
    if (isReading) return []
    // Joined, since each Buffer costs a client two more writes.
    return tasks.concat(Buffer.concat(bytes))
  }
}

/** One row, with a plain command where there is one: that costs Redis less than the script for many. */
function askAlone<R>(link: RedisLink, task: RowTask<R>, now: number): Promise<R> {
  const { key, kind, expiresAt, bytes, read } = task
  const span = typeof expiresAt === 'number' ? String(spanUntil(expiresAt, now)) : ''
  const load = () =>
    runScript(link, loadScript, [key], []).then((row) => (Array.isArray(row) ? row : NOTHING))
  switch (kind) {
    case 'L':
      return load().then(([row, left]) => read(row, left))
    case 'D':
      return link.send(key, ['DEL', key]).then((removed) => read(removed, 0))
    case 'T':
      if (span === '') break
      return link.send(key, ['PEXPIRE', key, span]).then((moved) => read(moved, 0))
    case 'I':
      if (span === '0') break
      return link
        .send(key, ['SET', key, bytes[0]!, 'NX', ...(span === '' ? [] : ['PX', span])])
        .then((done) => {
          return done === null ? load().then(([row, left]) => read(row, left)) : read(1, 0)
        })
  }
  const asked =
    kind === 'S' || kind === 'H'
      ? runScript(link, replaceScript, [key], [kind, span, ...bytes])
      : runScript(link, rowsScript, [key], [textOf(task, now), ...bytes])
  return asked.then((answer) => {
    const [value, left] = valuesFor([key], answer)
    if (Array.isArray(value)) throw new Error(String(value[0]))
    return read(value, left)
  })
}

const NOTHING: readonly unknown[] = [null, 0]

function valuesFor(keys: readonly string[], answer: unknown): readonly unknown[] {
  if (Array.isArray(answer) && answer.length === 2 * keys.length) return answer
  throw new Error(`expected two values for each of ${keys.length} rows, got something else`)
}

/** The task as the script reads it. */
function textOf({ kind, expiresAt, bytes }: RowTask<unknown>, now: number): string {
  let text = kind + (typeof expiresAt === 'number' ? spanUntil(expiresAt, now) : '')
  for (const part of bytes) text += ` ${part.length}`
  return text
}

/** Milliseconds, as digits alone; 0 for what is over. */
function spanUntil(expiresAt: number, now: number): number {
  const span = Math.ceil(expiresAt - now)
  return span > 0 ? Math.min(span, Number.MAX_SAFE_INTEGER) : 0
}
