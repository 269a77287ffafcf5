// One session of one request, as the engine sees it: data, row and what the app asked for. Session is its public face.

import type { MaybePromise, SessionAdmin } from '../protocol.js'
import type { Change } from './change.js'
import type { Document } from './codec.js'
import type { SessionData } from './data.js'
import { publish } from './events.js'
import { makeId } from './id.js'
import type { Locks, Release } from './locks.js'
import { isPromise } from './maybe-promise.js'
import type { Revision } from './store.js'
import type { Takeover } from './takeover.js'
import type { Users } from './users.js'

/** The row that a session was loaded from or stored in. */
export interface Row {
  readonly id: string
  readonly revision: Revision
  /** Where it is and how it is read, when it is another library's. */
  readonly from?: Pick<Takeover<unknown>, 'store' | 'decode'> & Partial<Pick<Takeover<unknown>, 'vacant'>>
}

/** What the client must be told when the response leaves. */
export type CookieAction = 'keep' | 'set' | 'delete'

/** Commits sessions: an engine, or who stands before it and has them wait, or looks on. */
export interface Committer {
  /** Stores what was asked for; nothing if nothing was. Rejects when it could not be stored. */
  commit(state: SessionState): MaybePromise<void>
}

/** What stores and ends sessions: rows in a store, or cookies that hold everything. `T`: what a good cookie value proves. */
export interface Engine<T = unknown> extends Committer {
  /** What a cookie value proves, or null when it is none of ours. Never throws: the value comes from outside. */
  verify(value: string): T | null
  /** The id in such a proof. */
  idOf(ticket: T): string
  /** A session that nobody has stored yet. */
  create(): SessionState
  /** The session that a good cookie value stands for; a new one when that is over. */
  load(ticket: T): MaybePromise<SessionState>
  /** The session of an id that the app knows from elsewhere; null when there is none. */
  find(id: string): MaybePromise<SessionState | null>
  /** To whom all its sessions go to be committed: the engine itself, unless another was put before it. */
  committer: Committer
  /** Loads what is stored now, dropping changes. A session that is gone leaves an empty, ended one. */
  reload(state: SessionState): MaybePromise<void>
  /** The value of the cookie that is to be set after a commit. */
  cookieValue(state: SessionState): string
  /** Waits for what is under way, then lets go of the backend. */
  close(): Promise<void>
  /** One request at a time; undefined where there is no store to keep locks in. */
  readonly locks?: Locks | undefined
  /** Whose sessions; undefined where they can't be bound to users. */
  readonly users?: Users | undefined
  /** The sessions as operators see them; undefined when none are kept here. */
  admin?(name: string): SessionAdmin
}

/** Told of a save that needs a cookie to be sent, which is not done. */
export interface AfterHead {
  tooLate(): void
}

/** Stores what is asked for when no response waits for it. */
export interface AfterResponse {
  commitLate(): void
}

interface Unbound {
  readonly user: string
  readonly id: string
}

const NO_ROWS: readonly Row[] = []
const NOBODY: readonly Unbound[] = []

export class SessionState<E = unknown> {
  readonly engine: Engine
  data: SessionData<E>
  /** The row behind it; null: nothing is stored under this id yet. */
  row: Row | null
  /** The access before this one, epoch milliseconds; null for a new session. */
  lastAccessed: number | null
  isNew: boolean
  /** The app asked for the data to be stored. */
  saveRequested = false
  /** Something that the app asked for was stored. */
  wasStored = false
  /** Rows that the app ended. They are deleted at commit, before anything else is stored. */
  ended: readonly Row[] = NO_ROWS
  /** The row to leave for a new id: `regenerateId()`. */
  movedFrom: Row | null = null
  /** The app bound it to a user in this request: to be written down when it is stored. */
  binding: { readonly device: string | undefined } | null = null
  /** Bound sessions that the app ended, by user. */
  unbound: readonly Unbound[] = NOBODY
  /** The row vanished under us: logged out elsewhere. Nothing of this session is stored any more. */
  gone = false
  /** Why nothing can be stored: the row holds what only its own program can represent, or the store is away. */
  unwritable: Error | null = null
  cookie: CookieAction = 'keep'
  /** Gives the lock back that this request holds. */
  release: Release | null = null
  /** Set when the head has left: no cookie can be sent any more. */
  headLeft: AfterHead | null = null
  /** Set when the response is over: who commits what is asked for after that. */
  responseOver: AfterResponse | null = null
  #id: string | undefined
  #locking: Promise<Release> | undefined
  #life = 0
  /** The commit or reload that is under way. */
  #underWay: Promise<void> | null = null

  constructor(engine: Engine, data: SessionData<E>, row: Row | null, lastAccessed: number | null) {
    this.engine = engine
    this.data = data
    this.row = row
    this.lastAccessed = lastAccessed
    this.isNew = row === null
    this.#id = row?.id
  }

  /** Made when somebody asks: most new sessions are never stored. */
  get id(): string {
    this.#id ??= makeId()
    return this.#id
  }

  /** Another one once the session was ended: what was begun for the one before must not reach the one after. */
  get life(): number {
    return this.#life
  }

