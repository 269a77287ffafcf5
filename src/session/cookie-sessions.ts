// `type = cookie`: the whole session travels in its cookie. Two things stay on the server, as far as they can: the newest
// version of the sessions in use (so that overlapping requests of one process merge), and the ids that were ended
// before their cookies died (so that a copied cookie does not undo a log-out).

import type { MaybePromise } from '../protocol.js'
import { applyChange, type Change } from './change.js'
import type { Clock } from './clock.js'
import { type Codec, CorruptSession, type Document, ForeignSession } from './codec.js'
import { CookieTooLong } from './codecs/beaker-cookie.js'
import type { CookieSeal } from './codecs/sealed-cookie.js'
import { SessionData } from './data.js'
import { publish } from './events.js'
import { isId } from './id.js'
import { isExpired } from './lifetime.js'
import { after, isPromise } from './maybe-promise.js'
import { RecentMap } from './recent-map.js'
import { ownText, SeenValues } from './seen-values.js'
import { blankDocument, type SessionSettings } from './settings.js'
import { type Committer, type Engine, type Row, SessionState } from './state.js'
import type { SessionStore } from './store.js'

export interface CookieSessionsOptions<E> {
  readonly codec: Codec<E>
  readonly seal: CookieSeal
  readonly settings: SessionSettings
  readonly clock: Clock
  /** Where ended ids are remembered; null: nowhere, and a copied cookie outlives a log-out. */
  readonly revocations: SessionStore | null
  /** How long the value of a session's cookie may be, all its parts together. */
  readonly maxLength: number
}

interface Opened<E> {
  /** The cookie's; '' without one. */
  readonly value: string
  readonly id: string
  readonly document: Document<E>
  readonly stale: boolean
  /** Why it must not be written over. */
  readonly unwritable: ForeignSession | null
}

/** How many sessions one process remembers. */
const CAPACITY = 4096
/**
 * Browsers keep no cookie for longer (RFC 6265bis). An older one is a copy, and no good: so an ended id must be
 * remembered for no longer than this, and for less if a timeout says so.
 */
const LONGEST_COOKIE = 400 * 86_400_000
/** How far the clocks of processes that share revocations, and the times in cookies, may run ahead. */
const CLOCK_SKEW = 60_000

const ENDED = Symbol('ended')

export class CookieSessions<E> implements Engine<Opened<E>> {
  committer: Committer = this
  readonly #codec: Codec<E>
  readonly #seal: CookieSeal
  readonly #settings: SessionSettings
  readonly #clock: Clock
  readonly #revocations: SessionStore | null
  readonly #maxLength: number
  /** Whether all log-outs are of this process: then what is in #newest is not ended, or says so. */
  readonly #alone: boolean
  /**
   * Cookies that are expected to come again: those that came, and those that replaced them. Not those of new sessions,
   * which most often are of somebody who keeps no cookies. Their documents are shared and never changed.
   */
  readonly #opened = new SeenValues<Opened<E>>()
  /** The newest version of each session that came here. */
  readonly #newest = new RecentMap<Document<E> | typeof ENDED>(CAPACITY)

  constructor(options: CookieSessionsOptions<E>) {
    this.#codec = options.codec
    this.#seal = options.seal
    this.#settings = options.settings
    this.#clock = options.clock
    this.#revocations = options.revocations
    this.#maxLength = options.maxLength
    this.#alone = options.revocations === null || options.revocations.scope === 'process'
  }

  verify(value: string): Opened<E> | null {
    const known = this.#opened.get(value)
    if (known !== undefined) return known
    const sealed = this.#seal.open(value)
    const opened = sealed === null ? null : this.#read(ownText(value), sealed.row, sealed.outdated)
    if (opened !== null) this.#opened.set(opened.value, opened)
    return opened
  }

  idOf(ticket: Opened<E>): string {
    return ticket.id
  }

