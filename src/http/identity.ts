// Who the client is, as the filters that ask for a name and a password (or a ticket) found out.

import type { IncomingMessage } from 'node:http'
import { environ } from './environ.js'

declare module '../protocol.js' {
  interface Environ {
    /** The user's name, as soon as a filter has vouched for it. No client can set it. */
    REMOTE_USER?: string
    /** How that was found out: `Basic`, `cookie`, `ip`. */
    AUTH_TYPE?: string
    /** The user's roles or tokens, divided by commas. */
    REMOTE_USER_TOKENS?: string
    /** Further data of the user, from an auth_tkt ticket. */
    REMOTE_USER_DATA?: string
  }
}

/** Vouches for a user. `tokens`: roles, divided by commas. */
export function setIdentity(req: IncomingMessage, user: string, type: string, tokens?: string): void {
  const env = environ(req)
  env.REMOTE_USER = user
  env.AUTH_TYPE = type
  if (tokens !== undefined) env.REMOTE_USER_TOKENS = tokens
}
