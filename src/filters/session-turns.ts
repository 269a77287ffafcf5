// Turns of the servers behind us that write the session's rows whole (Beaker does): from the turn's begin to its end no other
// request of the session reaches them, and no commit of ours is made between their reading and their writing.

import type { MaybePromise } from '../protocol.js'
import type { Committer, SessionState } from '../session/state.js'

/** Ends a turn. Twice is once. */
export type EndTurn = () => void

export interface TurnLimits {
  /** How long to wait for a turn, in milliseconds. */
  readonly wait: number
  /** How many requests of one session may wait. */
  readonly queue: number
}

/** Tells when nobody waits for an answer any more: a ServerResponse. */
export interface Client {
  once(event: 'close', leave: () => void): unknown
  off(event: 'close', leave: () => void): unknown
}

/** When our own commits wait. */
export interface CommitRules {
  /** What was changed is stored without being asked for. */
  readonly auto: boolean
  /** All who load a session hold its lock, also for the servers behind us: commits have no need to wait. */
  readonly lockRequests: boolean
}

/** Those who wait for one session, each to be called when it is its turn. Ours go first: others may be many, and slow. */
interface Line {
  readonly commits: Set<() => void>
  readonly requests: Set<() => void>
}

/** Node takes longer ones for a millisecond. */
const LONGEST_TIMER = 2 ** 31 - 1

/**
 * The turns of all sessions behind one filter, in this process. Our own commits go through here too: straight on until the
 * first turn is asked for, from then on in turn.
 */
export class SessionTurns implements Committer {
  readonly #next: Committer
  readonly #rules: CommitRules
  readonly #lines = new Map<string, Line>()
  /** How long a commit waits; undefined where it has no need to. */
  #patience: number | undefined

  /** `next` commits what has its turn, or needs none. */
  constructor(next: Committer, rules: CommitRules) {
    this.#next = next
    this.#rules = rules
  }

  /** The requests that have or wait for a turn, of all sessions. */
  get size(): number {
    let size = 0
    for (const { commits, requests } of this.#lines.values()) size += 1 + commits.size + requests.size
    return size
  }

  /**
   * Resolves when it is the turn of the session `id`, first come first served; null: too many wait, the time is over or the
   * client is gone. `id` must be proved: who could wait under somebody else's would keep that one out.
   */
  take(id: string, limits: TurnLimits, client: Client): MaybePromise<EndTurn | null> {
    if (!this.#rules.lockRequests) this.#patience = Math.max(this.#patience ?? 0, limits.wait)
    const line = this.#lines.get(id)
    if (line === undefined) return this.#begin(id)
    return line.requests.size < limits.queue ? this.#queueUp(id, line.requests, limits.wait, client) : null
  }

  /** A commit that gets no turn in time goes ahead: it merges, as ever. */
  commit(state: SessionState): MaybePromise<void> {
    if (this.#patience === undefined) return this.#next.commit(state)
    const id = this.#idToWrite(state)
    return id === undefined ? this.#next.commit(state) : this.#commitInTurn(id, state, this.#patience)
  }

  #queueUp(
    id: string,
    waiting: Set<() => void>,
    milliseconds: number,
    client?: Client,
  ): Promise<EndTurn | null> {
    return new Promise((resolve) => {
      const leave = () => done(null)
      const timer = setTimeout(leave, Math.min(milliseconds, LONGEST_TIMER))
      const call = () => done(this.#endOf(id))
      const done = (turn: EndTurn | null) => {
        clearTimeout(timer)
        client?.off('close', leave)
        waiting.delete(call)
        resolve(turn)
      }
      client?.once('close', leave)
      waiting.add(call)
    })
  }

  #begin(id: string): EndTurn {
    this.#lines.set(id, { commits: new Set(), requests: new Set() })
    return this.#endOf(id)
  }

  #endOf(id: string): EndTurn {
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      const { commits, requests } = this.#lines.get(id)!
      const [next] = commits.size > 0 ? commits : requests
      if (next === undefined) this.#lines.delete(id)
      else next()
    }
  }

  async #commitInTurn(id: string, state: SessionState, patience: number): Promise<void> {
    const line = this.#lines.get(id)
    const end = line === undefined ? this.#begin(id) : await this.#queueUp(id, line.commits, patience)
    try {
      await this.#next.commit(state)
    } finally {
      end?.()
    }
  }

  /** The row that a commit would write; undefined when it would write none, or nobody else knows it. */
  #idToWrite(state: SessionState): string | undefined {
    if (!state.hasWork && !(this.#rules.auto && state.data.change() !== undefined)) return undefined
    return (state.row ?? state.movedFrom ?? state.ended[0])?.id
  }
}

/** A turn that begins when `lock` resolves and gives the lock back itself if `unlock` sees nobody else who would. */
export async function lockedTurn(
  turn: MaybePromise<EndTurn | null>,
  lock: () => Promise<unknown>,
  unlock: () => unknown,
): Promise<EndTurn | null> {
  const end = await turn
  if (end === null) return null
  try {
    await lock()
  } catch (error) {
    end()
    throw error
  }
  return () => {
    end()
    unlock()
  }
}
