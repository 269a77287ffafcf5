// The one place that decides how a change becomes a row: compare-and-set on the row as loaded; on conflict a merge and
// another try; a row that is gone stays gone. Changes of one process to one session that come while a save is under way
// wait, and are stored together by the next one.

import { setTimeout as sleep } from 'node:timers/promises'
import type { MaybePromise } from '../protocol.js'
import type { Clock } from './clock.js'
import type { Codec, Document } from './codec.js'
import { applyChange, type Change } from './data.js'
import { publish } from './events.js'
import { expiresAt } from './lifetime.js'
import { after, isPromise } from './maybe-promise.js'
import {
  blankDocument,
  isVacant,
  OversizedSession,
  SessionConflict,
  type SessionSettings,
} from './settings.js'
import type { Row, SessionState } from './state.js'
import type { Revision, SaveResult, SessionStore, StoredSession } from './store.js'

export interface RowWriterOptions<E> {
  readonly store: SessionStore
  readonly codec: Codec<E>
  readonly settings: SessionSettings
  readonly clock: Clock
}

/** After so many conflicts in a row something is wrong, and the request fails. */
const MAX_ATTEMPTS = 50

/** A change that is to be stored, and who waits for it. */
interface Pending<E> {
  readonly state: SessionState<E>
  readonly change: Change<E>
  resolve(): void
  reject(error: unknown): void
}

/** The newest version of a row that we know. */
interface Known<E> {
  readonly document: Document<E>
  readonly revision: Revision
}

export class RowWriter<E> {
  readonly #store: SessionStore
  readonly #codec: Codec<E>
  readonly #settings: SessionSettings
  readonly #clock: Clock
  /** What waits, per id with a save under way. */
  readonly #queues = new Map<string, Pending<E>[]>()
  readonly #running = new Set<Promise<unknown>>()

  constructor({ store, codec, settings, clock }: RowWriterOptions<E>) {
    this.#store = store
    this.#codec = codec
    this.#settings = settings
    this.#clock = clock
  }

  /** Stores what the session asks for. Rejects (or throws) when that can't be done. */
  commit(state: SessionState<E>): MaybePromise<void> {
    if (state.ended.length > 0 || state.movedFrom !== null) return this.#commitEnds(state)
    return this.#commitData(state)
  }

  /** Does what nobody waits for: no response depends on it, and a failure costs no data. */
  inBackground(work: () => unknown): void {
    try {
      const result = work()
      if (!isPromise(result)) return
      this.#follow(result.then(undefined, (error: unknown) => publish({ type: 'background-failed', error })))
    } catch (error) {
      publish({ type: 'background-failed', error })
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  #commitData(state: SessionState<E>): MaybePromise<void> {
    if (state.gone) return
    const requested = state.saveRequested
    const change = requested || this.#settings.auto ? state.data.change() : undefined
    state.saveRequested = false
    if (state.unwritable !== null) {
      if (change !== undefined) throw state.unwritable
      return
    }
    if (state.row === null) return requested || change !== undefined ? this.#insert(state, change) : undefined
    if (change === undefined) return this.#touch(state)
    return this.#replace(state, state.row, change)
  }

  #insert(state: SessionState<E>, change: Change<E> | undefined): MaybePromise<void> {
    const now = this.#clock()
    const base = { ...state.data.base, created: state.data.base.created ?? now, accessed: now }
    const document = change === undefined ? base : applyChange(this.#codec, base, change, false)
    return after(this.#save(state.id, document, null), (result) => {
      if (!result.saved) {
        state.renew()
        return this.#insert(state, change)
      }
      settle(state, document, change, { id: state.id, revision: result.revision })
      state.cookie = 'set'
    })
  }

  #replace(state: SessionState<E>, row: Row, change: Change<E>): MaybePromise<void> {
    const queue = this.#queues.get(row.id)
    if (queue !== undefined && !this.#settings.failOnConflict) {
      return new Promise((resolve, reject) => queue.push({ state, change, resolve, reject }))
    }
    const document = applyChange(this.#codec, state.data.base, change, false)
    const result = this.#save(row.id, document, row.revision)
    if (!isPromise(result) && result.saved) {
      settle(state, document, change, { id: row.id, revision: result.revision })
      return
    }
    return new Promise((resolve, reject) => {
      this.#queues.set(row.id, [])
      this.#follow(this.#drain(row.id, [{ state, change, resolve, reject }], document, result))
    })
  }

