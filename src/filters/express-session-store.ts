// `req.sessionStore` as express-session has it, over the sessions of the filter: for apps that look at other sessions than
// their own, or end them. It can't list them, and puts none under an id that it is given.

import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Session } from '../session/session.js'
import type { SessionHandle } from './session-handle.js'

type Callback<T = void> = (error?: unknown, result?: T) => void

/** The session that is on the request. */
export interface Current {
  show(): void
  regenerate(done: Callback): void
}

/** The methods of express-session's Store that apps call, with the same callbacks. */
export interface ExpressSessionStore extends EventEmitter {
  /** The data of a session, with a `cookie`; null when there is none. */
  get(id: string, done: Callback<object | null>): void
  /** Puts `data` in place of what is in a session. An error when there is none of this id. */
  set(id: string, data: object, done?: Callback): void
  /** Ends a session. */
  destroy(id: string, done?: Callback): void
  /** Does nothing: accesses are recorded anyway. */
  touch(id: string, data: object, done?: Callback): void
  /** Ends the session of the request and puts a new one there. */
  regenerate(req: IncomingMessage, done: Callback): void
  generate(req: IncomingMessage): void
}

/** The sessions of the filter behind `handle`. */
export function expressSessionStore(handle: SessionHandle, current: Current): ExpressSessionStore {
  const find = async (id: string): Promise<{ session: Session; own: boolean } | null> => {
    const mine = await handle.load()
    if (id === mine.id) return { session: mine, own: true }
    const session = await handle.find(id)
    return session === null ? null : { session, own: false }
  }
  return Object.assign(new EventEmitter(), {
    get(id: string, done: Callback<object | null>) {
      const data = async () => {
        const found = await find(id)
        return found === null || (found.own && found.session.isNew) ? null : dataOf(found.session)
      }
      settle(data(), done)
    },
    set(id: string, data: object, done?: Callback) {
      const store = async () => {
        const found = await find(id)
        if (found === null) throw new Error('there is no session of this id')
        const { session } = found
        session.clear()
        for (const [key, value] of Object.entries(data)) if (key !== 'cookie') session.set(key, value)
        await session.persist()
      }
      settle(store(), done)
    },
    destroy(id: string, done?: Callback) {
      const end = async () => {
        const found = await find(id)
        found?.session.invalidate()
        if (found?.own === false) await found.session.persist()
      }
      settle(end(), done)
    },
    touch: (_id: string, _data: object, done?: Callback) => settle(Promise.resolve(), done),
    regenerate: (_req: IncomingMessage, done: Callback) => current.regenerate(done),
    generate: () => current.regenerate(() => {}),
  })
}

function dataOf(session: Session): object {
  const data = { cookie: { originalMaxAge: null, expires: null, path: '/', httpOnly: true } }
  for (const [key, value] of session.entries()) {
    if (key !== 'cookie') Object.defineProperty(data, key, { value, writable: true, enumerable: true })
  }
  return data
}

/** Out of the promise: what the callback throws is not an error of the work. */
function settle<T>(work: Promise<T>, done: Callback<T> = () => {}): void {
  work.then(
    (result) => process.nextTick(done, null, result),
    (error: unknown) => process.nextTick(done, error),
  )
}
