// The one place that decides how a change becomes a row: compare-and-set on the row as loaded; on conflict a merge and
// another try; a row that is gone stays gone. Changes of one process to one session that come while a save is under way
// wait, and are stored together by the next one.

import type { MaybePromise } from '../protocol.js'
import { Background } from './background.js'
import { BriefMap } from './brief-map.js'
import { applyChange, type Change } from './change.js'
import type { Clock } from './clock.js'
import type { Codec, Document } from './codec.js'
import { publish } from './events.js'
import { expiresAt } from './lifetime.js'
import { isPromise } from './maybe-promise.js'
import { pauseAfter } from './retry.js'
import { RowMover } from './row-mover.js'
import {
  isVacant,
  MAX_ATTEMPTS,
  OversizedSession,
  SessionConflict,
  type SessionSettings,
  tooManyConflicts,
} from './settings.js'
import type { Row, SessionState } from './state.js'
import type { Revision, SaveResult, SessionStore, StoredSession } from './store.js'

export interface RowWriterOptions<E> {
  readonly store: SessionStore
  readonly codec: Codec<E>
  readonly settings: SessionSettings
  readonly clock: Clock
  /** Told what a row in use has become by a change that was stored. */
  readonly onReplaced: (id: string, payload: Uint8Array, document: Document<E>) => void
}

/** A change that is to be stored, and who waits for it. */
interface Pending<E> {
  readonly state: SessionState<E>
  /** Of the state, when the change was made. */
  readonly life: number
  readonly change: Change<E>
  resolve(): void
  reject(error: unknown): void
}

/** The newest version of a row that we know. */
export interface Known<E> {
  readonly document: Document<E>
  readonly revision: Revision
}

/** A save that is under way, or done. */
interface Saving<E> {
  readonly document: Document<E>
  readonly payload: Uint8Array
  readonly result: MaybePromise<SaveResult>
}

export class RowWriter<E> {
  readonly #store: SessionStore
  readonly #codec: Codec<E>
  readonly #settings: SessionSettings
  readonly #clock: Clock
  /** What waits, per id with a save under way. */
  readonly #queues = new BriefMap<string, Pending<E>[]>()
  readonly background = new Background()
  readonly #mover: RowMover<E>
  readonly #onReplaced: RowWriterOptions<E>['onReplaced']

  constructor(options: RowWriterOptions<E>) {
    const { store, codec, settings, clock, onReplaced } = options
    this.#onReplaced = onReplaced
    this.#store = store
    this.#codec = codec
    this.#settings = settings
    this.#clock = clock
    this.#mover = new RowMover(options, this)
  }

  /** Stores what the session asks for. Rejects (or throws) when that can't be done. */
  commit(state: SessionState<E>): MaybePromise<void> {
    if (state.ended.length > 0 || state.movedFrom !== null) return this.#commitEnds(state)
    return this.#commitData(state)
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
    const { base } = state.data
    const document = change === undefined ? { ...base } : applyChange(this.#codec, base, change, false)
    document.created ??= now
    const { id, life } = state
    const result = this.save(id, document, null)
    return isPromise(result)
      ? result.then((saved) => this.#inserted(state, change, document, id, life, saved))
      : this.#inserted(state, change, document, id, life, result)
  }

  #inserted(
    state: SessionState<E>,
    change: Change<E> | undefined,
    document: Document<E>,
    id: string,
    life: number,
    result: SaveResult,
  ): MaybePromise<void> {
    if (result.saved) {
      if (state.stored(document, change, { id, revision: result.revision }, life)) state.cookie = 'set'
    } else if (life === state.life) {
      state.renew()
      return this.#insert(state, change)
    }
  }

  #replace(state: SessionState<E>, row: Row, change: Change<E>): MaybePromise<void> {
    const { life } = state
    const queue = this.#queues.get(row.id)
    if (queue !== undefined) {
      return new Promise((resolve, reject) => queue.push({ state, life, change, resolve, reject }))
    }
    const document = applyChange(this.#codec, state.data.base, change, false)
    const saving = this.#begin(row.id, document, row.revision)
    const { payload, result } = saving
    if (!isPromise(result) && result.saved) {
      this.#onReplaced(row.id, payload, document)
      state.stored(document, change, { id: row.id, revision: result.revision }, life)
      return
    }
    return new Promise((resolve, reject) => {
      this.#queues.set(row.id, [])
      this.background.follow(this.#drain(row.id, [{ state, life, change, resolve, reject }], saving))
    })
  }

  /** Stores a batch whose first save is under way, then what came to wait meanwhile, until nothing waits. */
  async #drain(id: string, first: Pending<E>[], begun: Saving<E>): Promise<void> {
    let batch = first
    let known: Known<E> | null = null
    let saving: Saving<E> | null = begun
    const queue = this.#queues.get(id)!
    while (batch.length > 0) {
      try {
        known = await this.#storeBatch(id, batch, known, saving)
        batch = []
      } catch (error) {
        known = null
        batch = this.#reject(batch, error)
      }
      saving = null
      if (batch.length === 0) batch = queue.splice(0, this.#settings.failOnConflict ? 1 : queue.length)
      else queue.unshift(...batch.splice(1))
    }
    this.#queues.delete(id)
  }

  /** Answers those that are to be tried one by one, because what one of them stores is too much for all. */
  #reject(batch: Pending<E>[], error: unknown): Pending<E>[] {
    if (error instanceof OversizedSession && batch.length > 1) return batch
    for (const pending of batch) pending.reject(error)
    return []
  }

  /** Answers the row as it is then, or null when it is not known. */
  async #storeBatch(
    id: string,
    batch: Pending<E>[],
    start: Known<E> | null,
    begun: Saving<E> | null,
  ): Promise<Known<E> | null> {
    const { failOnConflict } = this.#settings
    const [{ state, life }] = batch as [Pending<E>]
    const own: Known<E> | null =
      state.row?.id === id && state.life === life
        ? { document: state.data.base, revision: state.row.revision }
        : null
    let known = (failOnConflict ? null : start) ?? own ?? (await this.#loadLive(id))
    if (known === null) return this.#leave(batch)
    let saving = begun ?? this.#beginBatch(id, batch, known)
    if (saving === null) return known
    for (let attempt = 1; ; attempt++) {
      const { document, payload } = saving
      const result = await saving.result
      if (result.saved) {
        this.#onReplaced(id, payload, document)
        if (!failOnConflict) publishMerges(known, batch)
        settleAll(batch, document, { id, revision: result.revision })
        return { document, revision: result.revision }
      }
      const newest = this.#decodeLive(result.current)
      if (newest === null) return this.#leave(batch)
      publish({ type: 'conflict', attempt })
      if (failOnConflict) throw new SessionConflict('the session was changed by another request')
      if (attempt === MAX_ATTEMPTS) throw tooManyConflicts('stored')
      await pauseAfter(attempt)
      known = newest
      saving = this.#beginBatch(id, batch, known)
      if (saving === null) return known
      publish({ type: 'retried' })
    }
  }

  /** The row is gone: the session was ended elsewhere. */
  #leave(batch: readonly Pending<E>[]): null {
    for (const { state, life, resolve } of batch) {
      state.leave(life)
      resolve()
    }
    return null
  }