  get isCommitting(): boolean {
    return this.#underWay !== null
  }

  /** Whether the app asked for something since the last commit began. */
  get hasWork(): boolean {
    return this.saveRequested || this.ended.length > 0 || this.movedFrom !== null
  }

  /** Stores what was asked for. One at a time: it waits for what is under way, and tries again what that failed to store. */
  commit(): MaybePromise<void> {
    const before = this.#underWay
    if (before !== null) {
      let wanted = false
      const work = () => {
        wanted = this.saveRequested
        return this.#commitNow()
      }
      const done = before.then(work, work)
      this.#follow(done)
      this.#retryAfter(done, () => wanted)
      return done
    }
    const wanted = this.saveRequested
    const done = this.#commitNow()
    if (isPromise(done)) {
      this.#follow(done)
      if (wanted) this.#retryAfter(done, () => true)
    }
    return done
  }

  #commitNow(): MaybePromise<void> {
    if (this.headLeft !== null && this.row === null) this.#stay(this.headLeft)
    return this.engine.committer.commit(this)
  }

  /** What `done` fails to store is asked for again, if another commit is under way by then. */
  #retryAfter(done: Promise<void>, wanted: () => boolean): void {
    done.catch(() => {
      if (wanted() && this.#underWay !== done && this.#underWay !== null) this.requestSave()
    })
  }

  /** Loads what is stored now, dropping changes. */
  async reload(): Promise<void> {
    const work = () => this.engine.reload(this)
    const done = this.#underWay === null ? work() : this.#underWay.then(work, work)
    if (isPromise(done)) this.#follow(done)
    await done
  }

  /** `change` was stored in `row`, on behalf of the session as it was in `life`. Answers whether it still is that one. */
  stored(document: Document<E>, change: Change<E> | undefined, row: Row, life: number): boolean {
    if (life !== this.#life) {
      if (!this.ended.some(({ id }) => id === row.id)) this.ended = [...this.ended, row]
      return false
    }
    this.wasStored = true
    if (this.#id === row.id) this.row = row
    else this.movedFrom = row
    this.data.rebase(document, change)
    return this.#id === row.id
  }

  #follow(done: Promise<void>): void {
    this.#underWay = done
    const over = () => {
      if (this.#underWay === done) this.#underWay = null
    }
    done.then(over, over)
  }

  requestSave(): void {
    this.saveRequested = true
    this.responseOver?.commitLate()
  }

  /** Ends what is stored and goes on, empty, under a new id. */
  end(): void {
    const row = this.row ?? this.movedFrom
    const { user } = this.data.base
    if (row !== null) this.ended = [...this.ended, row]
    if (row !== null && user !== undefined) this.unbound = [...this.unbound, { user, id: row.id }]
    this.binding = null
    this.row = null
    this.movedFrom = null
    this.unwritable = null
    this.gone = false
    this.isNew = true
    this.lastAccessed = null
    this.saveRequested = false
    this.cookie = 'delete'
    this.#id = undefined
    this.#life++
    const { domain, path } = this.data.base
    this.data.replace({ created: null, accessed: null, values: new Map(), domain, path })
    this.responseOver?.commitLate()
  }

  /** Goes on with the same data under a new id; the old one dies at commit. */
  move(): void {
    if (this.row !== null) this.movedFrom = this.row
    this.row = null
    this.#id = undefined
    this.requestSave()
  }

  /** It was ended elsewhere: nothing of it is stored, and no cookie is sent. Not so for one that came after `life`. */
  leave(life: number): void {
    if (life !== this.#life) return
    this.gone = true
    this.saveRequested = false
    publish({ type: 'gone' })
  }

  /** Binds the session to a user. Throws where sessions can't be. */
  bind(user: string, device: string | undefined): void {
    if (this.engine.users === undefined) {
      throw new Error('sessions can be bound to users only in a store, and with format = sessd')
    }
    this.data.user = user
    this.binding = { device }
    this.requestSave()
  }

  /** Waits for the lock of this session, if it has a row; rejects with LockTimeout. */
  async lock(): Promise<void> {
    const { locks } = this.engine
    if (locks === undefined) throw new Error('sessions of type = cookie can not be locked')
    if (this.release !== null || this.row === null) return
    // A request that asks twice at once must not wait for itself.
    this.#locking ??= locks.acquire(this.row.id)
    try {
      this.release = await this.#locking
    } finally {
      this.#locking = undefined
    }
  }

  /** Gives the lock back. Never rejects: a lock that can't be given back dies by itself. */
  unlock(): MaybePromise<void> {
    const { release } = this
    if (release === null) return
    this.release = null
    return release().catch((error: unknown) => publish({ type: 'background-failed', error }))
  }

  /** Takes back move(), and a save of what has no row: a known session is stored where it is, a new one not at all. */
  #stay(after: AfterHead): void {
    if (this.saveRequested) after.tooLate()
    if (this.movedFrom !== null) {
      this.row = this.movedFrom
      this.#id = this.movedFrom.id
      this.movedFrom = null
    } else {
      this.saveRequested = false
      this.gone = true
    }
  }

  /** A new id for a session that could not be stored under the present one. */
  renew(): void {
    this.#id = undefined
  }
}
