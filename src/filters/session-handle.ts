// One request's way to its session. Until somebody calls load() it is all there is: no cookie is read, no store asked.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { isGone } from '../http/answer.js'
import { appendCookie, setsCookie } from '../http/cookies.js'
import { environ } from '../http/environ.js'
import { PublicError, type ResponseHook } from '../http/response-hooks.js'
import { keepFromSharedCaches, varyBy } from '../http/shared-caches.js'
import type { MaybePromise } from '../protocol.js'
import { ForeignSession, UnstorableValue } from '../session/codec.js'
import { CookieTooLong } from '../session/codecs/beaker-cookie.js'
import { after, isPromise } from '../session/maybe-promise.js'
import type { Session } from '../session/session.js'
import { OversizedSession } from '../session/settings.js'
import type { AfterHead, AfterResponse, Engine, SessionState } from '../session/state.js'
import type { Users } from '../session/users.js'
import type { IdSource } from './session-converters.js'
import type { SessionCookies } from './session-cookies.js'
import { liveCookies } from './session-live-cookie.js'
import { hasPart, headerName, MAX_PARTS, PART_LENGTH, readTicket, splitValue } from './session-ticket.js'
import { type EndTurn, lockedTurn, type SessionTurns, type TurnLimits } from './session-turns.js'

declare module '../protocol.js' {
  interface Environ {
    /** The request's session, as long as a beaker_session filter is in front of the app. */
    'beaker.session'?: SessionHandle
  }
}

/** A session that may not be loaded yet. */
export interface SessionHandle {
  /** The id that the request's cookie proves; null when it proves none. Reads no store. Not for logs. */
  readonly id: string | null
  readonly loaded: boolean
  /** The session; the same for every call in one request. I/O only if a cookie of ours came. */
  load<T extends object = Record<string, unknown>>(): Promise<Session<T>>
  /** Whose sessions there are, through this request's filter. Throws where sessions can't be bound to users. */
  readonly users: Users
  /** The session of an id that the app knows from elsewhere; null when there is none. Changes need persist(). */
  find<T extends object = Record<string, unknown>>(id: string): Promise<Session<T> | null>
  /**
   * For a server behind us: the Cookie header with our cookie in it only if it stands for a live session. undefined: nothing
   * is left of it. Looks into the store, and counts as no access.
   */
  liveCookies(): Promise<string | undefined>
  /**
   * For a server behind us: resolves when no other request of this session is there. undefined at once when no session is
   * proved; null: not within `limits`. Rejects, with `lock = request`, where that lock is not to be had.
   */
  takeTurn(limits: TurnLimits, res: ServerResponse): MaybePromise<EndTurn | null | undefined>
}

/** What all requests through one filter share. */
export interface SessionFilterConfig {
  readonly engine: Engine
  /** What sessions are made of: Session, or a subclass of the user's. */
  readonly sessionClass: typeof Session
  readonly cookieName: string
  readonly cookies: SessionCookies
  /** Where ids may come from, nearest first. */
  readonly sources: readonly IdSource[]
  /** Of several good cookies of our name the last one counts, as in Python; else the first. */
  readonly lastCookieCounts: boolean
  /** What to do with a value that one cookie can't hold. */
  readonly overflow: 'chunk' | 'error'
  readonly auto: boolean
  readonly rolling: boolean
  /** One request at a time holds a session, from loading it to the head of its response. */
  readonly lockRequests: boolean
  readonly turns: SessionTurns
  readonly saveOnException: boolean
  /** Tells about what no response can tell. */
  readonly log: (kind: LogKind, req: IncomingMessage, detail?: unknown) => void
}

export type LogKind = 'never-saved' | 'late' | 'insecure' | 'store'

export class RequestSession implements SessionHandle, ResponseHook, AfterHead, AfterResponse {
  outer: ResponseHook | null = null
  readonly #config: SessionFilterConfig
  readonly #req: IncomingMessage
  #state: SessionState | null = null
  /** The session, once somebody has asked for it. */
  loading: Promise<Session> | null = null
  /** The handler threw. */
  #failed = false
  /** The app asked for something to be stored. */
  #asked = false
  #headIsOut = false
  #over = false
  /** Where the id of this request came from. */
  #source: IdSource | null = null

