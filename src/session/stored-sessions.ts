// Sessions as rows of a store, and the one place that decides how a change becomes a row: compare-and-set on the row
// as loaded; on conflict a merge and another try; a row that is gone stays gone.

import { setTimeout as sleep } from 'node:timers/promises'
import type { MaybePromise } from '../protocol.js'
import type { Clock } from './clock.js'
import { type Codec, CorruptSession, type Document, ForeignSession } from './codec.js'
import { applyChange, type Change, SessionData } from './data.js'
import { publish } from './events.js'
import { isId } from './id.js'
import { expiresAt, isExpired, type Lifetime, lastAccess } from './lifetime.js'
import { after, isPromise } from './maybe-promise.js'
import type { Signer, Verified } from './signer.js'
import { type Engine, type Row, SessionState } from './state.js'
import type { Revision, SaveResult, SessionStore, StoredSession } from './store.js'
import { Turns } from './turns.js'

export interface SessionSettings extends Lifetime {
  /** An access is recorded when the last one recorded is older than this (milliseconds); null: accesses are not recorded. */
  readonly touchAfter: number | null
  /** Changes are stored without save(). */
  readonly auto: boolean
  /** A row that can't be decoded is set aside and the visitor starts anew; else the request fails. */
  readonly invalidateCorrupt: boolean
}

export interface StoredSessionsOptions<E> {
  readonly store: SessionStore
  readonly codec: Codec<E>
  readonly signer: Signer
  readonly settings: SessionSettings
  readonly clock: Clock
}

/** After so many conflicts in a row something is wrong, and the request fails. */
const MAX_ATTEMPTS = 50

export class StoredSessions<E> implements Engine<Verified> {
  readonly #store: SessionStore
  readonly #codec: Codec<E>
  readonly #signer: Signer
  readonly #settings: SessionSettings
  readonly #clock: Clock
  readonly #turns = new Turns()
  readonly #background = new Set<Promise<unknown>>()

  constructor(options: StoredSessionsOptions<E>) {
    this.#store = options.store
    this.#codec = options.codec
    this.#signer = options.signer
    this.#settings = options.settings
    this.#clock = options.clock
  }

  verify(value: string): Verified | null {
    return this.#signer.verify(value)
  }

  cookieValue(state: SessionState): string {
    return this.#signer.sign(state.id)
  }

  idOf(ticket: Verified): string {
    return ticket.id
  }

