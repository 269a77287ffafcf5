// The filter itself: gives each request its handle, hooks its response, and sees whether the app fails.

import type { IncomingMessage } from 'node:http'
import { environ } from '../http/environ.js'
import { hookResponse } from '../http/response-hooks.js'
import type { App, Environ, Filter } from '../protocol.js'
import { isPromise } from '../session/maybe-promise.js'
import { RequestSession, type SessionFilterConfig } from './session-handle.js'

export interface SessionFilterSettings extends SessionFilterConfig {
  /** Under which name the handle stands in the environ. */
  readonly environKey: string
  /** The property of the request that holds the session as well. */
  readonly reqProperty: string | undefined
  /** Whether the app is called when the session is loaded. */
  readonly preload: boolean
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
        handle.failed = true
        throw error
      }
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        attach(config, req).ended()
        next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}

function attach(config: SessionFilterSettings, req: IncomingMessage): RequestSession {
  const env = environ(req) as Environ & Record<string, unknown>
  const { environKey, reqProperty } = config
  const outer = env[environKey]
  if (outer instanceof RequestSession && outer.cookieName === config.cookieName) {
    throw new Error(`two session filters with the cookie name "${config.cookieName}" are in front of one app`)
  }
  const handle = new RequestSession(config, req)
  env[environKey] = handle
  if (reqProperty !== undefined) setProperty(req, reqProperty, handle)
  return handle
}

async function loadFirst(
  config: SessionFilterSettings,
  handle: RequestSession,
  req: IncomingMessage,
  next: () => unknown,
): Promise<unknown> {
  const session = await handle.load()
  if (config.reqProperty !== undefined) setProperty(req, config.reqProperty, session)
  return next()
}

function setProperty(req: IncomingMessage, name: string, value: unknown): void {
  ;(req as unknown as Record<string, unknown>)[name] = value
}

async function watch(result: Promise<unknown>, handle: RequestSession): Promise<unknown> {
  try {
    return await result
  } catch (error) {
    handle.failed = true
    throw error
  }
}
