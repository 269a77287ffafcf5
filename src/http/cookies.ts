// Cookies, both ways. Reading is a tolerant search for one name: other pairs may be as broken as they like. Writing is
// done once, at load time, by the `cookie` package; a request only puts its value between two strings.

import type { ServerResponse } from 'node:http'
import { createRequire } from 'node:module'

// By require: see decision 021.
const { stringifySetCookie } = createRequire(import.meta.url)('cookie') as typeof import('cookie')

/**
 * Asks `reader` about each value of the cookie `name`, in order, and answers the first result that is not null. Pairs
 * are divided by `;` alone; names are compared byte by byte (never percent-decoded); white space and quotes around a
 * value are dropped. So one junk cookie of the same name, or of another, hides nothing.
 */
export function findCookie<T>(
  header: string,
  name: string,
  reader: { verify(value: string): T | null },
): T | null {
  let at = header.indexOf(name)
  while (at !== -1) {
    let start = at + name.length
    while (isBlank(header.charCodeAt(start))) start++
    if (header.charCodeAt(start) === EQUALS && startsPair(header, at)) {
      let stop = header.indexOf(';', start)
      if (stop === -1) stop = header.length
      const found = reader.verify(trimValue(header, start + 1, stop))
      if (found !== null) return found
    }
    at = header.indexOf(name, start)
  }
  return null
}

/** Only white space lies between `at` and the pair's beginning. */
function startsPair(header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && isBlank(header.charCodeAt(before))) before--
  return before < 0 || header.charCodeAt(before) === SEMICOLON
}

function trimValue(header: string, start: number, stop: number): string {
  while (start < stop && isPadding(header.charCodeAt(start))) start++
  while (stop > start && isPadding(header.charCodeAt(stop - 1))) stop--
  return header.slice(start, stop)
}

const [SPACE, TAB, QUOTE, SEMICOLON, EQUALS] = [32, 9, 34, 59, 61]

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

function isPadding(code: number): boolean {
  return code === SPACE || code === TAB || code === QUOTE
}

export interface CookieAttributes {
  readonly domain: string | null
  readonly path: string
  /** Seconds; null: until the browser is closed. */
  readonly maxAge: number | null
  readonly secure: boolean
  readonly httpOnly: boolean
  readonly sameSite: 'lax' | 'strict' | 'none' | null
  readonly partitioned?: boolean
  readonly priority?: 'low' | 'medium' | 'high' | null
}

/** Everything of a Set-Cookie header but the value. */
export interface CookieTemplate {
  /** The header for `value`, which must hold cookie octets only (RFC 6265). */
  set(value: string): string
  /** The header that makes a browser forget the cookie. */
  readonly expired: string
}

const MARK = 'X'

/** Makes a template. Throws TypeError for a name, domain or path that no cookie can have. */
export function cookieTemplate(name: string, attributes: CookieAttributes): CookieTemplate {
  const { domain, path, maxAge, secure, httpOnly, sameSite, partitioned, priority } = attributes
  const common = {
    name,
    path,
    httpOnly,
    secure,
    ...(domain === null ? {} : { domain }),
    ...(sameSite === null ? {} : { sameSite }),
    ...(partitioned === true ? { partitioned } : {}),
    ...(priority == null ? {} : { priority }),
  }
  const age = maxAge === null ? {} : { maxAge }
  const lasting = stringifySetCookie({ ...common, ...age, value: MARK }).slice(`${name}=${MARK}`.length)
  const expired = stringifySetCookie({ ...common, value: '', expires: new Date(0), maxAge: 0 })
  return {
    expired,
    set: (value) => {
      const head = `${name}=${value}${lasting}`
      return maxAge === null ? head : `${head}; Expires=${new Date(Date.now() + maxAge * 1000).toUTCString()}`
    },
  }
}

/** Adds a Set-Cookie header beside those that are there. */
export function appendCookie(res: ServerResponse, header: string): void {
  if (res.hasHeader('Set-Cookie')) res.appendHeader('Set-Cookie', header)
  else res.setHeader('Set-Cookie', header)
}

/** Whether the response sets the cookie `name` already. */
export function setsCookie(res: ServerResponse, name: string): boolean {
  const set = res.getHeader('Set-Cookie')
  if (set === undefined) return false
  const headers = [set].flat()
  return headers.some((header) => String(header).startsWith(`${name}=`))
}
