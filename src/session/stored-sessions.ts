// Sessions as rows of a store: from a cookie value to a row, and from a row to a session. How changes become rows again
// is in row-writer.ts.

import type { MaybePromise, SessionAdmin } from '../protocol.js'
import { sessionAdmin } from './admin.js'
import type { Clock } from './clock.js'
import { type Codec, CorruptSession, type Document, ForeignSession } from './codec.js'
import { SessionData } from './data.js'
import { publish } from './events.js'
import { hashedStore } from './hashed-store.js'
import { isId } from './id.js'
import { isExpired, lastAccess } from './lifetime.js'
import { Locks } from './locks.js'
import { after, isPromise } from './maybe-promise.js'
import { RowWriter } from './row-writer.js'
import { SeenRows } from './seen-rows.js'
import { blankDocument, isVacant, type SessionSettings } from './settings.js'
import { SharedLoads } from './shared-loads.js'
import type { Signer, Verified } from './signer.js'
import { type Committer, type Engine, type Row, SessionState } from './state.js'
import type { SessionStore, StoredSession } from './store.js'
import { type Sweeper, sweepAtIntervals } from './sweeper.js'
import type { Takeover } from './takeover.js'
import { Users } from './users.js'

export interface StoredSessionsOptions<E> {
  readonly store: SessionStore
  readonly codec: Codec<E>
  readonly signer: Signer
  readonly settings: SessionSettings
  readonly clock: Clock
  /** How long one request waits for a locked session, and holds it, at most; milliseconds. */
  readonly lockLimit: number
  /** Sessions can be bound to users, of whom each may have so many; undefined: they can't. */
  readonly users?: { readonly limit: number | undefined } | undefined
  /** The ids under which the store knows sessions are hashes of ours (`hash_ids`). */
  readonly hashIds?: boolean | undefined
  /** Another library's sessions that become ours on first use. */
  readonly takeover?: Takeover<E> | undefined
  /** How often expired rows are removed, in milliseconds; undefined: never. */
  readonly sweepInterval?: number | undefined
}

/** A good cookie value: of ours, or of the library that we take over from. */
export interface Ticket extends Verified {
  readonly foreign?: true
}

/** Where a row comes from and how it is read. */
type Source<E> = Pick<Takeover<E>, 'store' | 'decode'> & Partial<Pick<Takeover<E>, 'vacant'>>

export class StoredSessions<E> implements Engine<Ticket> {
  readonly #own: Source<E>
  readonly #codec: Codec<E>
  readonly #signer: Signer
  readonly #settings: SessionSettings
  readonly #clock: Clock
  readonly #takeover: Takeover<E> | undefined
  readonly #writer: RowWriter<E>
  readonly #loads: SharedLoads
  readonly #sweeper: Sweeper | undefined

  readonly #bareStore: SessionStore
  readonly users: Users | undefined
  readonly locks: Locks
  committer: Committer = this
  readonly #seen = new SeenRows<E>()

