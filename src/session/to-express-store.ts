// The other way round: our stores for apps that use express-session. Its `set` knows only "store this"; here it is a
// compare-and-set with a merge, so that what other requests changed stays, and a session that was ended stays ended.

import { applyChange, type Change } from './change.js'
import { type Clock, systemClock } from './clock.js'
import { type Codec, CorruptSession, type Document, ForeignSession } from './codec.js'
import { sessdCodec } from './codecs/sessd.js'
import { isId } from './id.js'
import { isVacant } from './settings.js'
import type { Revision, SessionStore } from './store.js'

/** What `import session from 'express-session'` gives. */
export interface ExpressSessionModule<S> {
  readonly Store: abstract new () => S
}

export interface ToExpressStoreOptions<S> {
  /** express-session itself. */
  readonly session: ExpressSessionModule<S>
  /**
   * How long a session whose cookie has no end of its own lives after it was used last, in milliseconds. Default: a day.
   * Where other apps use the same sessions it is the timeout of theirs.
   */
  readonly ttl?: number | undefined
  readonly clock?: Clock | undefined
}

type Callback<T = unknown> = ((error?: unknown, result?: T) => void) | undefined

interface StoreBase {
  createSession(req: object, data: object): object
}

interface Methods extends StoreBase {
  get(sid: string, callback: Callback<object | null>): void
  set(sid: string, session: object, callback?: Callback): void
  touch(sid: string, session: object, callback?: Callback): void
  destroy(sid: string, callback?: Callback): void
  all(callback: Callback<object[]>): void
  length(callback: Callback<number>): void
  clear(callback?: Callback): void
}

/** Where the values of a session object come from. */
interface Origin {
  /** null: the session has been ended. */
  row: { readonly revision: Revision; readonly document: Document<unknown> } | null
  /** What the object held when it was filled or stored last, as JSON. */
  texts: ReadonlyMap<string, string>
}

/** After so many conflicts in a row something is wrong. */
const MAX_ATTEMPTS = 50

