// What the proxies in front say about a request. Each adds an entry at the end of its header, so reading goes from the
// end, and stops at the first whose writer is not trusted: what stands before was written by anybody.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { environ, peerAddress } from './environ.js'
import { normalizeUrl } from './path.js'
import type { TrustedProxies } from './trusted-proxies.js'

/** The headers by which proxies speak. */
export const FORWARDED = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-forwarded-scheme',
  'x-forwarded-server',
  'x-real-ip',
]

/** Which proxy it was: waitress lets one name it, too. */
const UNREAD = 'x-forwarded-by'

/** In which headers proxies are believed: `x-forwarded` (all of that name), `forwarded`, or some of the first by name. */
export const trustedHeaders = {
  expected: 'x-forwarded, forwarded, or headers as in x-forwarded-for x-forwarded-proto',
  parse(text: string): string | undefined {
    const words = wordsOf(text)
    if (words.length === 1 && (words[0] === 'x-forwarded' || words[0] === 'forwarded')) return words[0]
    const known = words.every((word) => word === UNREAD || (/^x-f/.test(word) && FORWARDED.includes(word)))
    return words.length > 0 && known ? words.join(' ') : undefined
  },
  accepts: (value: unknown): value is string =>
    typeof value === 'string' && trustedHeaders.parse(value) !== undefined,
}

function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '')
}

/** Whose word counts, and where. */
export interface Trust {
  readonly trusts: TrustedProxies
  /** How many entries are read at most. */
  readonly hops: number
  /** The names of the headers that are read. */
  readonly headers: ReadonlySet<string>
}

/** `headers` as `trustedHeaders` gives them. */
export function makeTrust(trusts: TrustedProxies, hops: number | undefined, headers: string): Trust {
  return {
    trusts,
    hops: hops ?? Number.POSITIVE_INFINITY,
    headers: new Set(
      headers === 'x-forwarded' ? FORWARDED.filter((name) => name.startsWith('x-')) : wordsOf(headers),
    ),
  }
}

interface Said {
  /** The client's address, as far as trust goes. */
  address: string
  host?: string
  scheme?: 'http' | 'https'
  /** A path in normal form, without a slash at its end. */
  prefix?: string
}

/**
 * Puts into the environ what trusted proxies say of the client: REMOTE_ADDR, HTTP_HOST and the scheme. Answers what they
 * said; undefined when the other end of the connection is nobody's proxy, and all stays as it is. Whatever is malformed
 * counts as not said.
 */
export function believeProxies(req: IncomingMessage, trust: Trust): Readonly<Said> | undefined {
  const peer = peerAddress(req)
  if (!trust.trusts(peer)) return undefined
  const said = trust.headers.has('forwarded')
    ? readStandard(req.headers, peer, trust)
    : readUsual(req.headers, peer, trust)
  const env = environ(req)
  env.REMOTE_ADDR = said.address
  if (said.host !== undefined) env.HTTP_HOST = said.host
  if (said.scheme !== undefined) env['wsgi.url_scheme'] = said.scheme
  return said
}

function readUsual(headers: IncomingHttpHeaders, peer: string, trust: Trust): Said {
  const list = (name: string) => (trust.headers.has(name) ? splitList(headers[name]) : [])
  const { address, steps } = walk(list('x-forwarded-for').map(addressOf), peer, trust)
  const said: Said = { address }
  const pick = (name: string) => {
    const values = list(name)
    return values[Math.max(0, values.length - Math.max(1, steps))]
  }
  const scheme = agreed(pick('x-forwarded-proto'), pick('x-forwarded-scheme'))
  if (scheme !== undefined) said.scheme = scheme
  const host = hostOf(pick('x-forwarded-host') ?? pick('x-forwarded-server'))
  if (host !== undefined) said.host = withPort(host, pick('x-forwarded-port'), scheme)
  const prefix = prefixOf(pick('x-forwarded-prefix'))
  if (prefix !== undefined) said.prefix = prefix
  return said
}

/** RFC 7239. */
function readStandard(headers: IncomingHttpHeaders, peer: string, trust: Trust): Said {
  const elements = splitList(headers.forwarded).map(parseElement)
  const { address, steps } = walk(
    elements.map((element) => addressOf(element.get('for') ?? '')),
    peer,
    trust,
  )
  const said: Said = { address }
  const element = elements[Math.max(0, elements.length - Math.max(1, steps))]
  const scheme = schemeOf(element?.get('proto'))
  if (scheme !== undefined) said.scheme = scheme
  const host = hostOf(element?.get('host'))
  if (host !== undefined) said.host = host
  return said
}

/** From the last entry towards the first, as long as the one who wrote it is trusted. */
function walk(entries: readonly (string | undefined)[], peer: string, { trusts, hops }: Trust) {
  let address = peer
  let steps = 0
  for (const entry of entries.toReversed()) {
    if (steps >= hops || !trusts(address) || entry === undefined) break
    address = entry
    steps++
  }
  return { address, steps }
}

function splitList(header: string | string[] | undefined): string[] {
  if (header === undefined) return []
  return split(Array.isArray(header) ? header.join(',') : header, ',')
}

/** Divided where `mark` stands outside of quotes; blank parts are left out. One pass. */
function split(text: string, mark: string): string[] {
  const parts: string[] = []
  let start = 0
  let quoted = false
  for (let at = 0; at <= text.length; at++) {
    const char = text[at]
    if (char === '"') quoted = !quoted
    else if (char === '\\' && quoted) at++
    else if (char === undefined || (char === mark && !quoted)) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  return parts.filter((part) => part !== '')
}

function parseElement(text: string): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const pair of split(text, ';')) {
    const at = pair.indexOf('=')
    const name = pair.slice(0, Math.max(0, at)).toLowerCase()
    const value = pair.slice(at + 1)
    const quoted = value.length > 1 && value.startsWith('"') && value.endsWith('"')
    if (!pairs.has(name)) pairs.set(name, quoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value)
  }
  return pairs
}

/** `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]:80`; undefined for `unknown`, names and nonsense. */
function addressOf(text: string): string | undefined {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text
  if (isIP(bare) === 0) return undefined
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(bare) ? bare.slice(7) : bare
}

/** A proxy writes one of two headers, and the other may be the client's: where they differ, nobody knows. */
function agreed(one: string | undefined, other: string | undefined): 'http' | 'https' | undefined {
  const scheme = schemeOf(one ?? other)
  return schemeOf(other ?? one) === scheme ? scheme : undefined
}

function schemeOf(text: string | undefined): 'http' | 'https' | undefined {
  const scheme = text?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

function hostOf(text: string | undefined): string | undefined {
  return text !== undefined && /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(text) ? text : undefined
}

function withPort(host: string, port: string | undefined, scheme: string | undefined): string {
  if (port === undefined || !/^\d{1,5}$/.test(port) || /:\d+$/.test(host)) return host
  return port === (scheme === 'https' ? '443' : '80') ? host : `${host}:${port}`
}

function prefixOf(text: string | undefined): string | undefined {
  if (text === undefined || !text.startsWith('/') || /[?#]/.test(text)) return undefined
  return normalizeUrl(text)?.replace(/\/$/, '')
}
