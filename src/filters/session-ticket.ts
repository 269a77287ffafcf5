// How a client shows which session is its own: a cookie, the parts of a large one, a header, or a bearer token.

import type { IncomingMessage } from 'node:http'
import { findCookie } from '../http/cookies.js'
import type { Engine } from '../session/state.js'
import type { IdSource } from './session-converters.js'
import { partName } from './session-cookies.js'
import type { SessionFilterConfig } from './session-handle.js'

/** More cookies than these would not fit into the 16 KB that Node takes for all headers of a request. */
export const MAX_PARTS = 4
/** Browsers take 4096 bytes for name, value and attributes together. */
export const PART_LENGTH = 3800

/** How cookies are read, and who says what a value proves. */
type Reading = Pick<SessionFilterConfig, 'cookieName' | 'lastCookieCounts' | 'overflow'> & {
  readonly engine: Pick<Engine, 'verify'>
}

/** What a request proves by one source, or null. Never throws, whatever was sent. */
export function readTicket(config: Reading, source: IdSource, req: IncomingMessage): unknown {
  const { engine, cookieName, lastCookieCounts, overflow } = config
  if (source.from === 'cookie') {
    const header = req.headers.cookie
    if (header === undefined) return null
    if (lastCookieCounts) return lastTicket(config, header)
    return findCookie(header, cookieName, overflow === 'chunk' ? new PartReader(config, header) : engine)
  }
  const value = source.from === 'header' ? req.headers[source.name] : bearerToken(req)
  return typeof value === 'string' ? engine.verify(value) : null
}

/** The header in which a client without cookies learns its id. */
export function headerName(source: IdSource): string {
  return source.from === 'header' ? source.name : 'x-session'
}

/** What the cookies of a request prove. */
export interface CookieProof {
  readonly ticket: unknown
  /** The cookies that prove it, as they would be set. */
  readonly cookies: readonly (readonly [name: string, value: string])[]
}

/** What a request proves by cookies alone; null: nothing. */
export function cookieProof(config: Reading, req: IncomingMessage): CookieProof | null {
  const { cookieName, overflow } = config
  let proof = ''
  const engine: Reading['engine'] = {
    verify(value) {
      const ticket = config.engine.verify(value)
      if (ticket !== null) proof = value
      return ticket
    },
  }
  const ticket = readTicket({ ...config, engine }, { from: 'cookie' }, req)
  if (ticket === null) return null
  const parts = overflow === 'chunk' ? splitValue(proof) : [proof]
  return { ticket, cookies: parts.map((value, part) => [partName(cookieName, part), value]) }
}

function bearerToken(req: IncomingMessage): string | undefined {
  return /^bearer +([^ ]+)$/i.exec(req.headers.authorization ?? '')?.[1]
}

/** Python reads all pairs into a dictionary: a later one replaces an earlier one. */
function lastTicket({ engine, cookieName }: Reading, header: string): unknown {
  let last: unknown = null
  findCookie(header, cookieName, {
    verify(value) {
      last = engine.verify(value) ?? last
      return null
    },
  })
  return last
}

/**
 * Divides what one cookie can't hold: the first part tells how many there are (`2~...`), the others stand in cookies
 * of their own. `~` is in no value of ours.
 */
export function splitValue(value: string): string[] {
  if (value.length <= PART_LENGTH) return [value]
  const count = Math.ceil((value.length + 2) / PART_LENGTH)
  const whole = `${count}~${value}`
  return Array.from({ length: count }, (_, part) => whole.slice(part * PART_LENGTH, (part + 1) * PART_LENGTH))
}

/** Puts the parts together again before they are verified. */
class PartReader {
  readonly #config: Reading
  readonly #header: string

  constructor(config: Reading, header: string) {
    this.#config = config
    this.#header = header
  }

  verify(value: string): unknown {
    const { engine, cookieName } = this.#config
    if (value.charCodeAt(1) !== 126) return engine.verify(value)
    const count = value.charCodeAt(0) - 48
    if (count < 2 || count > MAX_PARTS) return null
    let whole = value.slice(2)
    for (let part = 1; part < count; part++) {
      const next = findCookie(this.#header, partName(cookieName, part), FIRST)
      if (next === null) return null
      whole += next
    }
    return engine.verify(whole)
  }
}

const FIRST = { verify: (value: string) => value }

/** Whether `header` has part number `part` of the cookie `name`; `0` is the cookie itself. */
export function hasPart(header: string | undefined, name: string, part: number): boolean {
  return header !== undefined && findCookie(header, partName(name, part), FIRST) !== null
}