  /** null: no change of the batch could be applied. */
  #beginBatch(id: string, batch: Pending<E>[], known: Known<E>): Saving<E> | null {
    const document = this.#merge(known, batch)
    return batch.length === 0 ? null : this.#begin(id, document, known.revision)
  }

  /** All changes of a batch, one on top of the other. A change whose `update` throws is left out and rejected. */
  #merge(known: Known<E>, batch: Pending<E>[]): Document<E> {
    let document = { ...known.document }
    for (const pending of [...batch]) {
      try {
        document = applyChange(this.#codec, document, pending.change, !isOnOwnBase(known, batch, pending))
      } catch (error) {
        batch.splice(batch.indexOf(pending), 1)
        pending.reject(error)
      }
    }
    return document
  }

  async #loadLive(id: string): Promise<Known<E> | null> {
    return this.#decodeLive(await this.#store.load(id))
  }

  #decodeLive(current: StoredSession | null): Known<E> | null {
    if (current === null) return null
    const document = this.#codec.decode(current.payload)
    return isVacant(document) ? null : { document, revision: current.revision }
  }

  /** Writes the document, with the present time as its access. */
  save(id: string, document: Document<E>, expected: Revision | null): MaybePromise<SaveResult> {
    return this.#begin(id, document, expected).result
  }

  #begin(id: string, document: Document<E>, expected: Revision | null): Saving<E> {
    const now = this.#clock()
    document.accessed = now
    const deadline = expiresAt(this.#settings, document.created, now)
    const payload = this.#encode(document)
    return { document, payload, result: this.#store.save(id, payload, { expiresAt: deadline, expected }) }
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
      this.background.run(() => this.#store.touch!(row.id, deadline))
    } else {
      this.background.run(() => this.save(row.id, { ...state.data.base }, row.revision))
    }
  }

  async #commitEnds(state: SessionState<E>): Promise<void> {
    for (let [row] = state.ended; row !== undefined; [row] = state.ended) {
      await this.storeOf(row).delete(row.id)
      state.ended = state.ended.slice(1)
    }
    if (state.movedFrom !== null && state.unwritable !== null) throw state.unwritable
    return state.movedFrom === null ? this.#commitData(state) : this.#mover.move(state, state.movedFrom)
  }

  /** Where a row is kept: another library's is in its own store. */
  storeOf(row: Row): SessionStore {
    return row.from?.store ?? this.#store
  }
}

/** Whether a change is applied to what it was made on; else it is merged. */
function isOnOwnBase<E>(known: Known<E>, batch: readonly Pending<E>[], pending: Pending<E>): boolean {
  return known.document === pending.state.data.base && batch[0] === pending
}

function publishMerges<E>(known: Known<E>, batch: readonly Pending<E>[]): void {
  for (const pending of batch) if (!isOnOwnBase(known, batch, pending)) publish({ type: 'merged' })
}

function settleAll<E>(batch: readonly Pending<E>[], document: Document<E>, row: Row): void {
  for (const { state, life, change, resolve, reject } of batch) {
    try {
      state.stored(document, change, row, life)
      resolve()
    } catch (error) {
      // An updater that was added meanwhile threw: that is its own request's business.
      reject(error)
    }
  }
}
