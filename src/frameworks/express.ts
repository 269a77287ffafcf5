// sessd/express: the session of an Express (or Connect) request. `req` is the raw request itself.

import type { IncomingMessage } from 'node:http'
import { getSession as open } from '../filters/get-session.js'
import type { Session } from '../session/session.js'

/** `const session = await getSession<Cart>(req)`, in a route or a middleware of Express 4 and 5. */
export function getSession<T extends object = Record<string, unknown>>(
  req: IncomingMessage,
  environKey?: string,
): Promise<Session<T>> {
  return open<T>(req, environKey)
}
