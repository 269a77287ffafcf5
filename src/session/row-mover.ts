// `regenerateId()`: the same data in a row under a new id, and the old row dead. In between there are two rows; whoever
// reads the old one finds it as it was, or empty.

import type { MaybePromise } from '../protocol.js'
import { applyChange, type Change } from './change.js'
import type { Clock } from './clock.js'
import type { Codec, Document } from './codec.js'
import { publish } from './events.js'
import { pauseAfter } from './retry.js'
import type { Known, RowWriter, RowWriterOptions } from './row-writer.js'
import {
  blankDocument,
  isVacant,
  MAX_ATTEMPTS,
  SessionConflict,
  type SessionSettings,
  tooManyConflicts,
} from './settings.js'
import type { Row, SessionState } from './state.js'
import type { Revision, SaveResult, SessionStore } from './store.js'

export class RowMover<E> {
  readonly #store: SessionStore
  readonly #codec: Codec<E>
  readonly #settings: SessionSettings
  readonly #clock: Clock
  readonly #writer: RowWriter<E>

  constructor({ store, codec, settings, clock }: RowWriterOptions<E>, writer: RowWriter<E>) {
    this.#store = store
    this.#codec = codec
    this.#settings = settings
    this.#clock = clock
    this.#writer = writer
  }

  /** Stores the data under a new id and ends the old one. When that fails, the session is still to be moved. */
  async move(state: SessionState<E>, from: Row): Promise<void> {
    const { life } = state
    const change = state.data.change()
    state.saveRequested = false
    state.movedFrom = null
    try {
      const moved = await this.#moveRow(state, from, change)
      if (moved === null) return state.leave(life)
      if (state.stored(moved.document, change, moved.row, life)) state.cookie = 'set'
    } catch (error) {
      if (life === state.life) state.movedFrom ??= from
      else state.ended = [...state.ended, from]
      throw error
    }
  }

  /**
   * The old row is emptied by compare-and-set before it is deleted: a request that stores under the old id meanwhile
   * makes that fail and is merged; one that comes later finds the row gone. null: the old one was ended elsewhere, and the
   * new one does not live.
   */
  async #moveRow(
    state: SessionState<E>,
    from: Row,
    change: Change<E> | undefined,
  ): Promise<{ document: Document<E>; row: Row } | null> {
    let known: Known<E> = { document: state.data.base, revision: from.revision }
    let conflicts = 0
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const { id } = state
      const document =
        change === undefined
          ? { ...known.document }
          : applyChange(this.#codec, known.document, change, attempt > 1)
      document.created ??= this.#clock()
      const inserted = await this.#writer.save(id, document, null)
      if (!inserted.saved) {
        state.renew()
        continue
      }
      const emptied = await this.#emptyOr(from, known.revision, () => this.#store.delete(id))
      if (emptied.saved) {
        // Nobody can use it any more. Should this fail, it dies within a minute.
        this.#writer.background.run(() => this.#writer.storeOf(from).delete(from.id))
        if (conflicts > 0 && change !== undefined) publish({ type: 'merged' })
        return { document, row: { id, revision: inserted.revision } }
      }
      if (emptied.current === null) return null
      const newest = this.#decoderOf(from)(emptied.current.payload)
      if (isVacant(newest)) return null
      publish({ type: 'conflict', attempt: ++conflicts })
      if (this.#settings.failOnConflict)
        throw new SessionConflict('the session was changed by another request')
      if (attempt === MAX_ATTEMPTS) break
      await pauseAfter(conflicts)
      known = { document: newest, revision: emptied.current.revision }
      publish({ type: 'retried' })
    }
    throw tooManyConflicts('moved')
  }

  /** Empties a row; where that is not done, takes back what was done before. */
  async #emptyOr(row: Row, expected: Revision, undo: () => MaybePromise<unknown>): Promise<SaveResult> {
    try {
      const emptied = await this.#empty(row, expected)
      if (!emptied.saved) await undo()
      return emptied
    } catch (error) {
      this.#writer.background.run(undo)
      throw error
    }
  }

  #decoderOf(row: Row): (payload: Uint8Array) => Document<E> {
    return (row.from?.decode as Codec<E>['decode'] | undefined) ?? this.#codec.decode
  }

  /** Should we die before the row is deleted, it dies within a minute. */
  #empty(row: Row, expected: Revision): MaybePromise<SaveResult> {
    const blank: Document<E> = { ...blankDocument<E>(this.#settings), domain: undefined, path: undefined }
    const payload = row.from?.vacant ?? this.#codec.encode(blank)
    return this.#writer.storeOf(row).save(row.id, payload, { expiresAt: this.#clock() + 60_000, expected })
  }
}
