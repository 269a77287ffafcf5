// One request's way to its session. Until somebody calls load() it is all there is: no cookie is read, no store asked.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { appendCookie } from '../http/cookies.js'
import { environ } from '../http/environ.js'
import { PublicError, type ResponseHook } from '../http/response-hooks.js'
import type { MaybePromise } from '../protocol.js'
import { ForeignSession, UnstorableValue } from '../session/codec.js'
import { CookieTooLong } from '../session/codecs/beaker-cookie.js'
import { after, isPromise } from '../session/maybe-promise.js'
import type { Session } from '../session/session.js'
import { OversizedSession } from '../session/settings.js'
import type { Engine, SessionState } from '../session/state.js'
import type { Users } from '../session/users.js'
import type { IdSource } from './session-converters.js'
import type { SessionCookies } from './session-cookies.js'
import { partName } from './session-cookies.js'
import { hasCookie, headerName, MAX_PARTS, readTicket, splitValue } from './session-ticket.js'

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
  readonly saveOnException: boolean
  /** Tells about what no response can tell. */
  readonly log: (kind: LogKind, req: IncomingMessage, detail?: unknown) => void
}

export type LogKind = 'never-saved' | 'late' | 'insecure' | 'store'

export class RequestSession implements SessionHandle, ResponseHook {
  outer: ResponseHook | null = null
  /** The handler threw. */
  failed = false
  readonly #config: SessionFilterConfig
  readonly #req: IncomingMessage
  #state: SessionState | null = null
  #loading: Promise<Session> | null = null
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
    const ticket = this.#ticket()
    return ticket === null ? null : this.#config.engine.idOf(ticket)
  }

  get loaded(): boolean {
    return this.#state !== null
  }

  load<T extends object>(): Promise<Session<T>> {
    this.#loading ??= this.#open()
    return this.#loading as unknown as Promise<Session<T>>
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

  wantsHead(): boolean {
    return this.#state !== null
  }

  beforeHead(): MaybePromise<void> {
    const state = this.#state
    if (state === null || (this.failed && !this.#config.saveOnException)) return
    if (!state.saveRequested && !this.#config.auto) this.#config.log('never-saved', this.#req, state)
    const stored = this.#commitAll(state)
    return state.release === null ? stored : after(stored, () => state.unlock())
  }

  addHeaders(res: ServerResponse): void {
    const { sources, saveOnException } = this.#config
    for (const source of sources) varyBy(res, source.from === 'cookie' ? 'Cookie' : headerName(source))
    if (!this.failed || saveOnException) this.#announce(res, this.#state!)
  }

  wantsBody(): boolean {
    const state = this.#state
    return state !== null && (state.saveRequested || state.ended.length > 0 || state.isCommitting)
  }

  /** The last chance for a cookie is over. */
  headLeft(): void {
    this.#headIsOut = true
    if (this.#state !== null) this.#state.onTooLate = () => this.#config.log('late', this.#req)
  }

  beforeBody(): MaybePromise<void> {
    const state = this.#state
    if (state === null || this.failed) return
    return after(this.#commit(state), () => {
      if (state.cookie === 'set') this.#config.log('late', this.#req)
      state.cookie = 'keep'
    })
  }

  ended(): void {
    this.#over = true
    if (!this.#headIsOut) this.headLeft()
    void this.#state?.unlock()
    if (this.#state !== null) this.#state.onLateSave = () => this.#saveLate()
  }

  /** Stores in the background what is saved when there is no response to wait for it. */
  #saveLate(): void {
    queueMicrotask(() => {
      if (this.#state === null || !this.wantsBody()) return
      Promise.resolve(this.beforeBody()).catch((error: unknown) =>
        this.#config.log('store', this.#req, error),
      )
    })
  }

  /** What the request proves: a good value from the first source that has one. */
  #ticket(): unknown {
    for (const source of this.#config.sources) {
      const ticket = readTicket(this.#config, source, this.#req)
      if (ticket !== null) {
        this.#source = source
        return ticket
      }
    }
    return null
  }

  async #open(): Promise<Session> {
    const ticket = this.#ticket()
    const opened = ticket === null ? this.#config.engine.create() : this.#config.engine.load(ticket)
    const state = isPromise(opened) ? await opened : opened
    if (this.#config.lockRequests && state.row !== null) {
      await state.lock()
      await this.#config.engine.reload(state)
    }
    this.#state = state
    if (this.#headIsOut) this.headLeft()
    if (this.#over) this.ended()
    return new this.#config.sessionClass(state)
  }

  /** What the app asks for while it is stored comes before the head, too. */
  #commitAll(state: SessionState): MaybePromise<void> {
    return after(this.#commit(state), () =>
      state.hasWork && !state.gone ? this.#commitAll(state) : undefined,
    )
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
    const { sources, rolling } = this.#config
    const isRolling = rolling && state.row !== null && state.unwritable === null
    const action = state.cookie === 'keep' && isRolling ? 'set' : state.cookie
    state.cookie = 'keep'
    if (action === 'keep' || state.gone || (action === 'set' && state.row === null)) return
    const source = this.#source ?? sources[0]!
    if (source.from === 'cookie') this.#sendCookie(res, state, action)
    else if (action === 'set') res.setHeader(headerName(source), this.#config.engine.cookieValue(state))
    keepFromSharedCaches(res)
  }

  #sendCookie(res: ServerResponse, state: SessionState, action: 'set' | 'delete'): void {
    const { cookies, engine } = this.#config
    const sent = this.#req.headers.cookie
    if (action === 'delete' && sent === undefined) return
    const secure = environ(this.#req)['wsgi.url_scheme'] === 'https'
    const template = (part: number) => cookies.template(secure, state.data.domain, state.data.path, part)
    if (template(0) === null) {
      this.#config.log('insecure', this.#req)
      return
    }
    const parts = action === 'delete' ? [] : splitValue(engine.cookieValue(state))
    for (const [index, value] of parts.entries()) appendCookie(res, template(index)!.set(value))
    for (let index = parts.length; index < MAX_PARTS; index++) {
      if (index === 0 || hasCookie(sent, partName(this.#config.cookieName, index))) {
        appendCookie(res, template(index)!.expired)
      }
    }
  }
}

/** Errors whose message tells the programmer what to change, and nobody anything else. */
function isProgrammersError(error: unknown): error is Error {
  return (
    error instanceof UnstorableValue ||
    error instanceof OversizedSession ||
    error instanceof CookieTooLong ||
    error instanceof ForeignSession
  )
}

function varyBy(res: ServerResponse, name: string): void {
  const vary = res.getHeader('Vary')
  if (vary === undefined) res.setHeader('Vary', name)
  else {
    const names = String(vary)
      .toLowerCase()
      .split(/\s*,\s*/)
    if (!names.includes('*') && !names.includes(name.toLowerCase())) res.setHeader('Vary', `${vary}, ${name}`)
  }
}

/** RFC 9111: a shared cache that stored the cookie would hand one visitor's session to others. */
function keepFromSharedCaches(res: ServerResponse): void {
  const control = res.getHeader('Cache-Control')
  if (control === undefined) res.setHeader('Cache-Control', 'private')
  else if (!/\b(private|no-store)\b/i.test(String(control))) {
    const rest = String(control)
      .split(',')
      .map((directive) => directive.trim())
      .filter((directive) => !/^(public|s-maxage\b.*)$/i.test(directive) && directive !== '')
    res.setHeader('Cache-Control', ['private', ...rest].join(', '))
  }
}