  create(): SessionState<E> {
    return new CookieState(this, new SessionData(this.#codec, blankDocument(this.#settings)), null, null)
  }

  load(ticket: Opened<E>): MaybePromise<SessionState<E>> {
    const ended = this.#isEnded(ticket.id)
    return isPromise(ended) ? ended.then((is) => this.#open(ticket, is)) : this.#open(ticket, ended)
  }

  /** A cookie session is where its cookie is: only what this process saw lately can be found. */
  find(id: string): MaybePromise<SessionState<E> | null> {
    const document = this.#newest.get(id)
    if (document === undefined || document === ENDED) return null
    return after(this.load({ value: '', id, document, stale: false, unwritable: null }), (state) =>
      state.isNew ? null : state,
    )
  }

  commit(state: SessionState<E>): MaybePromise<void> {
    if (state.ended.length > 0 || state.movedFrom !== null) return this.#commitEnds(state)
    return this.#commitData(state)
  }

  async reload(state: SessionState<E>): Promise<void> {
    const { life } = state
    const row = state.row ?? state.movedFrom
    const ended = row !== null && (await this.#isEnded(row.id))
    if (life !== state.life) return
    const document = row === null ? undefined : this.#newest.get(row.id)
    if (ended) {
      state.gone = true
      state.data.replace(blankDocument(this.#settings))
    } else {
      state.data.replace(document === undefined || document === ENDED ? state.data.base : document)
    }
    state.saveRequested = false
  }

  cookieValue(state: SessionState<E>): string {
    const { base } = state.data
    if (state instanceof CookieState && state.sealed === base) return state.value
    return this.#seal.seal(this.#codec.encode(base))
  }

  async close(): Promise<void> {
    await this.#revocations?.close?.()
  }

  #read(value: string, row: Uint8Array, stale: boolean): Opened<E> | null {
    let document: Document<E>
    let unwritable: ForeignSession | null = null
    try {
      document = this.#codec.decode(row)
    } catch (error) {
      if (error instanceof ForeignSession && error.readable !== undefined) {
        publish({ type: 'foreign' })
        document = error.readable as Document<E>
        unwritable = error
      } else if (error instanceof CorruptSession || error instanceof ForeignSession) {
        publish({ type: 'corrupt' })
        return null
      } else throw error
    }
    const { id } = document
    return id === undefined || !isId(id) ? null : { value, id, document, stale, unwritable }
  }

  #open(ticket: Opened<E>, ended: boolean): SessionState<E> {
    const newest = this.#newest.get(ticket.id)
    if (ended || newest === ENDED) return this.create()
    const overtaken = newest !== undefined && newest !== ticket.document && isNewer(newest, ticket.document)
    const document = overtaken ? newest : ticket.document
    const now = this.#clock()
    const accessed = Math.min(document.accessed ?? document.created ?? now, now)
    if (isExpired(this.#settings, document.created, accessed, now) || now - accessed > LONGEST_COOKIE) {
      publish({ type: 'expired' })
      return this.create()
    }
    if (newest === undefined) this.#newest.set(ticket.id, document)
    const data = new SessionData(this.#codec, document)
    const state = new CookieState(this, data, rowOf(ticket.id), accessed)
    state.value = ticket.value
    state.unwritable = ticket.unwritable
    if ((ticket.stale || overtaken) && ticket.unwritable === null) state.cookie = 'set'
    return state
  }

  #commitData(state: SessionState<E>): MaybePromise<void> {
    if (state.gone) return
    const requested = state.saveRequested
    const change = requested || this.#settings.auto ? state.data.change() : undefined
    state.saveRequested = false
    if (state.unwritable !== null) {
      if (change !== undefined) throw state.unwritable
    } else if (state.row === null) {
      if (requested || change !== undefined) this.#write(state, state.id, change, null)
    } else if (change !== undefined || this.#isTouchDue(state)) {
      const { life } = state
      const { id } = state.row
      return after(this.#isEnded(id), (ended) => {
        if (ended) state.leave(life)
        else if (life === state.life) this.#write(state, id, change, id)
      })
    }
  }

  /** Puts our change on the newest version that this process knows, and that into the cookie. */
  #write(state: SessionState<E>, id: string, change: Change<E> | undefined, from: string | null): void {
    const newest = from === null ? undefined : this.#newest.get(from)
    const known = newest === undefined || newest === ENDED ? undefined : newest
    const base = known !== undefined && isNewer(known, state.data.base) ? known : state.data.base
    const document =
      change === undefined ? { ...base } : applyChange(this.#codec, base, change, base !== state.data.base)
    const now = this.#clock()
    document.id = id
    document.created ??= now
    // Versions are told apart by this time, so no two of them may share it.
    document.accessed = from === null ? now : Math.max(now, (base.accessed ?? 0) + 1)
    const value = this.#seal.seal(this.#codec.encode(document))
    if (value.length > this.#maxLength) throw new CookieTooLong(value.length, this.#maxLength)
    if (from !== null) {
      this.#opened.set(value, { value, id, document, stale: false, unwritable: null })
      this.#newest.set(id, document)
    }
    if (state instanceof CookieState) {
      if (state.value !== '') this.#opened.delete(state.value)
      state.value = value
      state.sealed = document
    }
    if (state.stored(document, change, rowOf(id), state.life)) state.cookie = 'set'
  }

  #isTouchDue(state: SessionState<E>): boolean {
    const { touchAfter } = this.#settings
    if (touchAfter === null || state.lastAccessed === null) return false
    return this.#clock() - state.lastAccessed >= touchAfter
  }

  async #commitEnds(state: SessionState<E>): Promise<void> {
    for (let [row] = state.ended; row !== undefined; [row] = state.ended) {
      await this.#end(row.id)
      state.ended = state.ended.slice(1)
    }
    return state.movedFrom === null ? this.#commitData(state) : this.#move(state, state.movedFrom.id)
  }

  /** The new cookie is made before the old id is ended: what can't be stored must not log anybody out. */
  async #move(state: SessionState<E>, from: string): Promise<void> {
    const { life } = state
    if (state.unwritable !== null) throw state.unwritable
    if (await this.#isEnded(from)) {
      if (life === state.life) state.movedFrom = null
      return state.leave(life)
    }
    if (life !== state.life) return
    const change = state.data.change()
    state.saveRequested = false
    this.#write(state, state.id, change, from)
    await this.#end(from)
    if (state.movedFrom?.id === from) state.movedFrom = null
  }

  async #end(id: string): Promise<void> {
    this.#newest.set(id, ENDED)
    const { timeout, absoluteTimeout } = this.#settings
    const longest = Math.min(timeout ?? LONGEST_COOKIE, absoluteTimeout ?? LONGEST_COOKIE)
    const expiresAt = this.#clock() + longest + CLOCK_SKEW
    await this.#revocations?.save(revocationId(id), new Uint8Array(), { expiresAt, expected: null })
  }

  #isEnded(id: string): MaybePromise<boolean> {
    const newest = this.#newest.get(id)
    if (newest === ENDED) return true
    if (newest !== undefined && this.#alone) return false
    const row = this.#revocations?.load(revocationId(id)) ?? null
    return isPromise(row) ? row.then((found) => found !== null) : row !== null
  }
}

class CookieState<E> extends SessionState<E> {
  /** The cookie that came, or the one that was made last; '': none. */
  value = ''
  /** What was sealed into it here. */
  sealed: Document<E> | null = null
}

function rowOf(id: string): Row {
  return { id, revision: '' }
}

function revocationId(id: string): string {
  return `revoked-${id}`
}

function isNewer<E>(a: Document<E>, b: Document<E>): boolean {
  return (a.accessed ?? 0) > (b.accessed ?? 0)
}
