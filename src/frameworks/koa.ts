// sessd/koa: the session of a Koa context.

import type { IncomingMessage } from 'node:http'
import { getSession as open } from '../filters/get-session.js'
import type { Session } from '../session/session.js'

/** `const session = await getSession<Cart>(ctx)`. */
export function getSession<T extends object = Record<string, unknown>>(
  ctx: { readonly req: IncomingMessage },
  environKey?: string,
): Promise<Session<T>> {
  return open<T>(ctx.req, environKey)
}
