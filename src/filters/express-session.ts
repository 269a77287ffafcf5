// The session as express-session has it, for apps that were written for that: `req.session.n = 1`, kept without a save.
// A face over our Session: merges, early cookies and ended ids are as everywhere. Put there by `req_property` with `preload`.

import type { IncomingMessage } from 'node:http'
import { inspect } from 'node:util'
import type { Session } from '../session/session.js'
import { type ExpressSessionStore, expressSessionStore } from './express-session-store.js'
import type { SessionHandle } from './session-handle.js'

type Callback = (error?: unknown) => void

/** What express-session puts on a session beside its data, with the same meaning. All other names are data. */
export interface ExpressSession {
  readonly id: string
  /** May be changed and is not looked at: the cookie is the filter's. */
  readonly cookie: Record<string, unknown>
  readonly req: IncomingMessage
  /** Stores what was changed up to now. */
  save(done?: Callback): ExpressSession
  /** Loads what is stored now, dropping changes; an error when the session is gone. */
  reload(done: Callback): ExpressSession
  /** Ends the session and puts a new, empty one on the request. */
  regenerate(done: Callback): ExpressSession
  /** Ends the session and takes it off the request. */
  destroy(done?: Callback): ExpressSession
  /** Does nothing: accesses are recorded anyway. */
  touch(): ExpressSession
  resetMaxAge(): ExpressSession
  [key: string]: unknown
}

/**
 * Puts `session` on the request as `req[property]`, its id as `req.sessionID`, and the filter's sessions as
 * `req.sessionStore`. express-session further inside sees that somebody was there before, and steps aside.
 */
export function showAsExpressSession(
  req: IncomingMessage,
  property: string,
  session: Session,
  handle: SessionHandle,
): void {
  const place = new Place(req, session)
  let store: ExpressSessionStore | undefined
  const own = { configurable: true, enumerable: true }
  Object.defineProperties(req, {
    [property]: { ...own, get: () => place.shown, set: (value: unknown) => place.assign(value) },
    sessionID: { ...own, get: () => session.id, set: () => {} },
    sessionStore: {
      ...own,
      get() {
        store ??= expressSessionStore(handle, place)
        return store
      },
      set: () => {},
    },
  })
}

/** What stands at `req.session`: a face of the session, or what the app has put there in its place. */
class Place {
  shown: unknown
  readonly #req: IncomingMessage
  readonly #session: Session

  constructor(req: IncomingMessage, session: Session) {
    this.#req = req
    this.#session = session
    this.show()
  }

