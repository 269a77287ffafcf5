// The Cookie header for a server behind us that would take a dead session's cookie at its word, as Beaker does: it adopts the
// id. Other programs divide the header otherwise than we do, so whatever could be a cookie of our name goes out of it.

import type { IncomingMessage } from 'node:http'
import type { SessionState } from '../session/state.js'
import { partName } from './session-cookies.js'
import type { SessionFilterConfig } from './session-handle.js'
import { cookieProof, MAX_PARTS } from './session-ticket.js'

/**
 * The Cookie header of `req` with the cookie of the session in it only if that is alive; undefined: nothing is left of it.
 * `own` is what the request has loaded of it, if anything. Rejects when the store does.
 */
export async function liveCookies(
  config: SessionFilterConfig,
  req: IncomingMessage,
  own: SessionState | null,
): Promise<string | undefined> {
  const { cookie } = req.headers
  if (cookie === undefined) return undefined
  const proof = cookieProof(config, req)
  const isProofOfLife = proof !== null && (await isLive(config, proof.ticket, own))
  return withCookies(cookie, config.cookieName, isProofOfLife ? proof.cookies : [])
}

/** Whether there is a row behind `ticket`; also while the store is away and the settings go on without it. */
async function isLive(
  { engine }: SessionFilterConfig,
  ticket: unknown,
  own: SessionState | null,
): Promise<boolean> {
  const id = engine.idOf(ticket)
  if (own?.ended.some((row) => row.id === id)) return false
  const state = isOf(own, id) ? own : await engine.load(ticket)
  return isOf(state, id) && !state.gone
}

function isOf(state: SessionState | null, id: string): state is SessionState {
  return state?.row?.id === id || state?.movedFrom?.id === id
}

/** Characters of cookie names (RFC 6265, 4.1.1): a name that follows one of them is the end of a longer name. */
const IN_NAMES = /[!#$%&'*+\-.^`|~\w]/

/**
 * `header` without anything that could be read as the cookie `name` or one of its parts, and with the cookies of `kept`
 * in front; undefined when nothing is left.
 */
export function withCookies(
  header: string,
  name: string,
  kept: readonly (readonly [name: string, value: string])[],
): string | undefined {
  const names = Array.from({ length: MAX_PARTS }, (_, part) => partName(name, part))
  const others = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !names.some((candidate) => holds(pair, candidate)))
  const all = [...kept.map(([key, value]) => `${key}=${value}`), ...others]
  return all.length === 0 ? undefined : all.join('; ')
}

/** Whether `pair` has `name`, blanks and `=` anywhere: Python divides cookies at blanks as well. */
function holds(pair: string, name: string): boolean {
  for (let at = pair.indexOf(name); at !== -1; at = pair.indexOf(name, at + 1)) {
    if (at > 0 && IN_NAMES.test(pair[at - 1]!)) continue
    let after = at + name.length
    while (pair[after] === ' ' || pair[after] === '\t') after++
    if (pair[after] === '=') return true
  }
  return false
}