  create(): SessionState<E> {
    return new SessionState(this, new SessionData(this.#codec, emptyDocument()), null, null)
  }

  /** The session of a verified id, or a new one when there is no live row: ids are never adopted. */
  load(ticket: Verified): MaybePromise<SessionState<E>> {
    const stored = this.#store.load(ticket.id)
    return isPromise(stored) ? stored.then((row) => this.#open(ticket, row)) : this.#open(ticket, stored)
  }

  async find(id: string): Promise<SessionState<E> | null> {
    if (!isId(id)) return null
    const state = await this.load({ id, stale: false })
    return state.isNew ? null : state
  }

  commit(state: SessionState<E>): MaybePromise<void> {
    if (state.ended.length > 0 || state.movedFrom !== null) return this.#commitEnds(state)
    return this.#commitData(state)
  }

  async reload(state: SessionState<E>): Promise<void> {
    const row = state.row
    const stored = row === null ? null : await this.#store.load(row.id)
    const document = stored === null ? null : this.#codec.decode(stored.payload)
    if (row === null || stored === null || document === null || isVacant(document)) {
      state.gone = row !== null
      state.data.replace(emptyDocument())
    } else {
      state.row = { id: row.id, revision: stored.revision }
      state.data.replace(document)
    }
    state.saveRequested = false
  }

  async close(): Promise<void> {
    await this.#turns.idle()
    await Promise.all(this.#background)
    await this.#store.close?.()
  }

  #open(ticket: Verified, stored: StoredSession | null): SessionState<E> {
    if (stored === null) return this.create()
    const document = this.#decode(ticket.id, stored)
    if (document === null || isVacant(document)) return this.create()
    const now = this.#clock()
    const accessed = lastAccess(this.#settings, document, stored, now)
    if (isExpired(this.#settings, document.created, accessed, now)) {
      publish({ type: 'expired' })
      this.#inBackground(() => this.#store.delete(ticket.id))
      return this.create()
    }
    const row = { id: ticket.id, revision: stored.revision }
    const state = new SessionState(this, new SessionData(this.#codec, document), row, accessed)
    if (ticket.stale) state.cookie = 'set'
    return state
  }

  #decode(id: string, stored: StoredSession): Document<E> | null {
    try {
      return this.#codec.decode(stored.payload)
    } catch (error) {
      if (error instanceof ForeignSession) publish({ type: 'foreign' })
      if (!(error instanceof CorruptSession) || !this.#settings.invalidateCorrupt) throw error
      publish({ type: 'corrupt' })
      this.#inBackground(() => this.#store.setAside?.(id) ?? this.#store.delete(id))
      return null
    }
  }

  #commitData(state: SessionState<E>): MaybePromise<void> {
    if (state.gone) return
    const requested = state.saveRequested
    const change = requested || this.#settings.auto ? state.data.change() : undefined
    state.saveRequested = false
    if (state.row === null) return requested || change !== undefined ? this.#insert(state, change) : undefined
    if (change === undefined) return this.#touch(state)
    return this.#turns.run(state.row.id, () => this.#replace(state, change))
  }

  #insert(state: SessionState<E>, change: Change<E> | undefined): MaybePromise<void> {
    const now = this.#clock()
    const base = { ...state.data.base, created: state.data.base.created ?? now, accessed: now }
    const document = change === undefined ? base : applyChange(this.#codec, base, change, false)
    const result = this.#store.save(state.id, this.#codec.encode(document), {
      expiresAt: expiresAt(this.#settings, document.created, now),
      expected: null,
    })
    return after(result, (saved) => {
      if (!saved.saved) {
        state.renew()
        return this.#insert(state, change)
      }
      this.#settle(state, document, change, state.id, saved.revision)
      state.cookie = 'set'
    })
  }

  #replace(state: SessionState<E>, change: Change<E>): MaybePromise<void> {
    const row = state.row
    if (row === null) return
    const document = applyChange(this.#codec, state.data.base, change, false)
    const result = this.#save(row, document)
    return isPromise(result)
      ? result.then((saved) => this.#replaced(state, row, document, change, saved))
      : this.#replaced(state, row, document, change, result)
  }

  #replaced(
    state: SessionState<E>,
    row: Row,
    document: Document<E>,
    change: Change<E>,
    result: SaveResult,
  ): MaybePromise<void> {
    if (!result.saved) return this.#merge(state, row, change, result.current)
    this.#settle(state, document, change, row.id, result.revision)
  }

  /** Puts our change on top of what others stored, until nobody is in between. */
  async #merge(
    state: SessionState<E>,
    row: Row,
    change: Change<E>,
    current: StoredSession | null,
  ): Promise<void> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      publish({ type: 'conflict', attempt })
      const theirs = current === null ? null : this.#codec.decode(current.payload)
      if (current === null || theirs === null || isVacant(theirs)) {
        publish({ type: 'gone' })
        state.gone = true
        return
      }
      const document = applyChange(this.#codec, theirs, change, true)
      const newest = { id: row.id, revision: current.revision }
      const result = await this.#save(newest, document)
      if (result.saved) {
        this.#settle(state, document, change, row.id, result.revision)
        return
      }
      current = result.current
      if (attempt > 2) await sleep(Math.random() * Math.min(2 ** attempt, 50))
    }
    throw new Error(
      `the session could not be stored: it was changed by others ${MAX_ATTEMPTS} times in a row`,
    )
  }

  /** Writes `document` over `row`, with the present time as its access. */
  #save(row: Row, document: Document<E>): MaybePromise<SaveResult> {
    const now = this.#clock()
    document.accessed = now
    return this.#store.save(row.id, this.#codec.encode(document), {
      expiresAt: expiresAt(this.#settings, document.created, now),
      expected: row.revision,
    })
  }

  #settle(
    state: SessionState<E>,
    document: Document<E>,
    change: Change<E> | undefined,
    id: string,
    revision: Revision,
  ): void {
    state.data.rebase(document, change)
    state.row = { id, revision }
  }