  /** Shows the session as it is now. */
  show(): void {
    this.shown = new Face(this.#req, this, this.#session).proxy
  }

  /** Ends the session that is there, if it was not ended before, and shows the new one. */
  regenerate(done: Callback): void {
    if (Face.isLive(this.shown)) this.shown.regenerate(done)
    else {
      this.show()
      process.nextTick(done)
    }
  }

  /**
   * `req.session = null` ends the session, as with cookie-session and express-session's `unset: 'destroy'`; a plain object
   * takes the place of all that was in it.
   */
  assign(value: unknown): void {
    const { shown } = this
    if (value === shown) return
    if (value === null || value === undefined) {
      if (Face.isLive(shown)) shown.destroy()
      this.shown = value
    } else if (isPlain(value)) {
      this.#session.clear()
      this.show()
      Object.assign(this.shown as object, value)
    } else this.shown = value
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object') return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const live = new WeakSet<object>()

/** The traps of one proxy. Once its session was ended it keeps what was in it: callers copy from the old to the new. */
class Face implements ProxyHandler<object> {
  readonly proxy: ExpressSession
  readonly #place: Place
  readonly #session: Session
  readonly #own = new Map<string, unknown>()
  #past: Map<string, unknown> | null = null

  constructor(req: IncomingMessage, place: Place, session: Session) {
    this.#place = place
    this.#session = session
    // console.log looks at what is behind a proxy, past its traps
    const shown = { value: () => ({ ...this.proxy }), configurable: true }
    this.proxy = new Proxy(Object.defineProperty({}, inspect.custom, shown), this) as ExpressSession
    const done = () => this.proxy
    const own: Omit<ExpressSession, 'id'> = {
      cookie: { originalMaxAge: null, maxAge: null, expires: null, path: '/', httpOnly: true },
      req,
      save: (callback?: Callback) => this.#settle(this.#save(), callback),
      reload: (callback?: Callback) => this.#settle(this.#reload(), callback),
      regenerate: (callback?: Callback) => this.#end(true, callback),
      destroy: (callback?: Callback) => this.#end(false, callback),
      touch: done,
      resetMaxAge: done,
    }
    for (const [name, value] of Object.entries(own)) this.#own.set(name, value)
    live.add(this.proxy)
  }

  /** Whether it is a face whose session was not ended. */
  static isLive(shown: unknown): shown is ExpressSession {
    return live.has(shown as object)
  }

  get(_target: object, key: string | symbol): unknown {
    if (typeof key === 'symbol') return Reflect.get(Object.prototype, key)
    if (key === 'id') return this.#session.id
    if (this.#own.has(key)) return this.#own.get(key)
    return this.#has(key) ? this.#value(key) : Reflect.get(Object.prototype, key)
  }

  set(_target: object, key: string | symbol, value: unknown): boolean {
    if (typeof key === 'symbol' || key === 'id' || this.#own.has(key)) return true
    if (this.#past !== null) this.#past.set(key, value)
    else if (value === undefined) this.#session.unset(key)
    else this.#session.set(key, value)
    return true
  }

  has(_target: object, key: string | symbol): boolean {
    if (typeof key === 'symbol') return false
    return key === 'id' || this.#own.has(key) || this.#has(key) || key in Object.prototype
  }

  deleteProperty(_target: object, key: string | symbol): boolean {
    if (typeof key === 'symbol') return true
    if (this.#past !== null) this.#past.delete(key)
    else this.#session.unset(key)
    return true
  }

  defineProperty(target: object, key: string | symbol, descriptor: PropertyDescriptor): boolean {
    return 'value' in descriptor && this.set(target, key, descriptor.value)
  }

  /** The cookie is listed, as express-session lists it; verbs are not. */
  ownKeys(): string[] {
    const keys = this.#past === null ? this.#session.keys() : this.#past.keys()
    return ['cookie', ...[...keys].filter((key) => key !== 'id' && !this.#own.has(key))]
  }

  getOwnPropertyDescriptor(target: object, key: string | symbol): PropertyDescriptor | undefined {
    if (typeof key === 'symbol' || (key !== 'cookie' && !this.#has(key))) return undefined
    return { value: this.get(target, key), writable: true, enumerable: true, configurable: true }
  }

  #has(key: string): boolean {
    return this.#past === null ? this.#session.has(key) : this.#past.has(key)
  }

  #value(key: string): unknown {
    return this.#past === null ? this.#session.get(key) : this.#past.get(key)
  }

  async #save(): Promise<void> {
    // log-out of somebody who never logged in: an empty new session is not worth a row
    if (this.#past !== null || (this.#session.isNew && this.#session.size === 0)) return
    await this.#session.persist()
  }

  async #reload(): Promise<void> {
    if (this.#past === null && !this.#session.isNew) await this.#session.reload()
    if (this.#past !== null || this.#session.created === null) throw new Error('failed to load session')
  }

  #end(andGoOn: boolean, callback: Callback | undefined): ExpressSession {
    if (this.#past === null) {
      this.#past = new Map(this.#session.entries())
      this.#session.invalidate()
      live.delete(this.proxy)
    }
    if (andGoOn) this.#place.show()
    else this.#place.shown = undefined
    return this.#settle(Promise.resolve(), callback)
  }

  #settle(work: Promise<void>, callback: Callback = () => {}): ExpressSession {
    // Out of the promise: what the callback throws is not an error of the work.
    work.then(
      () => process.nextTick(callback),
      (error: unknown) => process.nextTick(callback, error),
    )
    return this.proxy
  }
}