  /** Stores a batch whose first save is under way, then what came to wait meanwhile, until nothing waits. */
  async #drain(
    id: string,
    first: Pending<E>[],
    document: Document<E>,
    saving: MaybePromise<SaveResult>,
  ): Promise<void> {
    let batch = first
    let known: Known<E> | null = null
    let attempt: { document: Document<E>; saving: MaybePromise<SaveResult> } | null = { document, saving }
    while (batch.length > 0) {
      try {
        known = await this.#storeBatch(id, batch, known, attempt)
      } catch (error) {
        known = null
        for (const pending of batch) pending.reject(error)
      }
      attempt = null
      batch = this.#queues.get(id)!.splice(0)
    }
    this.#queues.delete(id)
  }

  /** Answers the row as it is then, or null when it is gone. */
  async #storeBatch(
    id: string,
    batch: Pending<E>[],
    start: Known<E> | null,
    begun: { document: Document<E>; saving: MaybePromise<SaveResult> } | null,
  ): Promise<Known<E> | null> {
    const [{ state }] = batch as [Pending<E>]
    let known: Known<E> = start ?? { document: state.data.base, revision: state.row!.revision }
    let document = begun === null ? this.#merge(known, batch) : begun.document
    let saving = begun === null ? this.#save(id, document, known.revision) : begun.saving
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const result = await saving
      if (result.saved) {
        const row = { id, revision: result.revision }
        for (const { state, change, resolve } of batch) {
          settle(state, document, change, row)
          resolve()
        }
        return { document, revision: result.revision }
      }
      const newest = this.#decodeLive(result.current)
      if (newest === null) {
        for (const { state, resolve } of batch) {
          state.leave()
          resolve()
        }
        return null
      }
      publish({ type: 'conflict', attempt })
      if (this.#settings.failOnConflict)
        throw new SessionConflict('the session was changed by another request')
      if (attempt > 2) await sleep(Math.random() * Math.min(2 ** attempt, 50))
      known = newest
      document = this.#merge(known, batch)
      saving = this.#save(id, document, known.revision)
    }
    throw new Error(
      `the session could not be stored: it was changed by others ${MAX_ATTEMPTS} times in a row`,
    )
  }

  /** All changes of a batch, one on top of the other. A change whose `update` throws is left out and rejected. */
  #merge(known: Known<E>, batch: Pending<E>[]): Document<E> {
    let document = { ...known.document }
    for (const pending of [...batch]) {
      const isOwnBase = known.document === pending.state.data.base && batch[0] === pending
      try {
        document = applyChange(this.#codec, document, pending.change, !isOwnBase)
      } catch (error) {
        batch.splice(batch.indexOf(pending), 1)
        pending.reject(error)
      }
    }
    return document
  }

  #decodeLive(current: StoredSession | null): Known<E> | null {
    if (current === null) return null
    const document = this.#codec.decode(current.payload)
    return isVacant(document) ? null : { document, revision: current.revision }
  }

  /** Writes the document, with the present time as its access. */
  #save(id: string, document: Document<E>, expected: Revision | null): MaybePromise<SaveResult> {
    const now = this.#clock()
    document.accessed = now
    const deadline = expiresAt(this.#settings, document.created, now)
    return this.#store.save(id, this.#encode(document), { expiresAt: deadline, expected })
  }

  #encode(document: Document<E>): Uint8Array {
    const payload = this.#codec.encode(document)
    const { maxBytes } = this.#settings
    if (payload.length <= maxBytes) return payload
    throw new OversizedSession(`the session has ${payload.length} bytes; max_bytes allows ${maxBytes}`)
  }

  /** Records an access, if the last one recorded is old enough. A row that others changed meanwhile is left alone. */
  #touch(state: SessionState<E>): void {
    const { touchAfter, touchRewrites } = this.#settings
    const { row, lastAccessed } = state
    if (touchAfter === null || row === null || lastAccessed === null) return
    const now = this.#clock()
    if (now - lastAccessed < touchAfter) return
    const deadline = expiresAt(this.#settings, state.data.base.created, now)
    if (this.#store.touch !== undefined && deadline !== null && !touchRewrites) {
      this.inBackground(() => this.#store.touch!(row.id, deadline))
    } else {
      this.inBackground(() => this.#save(row.id, { ...state.data.base }, row.revision))
    }
  }

  async #commitEnds(state: SessionState<E>): Promise<void> {
    for (const row of state.ended) await this.#storeOf(row).delete(row.id)
    state.ended = []
    if (state.movedFrom !== null && state.unwritable !== null) throw state.unwritable
    return state.movedFrom === null ? this.#commitData(state) : this.#move(state, state.movedFrom)
  }

  /**
   * Stores the data under the new id and ends the old one. The old row is emptied by compare-and-set before it is
   * deleted: a request that stores under the old id meanwhile makes that fail and is merged; one that comes later finds
   * the row gone. If the old one was ended elsewhere, the new one must not live.
   */
  async #move(state: SessionState<E>, from: Row): Promise<void> {
    const change = state.data.change()
    const decode = (from.from?.decode as Codec<E>['decode'] | undefined) ?? this.#codec.decode
    state.saveRequested = false
    state.movedFrom = null
    let known: Known<E> = { document: state.data.base, revision: from.revision }
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const merged =
        change === undefined
          ? { ...known.document }
          : applyChange(this.#codec, known.document, change, attempt > 1)
      merged.created ??= this.#clock()
      const inserted = await this.#save(state.id, merged, null)
      if (!inserted.saved) {
        state.renew()
        continue
      }
      const emptied = await this.#empty(from, known.revision)
      if (emptied.saved) {
        await this.#storeOf(from).delete(from.id)
        settle(state, merged, change, { id: state.id, revision: inserted.revision })
        state.cookie = 'set'
        return
      }
      await this.#store.delete(state.id)
      const document = emptied.current === null ? null : decode(emptied.current.payload)
      if (emptied.current === null || document === null || isVacant(document)) return state.leave()
      publish({ type: 'conflict', attempt })
      known = { document, revision: emptied.current.revision }
    }
    throw new Error(`the session could not be moved: it was changed by others ${MAX_ATTEMPTS} times in a row`)
  }

  /** Should we die before the row is deleted, it dies within a minute. */
  #empty(row: Row, expected: Revision): MaybePromise<SaveResult> {
    const blank: Document<E> = { ...blankDocument<E>(this.#settings), domain: undefined, path: undefined }
    const deadline = this.#clock() + 60_000
    return this.#storeOf(row).save(row.id, this.#codec.encode(blank), { expiresAt: deadline, expected })
  }

  #storeOf(row: Row): SessionStore {
    return row.from?.store ?? this.#store
  }

  #follow(work: Promise<unknown>): void {
    this.#running.add(work)
    const done = () => this.#running.delete(work)
    work.then(done, done)
  }
}

function settle<E>(
  state: SessionState<E>,
  document: Document<E>,
  change: Change<E> | undefined,
  row: Row,
): void {
  state.data.rebase(document, change)
  state.row = row
}
