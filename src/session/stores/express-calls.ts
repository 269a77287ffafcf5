// An express-session store as it is called: with callbacks that may come late, twice, at once or never.

import { Deadlines } from '../deadlines.js'

type Callback<T = unknown> = (error?: unknown, result?: T) => void

/** What a store for express-session has; most have more. */
export interface ExpressStore {
  get(sid: string, callback: Callback): unknown
  set(sid: string, session: object, callback: Callback): unknown
  destroy(sid: string, callback: Callback): unknown
  touch?(sid: string, session: object, callback: Callback): unknown
  /** The ids of all rows. */
  ids?(callback: Callback): unknown
  /** All sessions: an array, or an object by id. */
  all?(callback: Callback): unknown
  close?(): unknown
  on?(event: string, listener: () => void): unknown
}

/** Whether it may be asked what it has. */
export function canList(store: ExpressStore): boolean {
  return store.ids !== undefined || store.all !== undefined
}

export class ExpressCalls {
  readonly #store: ExpressStore
  readonly #deadlines: Deadlines
  readonly #timeout: number
  #connected = true
  #closed = false

  constructor(store: ExpressStore, timeout: number) {
    this.#store = store
    this.#timeout = timeout
    this.#deadlines = new Deadlines(timeout)
    // As express-session does: between the two its middleware acts as if there were no store.
    store.on?.('disconnect', () => {
      this.#connected = false
    })
    store.on?.('connect', () => {
      this.#connected = true
    })
    // Whoever waits for an answer learns of it; without a listener the process would end.
    store.on?.('error', () => {})
  }

  /** What is stored under the id, whatever it is; null for nothing. */
  async get(id: string): Promise<unknown> {
    try {
      return (await this.#call('get', (callback) => this.#store.get(id, callback))) ?? null
    } catch (error) {
      // session-file-store's way to say that there is no such session.
      if ((error as NodeJS.ErrnoException | null)?.code === 'ENOENT') return null
      throw error
    }
  }

  async set(id: string, session: object): Promise<void> {
    await this.#call('set', (callback) => this.#store.set(id, session, callback))
  }

  async destroy(id: string): Promise<void> {
    await this.#call('destroy', (callback) => this.#store.destroy(id, callback))
  }

  async touch(id: string, session: object): Promise<void> {
    if (this.#store.touch === undefined) return
    await this.#call('touch', (callback) => this.#store.touch!(id, session, callback))
  }

  /** Rejects when the store shows its sessions without their ids, or not at all. */
  async ids(): Promise<string[]> {
    if (!canList(this.#store)) throw new Error('the express-session store can not list its sessions')
    if (this.#store.ids !== undefined) {
      const ids = await this.#call('ids', (callback) => this.#store.ids!(callback))
      return (ids as unknown[]).map(String)
    }
    const all = await this.#call('all', (callback) => this.#store.all!(callback))
    if (!Array.isArray(all)) return Object.keys(all ?? {})
    return all.map((session: { id?: unknown; sid?: unknown } | null) => {
      const id = session?.id ?? session?.sid
      if (typeof id !== 'string')
        throw new Error('the express-session store does not tell the ids of its sessions')
      return id
    })
  }

  /** Waits for what is under way; calls after it reject. */
  close(): Promise<void> {
    this.#closed = true
    return this.#deadlines.idle()
  }

  #call(name: string, start: (callback: Callback) => unknown): Promise<unknown> {
    if (this.#closed) return Promise.reject(new Error('the express store is closed'))
    if (!this.#connected) return Promise.reject(new Error('the express-session store is disconnected'))
    const answer = new Promise((resolve, reject) => {
      const result = start((error, result) => {
        if (error === undefined || error === null) resolve(result)
        else reject(error)
      })
      // Written as an async function, it may reject in place of calling back.
      if (result instanceof Promise) result.catch(reject)
    })
    return this.#deadlines.limit(
      answer,
      () => new Error(`the express-session store did not answer ${name} within ${this.#timeout} ms`),
    )
  }
}