  constructor(config: SessionFilterConfig, req: IncomingMessage) {
    this.#config = config
    this.#req = req
  }

  get id(): string | null {
    if (this.#state !== null) return this.#state.isNew ? null : this.#state.id
    const ticket = this.ticket()
    return ticket === null ? null : this.#config.engine.idOf(ticket)
  }

  get loaded(): boolean {
    return this.#state !== null
  }

  load<T extends object>(): Promise<Session<T>> {
    this.loading ??= this.#open()
    return this.loading as unknown as Promise<Session<T>>
  }

  get users(): Users {
    const { users } = this.#config.engine
    if (users !== undefined) return users
    throw new Error('sessions can be bound to users only in a store, and with format = sessd')
  }

  async find<T extends object>(id: string): Promise<Session<T> | null> {
    const state = await this.#config.engine.find(id)
    return state === null ? null : (new this.#config.sessionClass(state) as unknown as Session<T>)
  }

  liveCookies(): Promise<string | undefined> {
    return liveCookies(this.#config, this.#req, this.#state)
  }

  takeTurn(limits: TurnLimits, res: ServerResponse): MaybePromise<EndTurn | null | undefined> {
    const { id } = this
    if (id === null) return undefined
    const { turns, lockRequests } = this.#config
    if (!lockRequests) return turns.take(id, limits, res)
    // Who has the lock keeps all others out, and must not wait for a turn: whose it is may be waiting for the lock.
    const take = () => (this.#state?.release ? NO_TURN : turns.take(id, limits, res))
    const turn = this.loading === null ? take() : this.loading.then(take)
    const unlock = () => isGone(res) && this.#state?.unlock()
    return lockedTurn(turn, () => this.load(), unlock)
  }

  /** The app threw: what it did to the session is not stored, unless the settings say so. */
  fail(): void {
    this.#failed = true
  }

  wantsHead(): boolean {
    return this.#state !== null
  }

  beforeHead(): MaybePromise<void> {
    const state = this.#state
    if (state === null || (this.#failed && !this.#config.saveOnException)) return
    if (!state.saveRequested && !this.#config.auto) this.#config.log('never-saved', this.#req, state)
    this.#asked ||= state.hasWork || state.wasStored || this.#config.auto
    const stored = this.#commit(state)
    return stored === undefined ? this.#afterCommit(state) : stored.then(() => this.#afterCommit(state))
  }

  /** What the app asks for while it is stored comes before the head, too. */
  #afterCommit(state: SessionState): MaybePromise<void> {
    if (state.hasWork && !state.gone) return this.beforeHead()
    if (state.release !== null) return state.unlock()
  }

  addHeaders(res: ServerResponse): void {
    const { sources, saveOnException } = this.#config
    for (const source of sources) varyBy(res, source.from === 'cookie' ? 'Cookie' : headerName(source))
    if (!this.#failed || saveOnException) this.#announce(res, this.#state!)
  }

  wantsBody(): boolean {
    const state = this.#state
    return state !== null && (state.saveRequested || state.ended.length > 0 || state.isCommitting)
  }

  /** The last chance for a cookie is over. */
  headLeft(): void {
    this.#headIsOut = true
    if (this.#state !== null) this.#state.headLeft = this
  }

  /** Of a save that came too late for the cookie that it needs. */
  tooLate(): void {
    this.#config.log('late', this.#req)
  }

  beforeBody(): MaybePromise<void> {
    const state = this.#state
    if (state === null || this.#failed) return
    return after(this.#commit(state), () => {
      if (state.cookie === 'set') this.tooLate()
      state.cookie = 'keep'
    })
  }

  ended(): void {
    this.#over = true
    if (!this.#headIsOut) this.headLeft()
    if (this.#state === null) return
    void this.#state.unlock()
    this.#state.responseOver = this
  }

  /** Stores in the background what is saved when there is no response to wait for it. */
  commitLate(): void {
    queueMicrotask(() => {
      if (this.#state === null || !this.wantsBody()) return
      Promise.resolve(this.beforeBody()).catch((error: unknown) =>
        this.#config.log('store', this.#req, error),
      )
    })
  }

  /** What the request proves: a good value from the first source that has one. */
  ticket(): unknown {
    for (const source of this.#config.sources) {
      const ticket = readTicket(this.#config, source, this.#req)
      if (ticket !== null) {
        this.#source = source
        return ticket
      }
    }
    return null
  }

  /** Without a wait where the store answers at once. */
  #open(): Promise<Session> {
    const { engine, lockRequests } = this.#config
    try {
      const ticket = this.ticket()
      const state = ticket === null ? engine.create() : engine.load(ticket)
      if (lockRequests) return this.#openLocked(state)
      return isPromise(state)
        ? state.then((opened) => this.#begin(opened))
        : Promise.resolve(this.#begin(state))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async #openLocked(opened: MaybePromise<SessionState>): Promise<Session> {
    const state = await opened
    if (state.row !== null) {
      await state.lock()
      try {
        await this.#config.engine.reload(state)
      } catch (error) {
        // No response will do it: nobody knows the session.
        await state.unlock()
        throw error
      }
    }
    return this.#begin(state)
  }

  #begin(state: SessionState): Session {
    this.#state = state
    if (this.#headIsOut) this.headLeft()
    if (this.#over) this.ended()
    return new this.#config.sessionClass(state)
  }

  #commit(state: SessionState): MaybePromise<void> {
    try {
      const stored = state.commit()
      return isPromise(stored) ? stored.catch((error: unknown) => this.#refuse(error)) : stored
    } catch (error) {
      this.#refuse(error)
    }
  }

  #refuse(error: unknown): never {
    void this.#state?.unlock()
    this.#config.log('store', this.#req, error)
    throw isProgrammersError(error) ? new PublicError(error.message, { cause: error }) : error
  }

  #announce(res: ServerResponse, state: SessionState): void {
    const { cookieName, sources, rolling } = this.#config
    const isRolling = rolling && state.row !== null && state.unwritable === null
    const action = state.cookie === 'keep' && isRolling ? 'set' : state.cookie
    state.cookie = 'keep'
    if (action === 'keep' || state.gone || (action === 'set' && state.row === null)) return
    // A server behind a proxy that shares our cookie has set it: ours would bring back the id that it has left.
    if (!this.#asked && setsCookie(res, cookieName)) return
    const source = this.#source ?? sources[0]!
    if (source.from === 'cookie') this.#sendCookie(res, state, action)
    else if (action === 'set') res.setHeader(headerName(source), this.#config.engine.cookieValue(state))
    keepFromSharedCaches(res)
  }

  #sendCookie(res: ServerResponse, state: SessionState, action: 'set' | 'delete'): void {
    const { cookies, cookieName, engine } = this.#config
    const sent = this.#req.headers.cookie
    if (action === 'delete' && sent === undefined) return
    const secure = environ(this.#req)['wsgi.url_scheme'] === 'https'
    const { domain, path } = state.data
    const template = cookies.template(secure, domain, path)
    if (template === null) {
      this.#config.log('insecure', this.#req)
      return
    }
    const value = action === 'delete' ? undefined : engine.cookieValue(state)
    const parts = value === undefined || value.length <= PART_LENGTH ? NO_PARTS : splitValue(value)
    const first = parts[0] ?? value
    appendCookie(res, first === undefined ? template.expired : template.set(first))
    if (parts.length === 0 && sent?.includes(cookies.partPrefix) !== true) return
    for (let part = 1; part < MAX_PARTS; part++) {
      const rest = parts[part]
      if (rest === undefined && !hasPart(sent, cookieName, part)) continue
      const next = cookies.template(secure, domain, path, part)!
      appendCookie(res, rest === undefined ? next.expired : next.set(rest))
    }
  }
}

const NO_PARTS: readonly string[] = []
const NO_TURN: EndTurn = () => {}

/** Errors whose message tells the programmer what to change, and nobody anything else. */
function isProgrammersError(error: unknown): error is Error {
  return (
    error instanceof UnstorableValue ||
    error instanceof OversizedSession ||
    error instanceof CookieTooLong ||
    error instanceof ForeignSession
  )
}
