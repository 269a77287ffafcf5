// The one reading of a request's path that urlmap, the proxy and every filter share; docs/paths.md has the rules.
// Normal form is still percent-encoded: it is what mounted apps and upstreams get, so nobody can read it differently.

/**
 * Path and query in normal form, exactly: no empty segment (but a last one), no `.` or `..`, no character that a URL
 * parser would change, no escape of an unreserved or control character, hexadecimal in upper case. One pass, linear.
 */
const NORMAL =
  /^(?:\/(?!\/|\.\.?(?:[/?]|$))(?:[A-Za-z0-9\-._~!$&'()*+,;=:@[\]|]|%(?:2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-D]|[89A-F][0-9A-F]))*)+(?:\?|$)/

/** Whether normalizeUrl would give `url` back as it is: true for nearly every request, and found without allocating. */
export function isNormal(url: string): boolean {
  return NORMAL.test(url)
}

/**
 * Path and query in normal form: slashes single, dot segments resolved (never above the root), escapes of unreserved
 * characters undone and all others in upper case, everything that a URL parser would change written as an escape.
 * Idempotent; the query is left alone. undefined for what is no path or holds an escaped control character.
 */
export function normalizeUrl(url: string): string | undefined {
  if (isNormal(url)) return url
  if (!url.startsWith('/')) return undefined
  const end = pathEnd(url)
  const kept: string[] = []
  let open = false
  for (const raw of url.slice(1, end).split('/')) {
    const segment = normalizeSegment(raw)
    if (segment === undefined) return undefined
    open = segment === '' || segment === '.' || segment === '..'
    if (!open) kept.push(segment)
    else if (segment === '..') kept.pop()
  }
  const path = `/${kept.join('/')}${open && kept.length > 0 ? '/' : ''}`
  return path + url.slice(end)
}

const NOT_PLAIN = /%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@[\]|]/gu
const CONTROL = /%(?:[01][0-9A-F]|7F)/

function normalizeSegment(raw: string): string | undefined {
  const segment = raw.replace(NOT_PLAIN, normalizeCharacter)
  return CONTROL.test(segment) ? undefined : segment
}

function normalizeCharacter(found: string): string {
  if (found.length === 3) {
    const char = String.fromCharCode(Number.parseInt(found.slice(1), 16))
    return /[A-Za-z0-9\-._~]/.test(char) ? char : found.toUpperCase()
  }
  const code = found.codePointAt(0)!
  if (code <= 0xff) return escapeByte(code) // Node hands raw bytes over as Latin-1
  return encodeCharacter(found)
}

function escapeByte(byte: number): string {
  return `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`
}

function encodeCharacter(char: string): string {
  return encodeURIComponent(/^\p{Surrogate}$/u.test(char) ? '\ufffd' : char)
}

/** Where the path of `url` ends: the index of its `?`, or its length. */
export function pathEnd(url: string): number {
  const query = url.indexOf('?')
  return query === -1 ? url.length : query
}

/** What decoding leaves escaped: the slash, control characters, bytes that are no UTF-8. */
const KEPT = '2F|[01][0-9A-F]|7F|[89A-F][0-9A-F]'
const KEPT_ASCII = /^%(?:2F|[01][0-9A-F]|7F)$/i
/** In front of these `%25` is left alone too: otherwise `%252F` and `%2F` would decode to the same text. */
const LOOKS_KEPT = new RegExp(`^%25(?:25)*(?:${KEPT})`)
const CHARACTER =
  /%[0-7][0-9A-F]|%[CD][0-9A-F]%[89AB][0-9A-F]|%E[0-9A-F](?:%[89AB][0-9A-F]){2}|%F[0-7](?:%[89AB][0-9A-F]){3}/gi

/**
 * A path (or a part of it), decoded: what PATH_INFO and SCRIPT_NAME hold and mounts are compared with.
 * `%2F` stays, so that it never looks like a border; so do bytes that are no UTF-8. Never throws.
 */
export function decodePath(path: string): string {
  return path.includes('%') ? path.replace(CHARACTER, decodeCharacter) : path
}

function decodeCharacter(escaped: string, at: number, path: string): string {
  if (KEPT_ASCII.test(escaped)) return escaped
  if (escaped === '%25' && LOOKS_KEPT.test(path.slice(at))) return escaped
  try {
    return decodeURIComponent(escaped)
  } catch {
    return escaped // an overlong form or half a surrogate pair: no UTF-8
  }
}

const TO_ENCODE = new RegExp(`%(?!(?:25)*(?:${KEPT}))|[^A-Za-z0-9\\-._~!$&'()*+,;=:@[\\]|/%]`, 'gu')

/** The opposite of decodePath: text as PATH_INFO holds it, made a path. The escapes that decoding leaves pass. */
export function encodePath(text: string): string {
  return text.replace(TO_ENCODE, (char) => (char === '%' ? '%25' : encodeCharacter(char)))
}

/** A target in absolute form (RFC 9112, 3.2.2), taken apart. */
export interface AbsoluteTarget {
  readonly host: string
  /** Path and query, as written but starting with `/`. */
  readonly url: string
}

/** `http://host/path?query`, in any case, without a user name; undefined for anything else. */
export function parseAbsolute(target: string): AbsoluteTarget | undefined {
  const match = /^https?:\/\/([A-Za-z0-9\-._~%!$&'()*+,;=:[\]]+)(.*)$/i.exec(target)
  if (match === null) return undefined
  const rest = match[2]!
  if (rest !== '' && !/^[/?#]/.test(rest)) return undefined
  return { host: match[1]!, url: rest.startsWith('/') ? rest : `/${rest}` }
}
