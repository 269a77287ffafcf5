// sessd/fastify: the session of a Fastify request.

import type { IncomingMessage } from 'node:http'
import { getSession as open } from '../filters/get-session.js'
import type { Session } from '../session/session.js'

/** `const session = await getSession<Cart>(request)`. */
export function getSession<T extends object = Record<string, unknown>>(
  request: { readonly raw: object },
  environKey?: string,
): Promise<Session<T>> {
  return open<T>(request.raw as IncomingMessage, environKey)
}