/** Makes a store for express-session. What the app does with it is stored as rows of `codec`. */
export function toExpressStore<S>(
  store: SessionStore,
  options: ToExpressStoreOptions<S>,
  codec: Codec<unknown> = sessdCodec as Codec<unknown>,
): S {
  const { ttl = 86_400_000, clock = systemClock } = options
  const origins = new WeakMap<object, Origin>()

  function decode(payload: Uint8Array): Document<unknown> | null {
    try {
      const document = codec.decode(payload)
      return isVacant(document) ? null : document
    } catch (error) {
      // Bytes that are no row of ours are no session of ours.
      if (error instanceof CorruptSession || error instanceof ForeignSession) return null
      throw error
    }
  }

  async function load(id: string): Promise<object | null> {
    const stored = isId(id) ? await store.load(id) : null
    const document = stored === null ? null : decode(stored.payload)
    if (stored === null || document === null) return null
    const session: Record<string, unknown> = {}
    for (const [key, encoded] of document.values) define(session, key, codec.thaw(encoded))
    define(session, 'cookie', cookieOf(session.cookie, stored.expiresAt))
    origins.set(session, { row: { revision: stored.revision, document }, texts: textsOf(session) })
    return session
  }

  async function save(id: string, session: object): Promise<void> {
    if (!isId(id)) throw new TypeError('genid: expected ids of 1 to 128 of A-Z a-z 0-9 _ -')
    const texts = textsOf(session)
    const origin = origins.get(session) ?? { row: await findRow(id), texts: new Map() }
    const change = changeFrom(origin.texts, texts, !origins.has(session))
    let row = origin.row
    if (row === null && origins.has(session)) return
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const now = clock()
      const base = row?.document ?? { created: now, accessed: now, values: new Map<string, unknown>() }
      const document = { ...applyChange(codec, base, change, false), accessed: now }
      const result = await store.save(id, codec.encode(document), {
        expiresAt: expiryOf(session),
        expected: row?.revision ?? null,
      })
      if (result.saved) {
        origins.set(session, { row: { revision: result.revision, document }, texts })
        return
      }
      // It expired just when we were about to insert it.
      if (result.current === null && row === null) continue
      const current = result.current === null ? null : decode(result.current.payload)
      if (result.current === null || current === null) {
        origins.set(session, { row: null, texts })
        return
      }
      row = { revision: result.current.revision, document: current }
    }
    throw new Error(
      `the session could not be stored: it was changed by others ${MAX_ATTEMPTS} times in a row`,
    )
  }

  async function findRow(id: string): Promise<Origin['row']> {
    const stored = await store.load(id)
    const document = stored === null ? null : decode(stored.payload)
    return stored === null || document === null ? null : { revision: stored.revision, document }
  }

  function changeFrom(
    before: ReadonlyMap<string, string>,
    after: ReadonlyMap<string, string>,
    cleared: boolean,
  ): Change<unknown> {
    const set = new Map<string, unknown>()
    for (const [key, text] of after) {
      if (before.get(key) !== text) set.set(key, codec.freeze(key, JSON.parse(text)))
    }
    const removed = new Set([...before.keys()].filter((key) => !after.has(key)))
    return { cleared, set, removed, updates: new Map(), user: undefined, domain: undefined, path: undefined }
  }

  async function touch(id: string, session: object): Promise<void> {
    if (!isId(id)) return
    if (store.touch !== undefined) await store.touch(id, expiryOf(session))
    else await save(id, session)
  }

  function expiryOf(session: object): number {
    const { cookie } = session as { cookie?: { expires?: unknown } }
    const { expires } = cookie ?? {}
    const time =
      expires instanceof Date || typeof expires === 'string' ? new Date(expires).getTime() : Number.NaN
    return Number.isNaN(time) ? clock() + ttl : time
  }

  async function ids(): Promise<string[]> {
    if (store.ids === undefined) throw new Error('this kind of store can not list its sessions')
    const all: string[] = []
    for await (const id of store.ids()) all.push(id)
    return all
  }

  async function loadAll(): Promise<object[]> {
    const sessions: object[] = []
    for (const id of await ids()) {
      const session = await load(id)
      if (session !== null) sessions.push({ ...session, id })
    }
    return sessions
  }

  async function clear(): Promise<void> {
    for (const id of await ids()) await store.delete(id)
  }

  const Base = options.session.Store as unknown as new () => StoreBase

  class SessdStore extends Base implements Methods {
    get(sid: string, callback: Callback<object | null>): void {
      settle(load(sid), callback)
    }

    set(sid: string, session: object, callback?: Callback): void {
      settle(save(sid, session), callback)
    }

    touch(sid: string, session: object, callback?: Callback): void {
      settle(touch(sid, session), callback)
    }

    destroy(sid: string, callback?: Callback): void {
      settle(isId(sid) ? Promise.resolve(store.delete(sid)) : Promise.resolve(), callback, false)
    }

    all(callback: Callback<object[]>): void {
      settle(loadAll(), callback)
    }

    length(callback: Callback<number>): void {
      settle(
        ids().then(({ length }) => length),
        callback,
      )
    }

    clear(callback?: Callback): void {
      settle(clear(), callback)
    }

    /** The session object of a request; keys that it has no room for (`save`, `__proto__`) stay in the row. */
    override createSession(req: object, data: object): object {
      const origin = origins.get(data)
      const session = super.createSession(req, data)
      if (origin !== undefined) origins.set(session, { row: origin.row, texts: textsOf(session) })
      return session
    }
  }

  return new SessdStore() as S
}

/** What an object holds as express-session stores it, key by key. */
function textsOf(session: object): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [key, value] of Object.entries(session)) {
    const text = JSON.stringify(value) as string | undefined
    if (text !== undefined) texts.set(key, text)
  }
  return texts
}

/** A cookie as it was stored, with the end that the row has now: a touch moves that alone. */
function cookieOf(stored: unknown, expiresAt: number | null): object {
  const cookie = typeof stored === 'object' && stored !== null ? stored : { originalMaxAge: null, path: '/' }
  const { expires } = cookie as { expires?: unknown }
  return typeof expires === 'string' && expiresAt !== null
    ? { ...cookie, expires: new Date(expiresAt).toISOString() }
    : cookie
}

/** Any key becomes a property, also `__proto__`. */
function define(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}

/** Calls back once, outside of the promise: what the callback throws is the app's. */
function settle<T>(work: Promise<T>, callback: Callback<T>, withResult = true): void {
  work.then(
    (result) => process.nextTick(() => (withResult ? callback?.(null, result) : callback?.(null))),
    (error: unknown) => process.nextTick(() => callback?.(error)),
  )
}
