// The filter itself: gives each request its handle, hooks its response, and sees whether the app fails.

import type { IncomingMessage } from 'node:http'
import { environ } from '../http/environ.js'
import { hookResponse } from '../http/response-hooks.js'
import type { App, Environ, Filter } from '../protocol.js'
import { isPromise } from '../session/maybe-promise.js'
import { showAsExpressSession } from './express-session.js'
import { RequestSession, type SessionFilterConfig } from './session-handle.js'
import type { SessionSockets } from './session-sockets.js'

export interface SessionFilterSettings extends SessionFilterConfig {
  /** Under which name the handle stands in the environ. */
  readonly environKey: string
  /** The property of the request that holds the session as well. */
  readonly reqProperty: string | undefined
  /** Whether the app is called when the session is loaded. */
  readonly preload: boolean
  /** Where upgraded sockets are kept, so that they end with their session. */
  readonly sockets?: SessionSockets
}

export function sessionFilter(config: SessionFilterSettings): Filter {
  return (next) => {
    const app: App = (req, res) => {
      const handle = attach(config, req)
      hookResponse(res, handle)
      try {
        const result = config.preload ? loadFirst(config, handle, req, () => next(req, res)) : next(req, res)
        return isPromise(result) ? watch(result, handle) : result
      } catch (error) {
        handle.fail()
        throw error
      }
    }
    if (next.upgrade !== undefined) {
      // The one place where an id is read that nobody asked for: a socket must end with its session.
      app.upgrade = (req, socket, head) => {
        const handle = attach(config, req)
        handle.ended()
        const ticket = handle.ticket()
        next.upgrade!(req, socket, head)
        if (ticket !== null && !socket.destroyed) config.sockets?.add(ticket, socket, handle.loading)
      }
    }
    return app
  }
}

function attach(config: SessionFilterSettings, req: IncomingMessage): RequestSession {
  const env = environ(req) as Environ & Record<string, unknown>
  const { environKey, reqProperty } = config
  refuseSameCookie(env, config.cookieName)
  const handle = new RequestSession(config, req)
  env[environKey] = handle
  if (reqProperty !== undefined) setProperty(req, reqProperty, handle)
  return handle
}

const NAMES = Symbol('sessd.session cookies')

/** Two filters with one cookie name would overwrite each other's cookies, whatever the environ calls their sessions. */
function refuseSameCookie(env: object, name: string): void {
  const record = env as { [NAMES]?: string | Set<string> }
  const names = record[NAMES]
  if (names === name || (names instanceof Set && names.has(name))) {
    throw new Error(`two session filters with the cookie name "${name}" are in front of one app`)
  }
  if (names === undefined) record[NAMES] = name
  else record[NAMES] = new Set(names instanceof Set ? names : [names]).add(name)
}

async function loadFirst(
  config: SessionFilterSettings,
  handle: RequestSession,
  req: IncomingMessage,
  next: () => unknown,
): Promise<unknown> {
  const session = await handle.load<Record<string, unknown>>()
  if (config.reqProperty !== undefined) showAsExpressSession(req, config.reqProperty, session, handle)
  return next()
}

function setProperty(req: IncomingMessage, name: string, value: unknown): void {
  ;(req as unknown as Record<string, unknown>)[name] = value
}

/** What comes of it, too, is the app's own: who waits for a query runs it, and a failure is to be somebody's. */
function watch(result: Promise<unknown>, handle: RequestSession): Promise<unknown> {
  return Promise.resolve(result).then(undefined, (error: unknown) => {
    handle.fail()
    throw error
  })
}
