// One request's way to its session. Until somebody calls load() it is all there is: no cookie is read, no store asked.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { appendCookie, type CookieTemplate, findCookie } from '../http/cookies.js'
import { environ } from '../http/environ.js'
import { PublicError, type ResponseHook } from '../http/response-hooks.js'
import type { MaybePromise } from '../protocol.js'
import { UnstorableValue } from '../session/codec.js'
import { isPromise } from '../session/maybe-promise.js'
import { Session } from '../session/session.js'
import type { Engine, SessionState } from '../session/state.js'

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
}

/** What all requests through one filter share. */
export interface SessionFilterConfig {
  readonly cookieName: string
  readonly engine: Engine
  /** Set-Cookie for https and for plain http; null: not sent there. */
  readonly secureCookie: CookieTemplate
  readonly plainCookie: CookieTemplate | null
  readonly auto: boolean
  readonly saveOnException: boolean
  /** Makes the template of a session that has its own domain or path. */
  cookieFor(
    domain: string | null | undefined,
    path: string | null | undefined,
    secure: boolean,
  ): CookieTemplate | null
  /** Tells about what no response can tell. */
  readonly log: (kind: LogKind, req: IncomingMessage, error?: unknown) => void
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
  #over = false

  constructor(config: SessionFilterConfig, req: IncomingMessage) {
    this.#config = config
    this.#req = req
  }

  get cookieName(): string {
    return this.#config.cookieName
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

  wantsHead(): boolean {
    return this.#state !== null
  }

  beforeHead(): MaybePromise<void> {
    const state = this.#state
    if (state === null || (this.failed && !this.#config.saveOnException)) return
    if (!state.saveRequested && !this.#config.auto) this.#config.log('never-saved', this.#req, state)
    return this.#commit(state)
  }

  addHeaders(res: ServerResponse): void {
    varyByCookie(res)
    if (!this.failed || this.#config.saveOnException) this.#sendCookie(res, this.#state!)
  }

  wantsBody(): boolean {
    const state = this.#state
    return state !== null && (state.saveRequested || state.ended.length > 0)
  }

  /** The head is out, and with it the last chance for a cookie: known sessions are stored, new ones can't be. */
  beforeBody(): MaybePromise<void> {
    const state = this.#state
    if (state === null || this.failed) return
    if (state.movedFrom !== null || state.row === null) {
      if (state.saveRequested) this.#config.log('late', this.#req)
      state.stay()
      if (state.ended.length === 0 && state.row === null) return
    }
    return this.#commit(state)
  }

  ended(): void {
    this.#over = true
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

  #ticket() {
    const header = this.#req.headers.cookie
    return header === undefined ? null : findCookie(header, this.#config.cookieName, this.#config.engine)
  }

  async #open(): Promise<Session> {
    const ticket = this.#ticket()
    const opened = ticket === null ? this.#config.engine.create() : this.#config.engine.load(ticket)
    const state = isPromise(opened) ? await opened : opened
    this.#state = state
    if (this.#over) this.ended()
    return new Session(state)
  }

  #commit(state: SessionState): MaybePromise<void> {
    try {
      const stored = this.#config.engine.commit(state)
      return isPromise(stored) ? stored.catch((error: unknown) => this.#refuse(error)) : stored
    } catch (error) {
      this.#refuse(error)
    }
  }

  #refuse(error: unknown): never {
    this.#config.log('store', this.#req, error)
    throw error instanceof UnstorableValue ? new PublicError(error.message, { cause: error }) : error
  }

  #sendCookie(res: ServerResponse, state: SessionState): void {
    const action = state.cookie
    if (action === 'keep' || state.gone) return
    state.cookie = 'keep'
    if (action === 'set' && state.row === null) return
    if (action === 'delete' && this.#req.headers.cookie === undefined) return
    const secure = environ(this.#req)['wsgi.url_scheme'] === 'https'
    const own = state.data.domain !== undefined || state.data.path !== undefined
    const template = own
      ? this.#config.cookieFor(state.data.domain, state.data.path, secure)
      : secure
        ? this.#config.secureCookie
        : this.#config.plainCookie
    if (template === null) {
      this.#config.log('insecure', this.#req)
      return
    }
    appendCookie(
      res,
      action === 'set' ? template.set(this.#config.engine.cookieValue(state)) : template.expired,
    )
    keepFromSharedCaches(res)
  }
}

function varyByCookie(res: ServerResponse): void {
  const vary = res.getHeader('Vary')
  if (vary === undefined) res.setHeader('Vary', 'Cookie')
  else if (!/(^|,)\s*(cookie|\*)\s*(,|$)/i.test(String(vary))) res.setHeader('Vary', `${vary}, Cookie`)
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
