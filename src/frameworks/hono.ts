// sessd/hono: the session of a Hono context, mounted as it is or by @hono/node-server. h3: getSession(event.req) of sessd.

import type { IncomingMessage } from 'node:http'
import { getSession as open } from '../filters/get-session.js'
import type { Session } from '../session/session.js'

/** `const session = await getSession<Cart>(c)`. Throws when the app is not behind Node's HTTP server. */
export function getSession<T extends object = Record<string, unknown>>(
  c: { readonly env: unknown },
  environKey?: string,
): Promise<Session<T>> {
  const { incoming } = (c.env ?? {}) as { incoming?: IncomingMessage }
  if (incoming === undefined)
    throw new Error("this context has no env.incoming: the app is not behind Node's server")
  return open<T>(incoming, environKey)
}