  /** What nobody waits for: the response does not depend on it, and a failure costs no data. */
  #touch(state: SessionState<E>): void {
    const { touchAfter } = this.#settings
    const { row, lastAccessed } = state
    if (touchAfter === null || row === null || lastAccessed === null) return
    const now = this.#clock()
    if (now - lastAccessed < touchAfter) return
    const deadline = expiresAt(this.#settings, state.data.base.created, now)
    if (this.#store.touch !== undefined && deadline !== null) {
      this.#inBackground(() => this.#store.touch!(row.id, deadline))
    } else {
      this.#inBackground(() => this.#save(row, { ...state.data.base }))
    }
  }

  async #commitEnds(state: SessionState<E>): Promise<void> {
    for (const row of state.ended) await this.#turns.run(row.id, () => this.#store.delete(row.id))
    state.ended = []
    const { movedFrom } = state
    if (movedFrom !== null) return this.#turns.run(movedFrom.id, () => this.#move(state, movedFrom))
    return this.#commitData(state)
  }

  /**
   * Stores the data under the new id and ends the old one. The old row is emptied by compare-and-set before it is
   * deleted: a request that stores under the old id meanwhile makes that fail and is merged; one that comes later finds
   * the row gone. If the old one was ended elsewhere, the new one must not live.
   */
  async #move(state: SessionState<E>, from: Row): Promise<void> {
    const change = state.data.change()
    state.saveRequested = false
    state.movedFrom = null
    let revision = from.revision
    let base = state.data.base
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const now = this.#clock()
      const merged = change === undefined ? { ...base } : applyChange(this.#codec, base, change, attempt > 1)
      const document = { ...merged, created: merged.created ?? now, accessed: now }
      const inserted = await this.#store.save(state.id, this.#codec.encode(document), {
        expiresAt: expiresAt(this.#settings, document.created, now),
        expected: null,
      })
      if (!inserted.saved) {
        state.renew()
        continue
      }
      const emptied = await this.#store.save(from.id, this.#codec.encode(emptyDocument()), {
        expiresAt: now + 60_000,
        expected: revision,
      })
      if (emptied.saved) {
        await this.#store.delete(from.id)
        this.#settle(state, document, change, state.id, inserted.revision)
        state.cookie = 'set'
        return
      }
      await this.#store.delete(state.id)
      const theirs = emptied.current === null ? null : this.#codec.decode(emptied.current.payload)
      if (emptied.current === null || theirs === null || isVacant(theirs)) {
        publish({ type: 'gone' })
        state.gone = true
        return
      }
      publish({ type: 'conflict', attempt })
      revision = emptied.current.revision
      base = theirs
    }
    throw new Error(`the session could not be moved: it was changed by others ${MAX_ATTEMPTS} times in a row`)
  }

  #inBackground(work: () => unknown): void {
    try {
      const result = work()
      if (!isPromise(result)) return
      const settled = result.then(ignore, (error: unknown) => publish({ type: 'touch-failed', error }))
      this.#background.add(settled)
      void settled.finally(() => this.#background.delete(settled))
    } catch (error) {
      publish({ type: 'touch-failed', error })
    }
  }
}

function emptyDocument<E>(): Document<E> {
  return { created: null, accessed: null, values: new Map() }
}

/** An emptied row: what is left of a session whose id was changed. No session of ours is stored without a birth date. */
function isVacant<E>(document: Document<E>): boolean {
  return document.created === null && document.values.size === 0
}

function ignore(): void {}