  constructor(given: StoredSessionsOptions<E>) {
    const plain = given.hashIds === true ? hashedStore(given.store) : given.store
    const watched = given.settings.onStoreError === 'readonly' ? this.#seen.watch(plain) : plain
    const options = { ...given, store: watched }
    this.#bareStore = given.hashIds === true ? given.store : watched
    this.#own = { store: options.store, decode: options.codec.decode }
    this.#codec = options.codec
    this.#signer = options.signer
    this.#settings = options.settings
    this.#clock = options.clock
    this.#takeover = options.takeover
    this.#loads = new SharedLoads(options.store)
    this.#writer = new RowWriter({
      ...options,
      onReplaced: (id, payload, document) => this.#seen.add(id, payload, document),
    })
    const { store, sweepInterval } = options
    this.locks = new Locks(given.store, options.clock, options.lockLimit)
    this.users =
      options.users &&
      new Users({
        ...options,
        codec: options.codec as Codec<unknown>,
        index: given.store,
        limit: options.users.limit,
      })
    if (sweepInterval !== undefined && store.sweep !== undefined) {
      this.#sweeper = sweepAtIntervals(store, sweepInterval, (error) =>
        publish({ type: 'background-failed', error }),
      )
    }
  }

  verify(value: string): Ticket | null {
    const verified = this.#signer.verify(value)
    if (verified !== null || this.#takeover === undefined) return verified
    const id = this.#takeover.verify(value)
    return id === null ? null : { id, stale: true, foreign: true }
  }

  idOf(ticket: Ticket): string {
    return ticket.id
  }

  cookieValue(state: SessionState): string {
    return this.#signer.sign(state.id)
  }

  create(): SessionState<E> {
    return new SessionState(this, new SessionData(this.#codec, blankDocument(this.#settings)), null, null)
  }

  /** The session of a verified id, or a new one when there is no live row: ids are never adopted. */
  load(ticket: Ticket): MaybePromise<SessionState<E>> {
    const source = ticket.foreign === true ? this.#takeover! : this.#own
    let stored: MaybePromise<StoredSession | null>
    try {
      stored = source === this.#own ? this.#loads.load(ticket.id) : source.store.load(ticket.id)
    } catch (error) {
      return this.#withoutStore(ticket, error)
    }
    return isPromise(stored)
      ? stored.then(
          (row) => this.#open(ticket, row, source),
          (error: unknown) => this.#withoutStore(ticket, error),
        )
      : this.#open(ticket, stored, source)
  }

  async find(id: string): Promise<SessionState<E> | null> {
    if (!isId(id)) return null
    const state = await this.load({ id, stale: false })
    return state.isNew ? null : state
  }

  commit(state: SessionState<E>): MaybePromise<void> {
    const { movedFrom } = state
    const stored = this.#writer.commit(state)
    if (this.users === undefined) return stored
    const movedUser = movedFrom === null ? undefined : state.data.user
    if (state.binding === null && state.unbound.length === 0 && movedUser === undefined) return stored
    return after(stored, () => this.#indexUsers(state, this.users!, movedFrom?.id))
  }

  async reload(state: SessionState<E>): Promise<void> {
    const { life } = state
    const row = state.row ?? state.movedFrom
    const newest = row === null ? null : await this.#loadRow(row)
    if (life !== state.life) return
    if (row === null || newest === null) {
      state.gone = row !== null
      state.data.replace(blankDocument(this.#settings))
    } else {
      if (state.row === null) state.movedFrom = newest.row
      else state.row = newest.row
      state.unwritable = newest.foreign
      state.data.replace(newest.document)
    }
    state.saveRequested = false
  }

  /** What is in a row now; null when it is gone. */
  async #loadRow(
    row: Row,
  ): Promise<{ row: Row; document: Document<E>; foreign: ForeignSession | null } | null> {
    const source = (row.from as Source<E> | undefined) ?? this.#own
    const stored = await source.store.load(row.id)
    const decoded = stored === null ? null : this.#decode(row.id, stored, source)
    const foreign = decoded instanceof ForeignSession ? decoded : null
    const document = foreign === null ? (decoded as Document<E> | null) : (foreign.readable as Document<E>)
    if (stored === null || document === null || isVacant(document)) return null
    const now = this.#clock()
    const accessed = lastAccess(this.#settings, document, stored, now)
    if (isExpired(this.#settings, document.created, accessed, now)) return null
    return { row: { ...row, revision: stored.revision }, document, foreign }
  }

  /** Brings the lists of users up to date with what was stored. */
  async #indexUsers(state: SessionState<E>, users: Users, movedFrom: string | undefined): Promise<void> {
    for (let [first] = state.unbound; first !== undefined; [first] = state.unbound) {
      state.unbound = state.unbound.slice(1)
      await users.remove(first.user, new Set([first.id]))
    }
    const { user } = state.data
    if (state.row === null || state.gone || user === undefined) return
    if (state.binding !== null) {
      const { device } = state.binding
      state.binding = null
      if (movedFrom !== undefined) await users.remove(user, new Set([movedFrom]))
      const bound = this.#clock()
      await users.bind(user, { id: state.row.id, bound, ...(device === undefined ? {} : { device }) })
    } else if (movedFrom !== undefined) {
      await users.move(user, movedFrom, state.row.id)
    }
  }

  admin(name: string): SessionAdmin {
    const [store, codec, settings, clock] = [this.#bareStore, this.#codec, this.#settings, this.#clock]
    return sessionAdmin({ name, store, codec, settings, clock, users: this.users })
  }

  async close(): Promise<void> {
    await this.#sweeper?.stop()
    await this.#writer.background.idle()
    if (this.#takeover !== undefined && this.#takeover.store !== this.#own.store) {
      await this.#takeover.store.close?.()
    }
    await this.#own.store.close?.()
  }

  #open(ticket: Ticket, stored: StoredSession | null, source: Source<E>): SessionState<E> {
    if (stored === null) {
      this.#seen.forget(ticket.id)
      return this.create()
    }
    const decoded = this.#decode(ticket.id, stored, source)
    const document = decoded instanceof ForeignSession ? (decoded.readable as Document<E>) : decoded
    if (document === null || isVacant(document)) return this.create()
    const now = this.#clock()
    const accessed = lastAccess(this.#settings, document, stored, now)
    if (isExpired(this.#settings, document.created, accessed, now)) {
      publish({ type: 'expired' })
      this.#writer.background.run(() => source.store.delete(ticket.id))
      return this.create()
    }
    if (this.#settings.onStoreError === 'readonly') this.#seen.access(ticket.id, now)
    const { revision } = stored
    const row = source === this.#own ? { id: ticket.id, revision } : { id: ticket.id, revision, from: source }
    const state = new SessionState<E>(this, new SessionData(this.#codec, document), row, accessed)
    if (decoded instanceof ForeignSession) state.unwritable = decoded
    else if (source !== this.#own) state.move()
    else if (ticket.stale) state.cookie = 'set'
    return state
  }

  /** The store is away. What the settings allow is read-only, and to end it fails as long as the store does. */
  #withoutStore(ticket: Ticket, error: unknown): SessionState<E> {
    const { onStoreError } = this.#settings
    if (onStoreError === 'error') throw error
    const last = onStoreError === 'readonly' ? this.#lastSeen(ticket.id) : undefined
    const data = new SessionData(this.#codec, last ?? blankDocument<E>(this.#settings))
    const state = new SessionState<E>(this, data, { id: ticket.id, revision: '' }, last?.accessed ?? null)
    state.unwritable = error instanceof Error ? error : new Error(String(error))
    return state
  }

  /** A session as this process saw it last, unless it is over by now. */
  #lastSeen(id: string): Document<E> | undefined {
    const seen = this.#seen.last(id)
    if (seen === undefined) return undefined
    const { document } = seen
    const now = this.#clock()
    const accessed = seen.accessed ?? document.accessed ?? document.created ?? now
    return isExpired(this.#settings, document.created, accessed, now) ? undefined : document
  }

  /** null: a broken row, put aside. A row that holds what we can't represent: the error, if a part of it can be read. */
  #decode(id: string, stored: StoredSession, source: Source<E>): Document<E> | ForeignSession | null {
    const before = source === this.#own ? this.#seen.find(id, stored.payload) : undefined
    if (before !== undefined) return before
    try {
      const document = source.decode(stored.payload)
      if (source === this.#own) this.#seen.add(id, stored.payload, document)
      return document
    } catch (error) {
      if (error instanceof ForeignSession) {
        publish({ type: 'foreign' })
        if (error.readable !== undefined) return error
      }
      if (!(error instanceof CorruptSession) || !this.#settings.invalidateCorrupt) throw error
      publish({ type: 'corrupt' })
      this.#writer.background.run(() => source.store.setAside?.(id) ?? source.store.delete(id))
      return null
    }
  }
}
