// From whatever a framework calls a request to its session.

import type { IncomingMessage } from 'node:http'
import type { Environ } from '../protocol.js'
import type { Session } from '../session/session.js'
import type { UserSession } from '../session/users.js'
import type { SessionHandle } from './session-handle.js'

/**
 * A Node, Express or Connect request; what wraps one: a Koa context (`ctx.req`) or a Fastify request (`request.raw`); the
 * Request that a fetch handler was given (not a copy of it).
 */
export type RequestLike =
  | IncomingMessage
  | Request
  | { readonly req: IncomingMessage }
  | { readonly raw: IncomingMessage }

/**
 * The session of a request. I/O only if it came with a cookie of ours; twice is once.
 * Throws when no session filter is in front of the app.
 */
export function getSession<T extends object = Record<string, unknown>>(
  request: RequestLike,
  environKey?: string,
): Promise<Session<T>> {
  return getSessionHandle(request, environKey).load<T>()
}

/**
 * The session of an id that the app knows from elsewhere (Beaker's get_by_id), of the same filter as the request's own;
 * null when there is none. What is changed in it is stored by `await session.persist()`.
 */
export function getSessionById<T extends object = Record<string, unknown>>(
  request: RequestLike,
  id: string,
  environKey?: string,
): Promise<Session<T> | null> {
  return getSessionHandle(request, environKey).find<T>(id)
}

/** The live sessions of a user (see `session.bindUser`), the one bound last first. */
export function sessionsOf(request: RequestLike, user: string): Promise<readonly UserSession[]> {
  return getSessionHandle(request).users.sessionsOf(user)
}

/** Ends all sessions of a user, on every device; with `except`, all but that one. Answers how many that were. */
export function revokeAll(
  request: RequestLike,
  user: string,
  how: { except?: string } = {},
): Promise<number> {
  return getSessionHandle(request).users.revokeAll(user, how.except)
}

/**
 * What a log-in should do: a new id, a new CSRF token, and the session bound to the user. The data stays.
 * `device` is what a list of the user's sessions shows.
 */
export async function login(request: RequestLike, user: string, device?: string): Promise<Session> {
  const session = await getSession(request)
  session.regenerateId()
  session.newCsrfToken()
  session.bindUser(user, device)
  return session
}

/** The session of a request, not loaded yet. `environKey` is that of the filter, if it has one of its own. */
export function getSessionHandle(request: RequestLike, environKey = 'beaker.session'): SessionHandle {
  const handle = (environOf(request) as Record<string, unknown> | undefined)?.[environKey]
  if (handle !== undefined) return handle as SessionHandle
  throw new Error(
    'this request has no session: no beaker_session filter is in front of the app ' +
      '(in an INI: `filter-with = session` and a [filter:session] with use = egg:Beaker#beaker_session)',
  )
}

type Carrier = { environ?: Environ; raw?: Carrier; req?: Carrier; runtime?: { node?: { req?: Carrier } } }

function environOf(request: RequestLike): Environ | undefined {
  const carrier = request as Carrier
  const { environ, raw, req, runtime } = carrier
  return environ ?? raw?.environ ?? req?.environ ?? runtime?.node?.req?.environ
}
