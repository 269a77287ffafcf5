// Which headers cross a proxy. Connection-level ones never do (RFC 9110, 7.6.1); what a client says about itself in
// X-Forwarded-* only if it is trusted.

import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { isHttp2 } from '../../http/answer.js'
import { environ, peerAddress } from '../../http/environ.js'

/** Belongs to one connection, in either direction. So does Trailer to Node: it refuses it where it doesn't chunk. */
const CONNECTION_LEVEL = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** Set by us, or made wrong by us: `Expect` was answered already, `Proxy` poisons CGI programs (httpoxy). */
const NEVER_SENT = new Set([
  ...CONNECTION_LEVEL,
  'http2-settings',
  'host',
  'content-length',
  'expect',
  'proxy',
])
const NEVER_TAKEN = new Set(CONNECTION_LEVEL)

/** How much of the request's body is to come. */
export interface Framing {
  /** Bytes; undefined: chunked, the end is not known. */
  readonly length: number | undefined
}

const NO_BODY: Framing = { length: 0 }
const CHUNKED: Framing = { length: undefined }

/** The framing of `req`'s body; undefined for a transfer coding that is not ours to take off: answer 501. */
export function framingOf(req: IncomingMessage): Framing | undefined {
  const { 'transfer-encoding': coding, 'content-length': length } = req.headers
  if (coding !== undefined) return coding.toLowerCase() === 'chunked' ? CHUNKED : undefined
  if (length !== undefined) return length === '0' ? NO_BODY : { length: Number(length) }
  return isHttp2(req) && !req.stream.endAfterHeaders ? CHUNKED : NO_BODY
}

export interface HeaderRules {
  /** The upstream's own host. */
  readonly host: string
  readonly preserveHost: boolean
  readonly trustForwarded: boolean
  /** Lower case. */
  readonly suppressed: ReadonlySet<string>
}

/**
 * Headers without a prototype: `__proto__` is a name like any other. What Object.create(null) makes would do, but V8 keeps
 * that as a dictionary, and http-proxy and Node, which copy it name by name, take four times as long.
 */
class Bare {
  [name: string]: OutgoingHttpHeader | undefined
}
Object.setPrototypeOf(Bare.prototype, null)

/** The headers for the upstream. Keys are lower case, repeated headers joined as Node joins them. */
export function requestHeaders(
  req: IncomingMessage,
  framing: Framing,
  rules: HeaderRules,
): OutgoingHttpHeaders {
  const { headers } = req
  const named = connectionOptions(headers.connection)
  const sent = new Bare()
  for (const name in headers) {
    if (name.startsWith(':') || named?.has(name)) continue
    const meant = asRead(name)
    if (NEVER_SENT.has(meant) || rules.suppressed.has(meant)) continue
    if (!rules.trustForwarded && isForwarded(meant)) continue
    sent[name] = headers[name]
  }
  const send = (name: string, value: string) => {
    if (value !== '' && !rules.suppressed.has(name)) sent[name] = value
  }
  const env = environ(req)
  const { baseUrl = '' } = req as { baseUrl?: string }
  const said = rules.trustForwarded ? (headers as Record<string, string | undefined>) : NOTHING
  const sender = said['x-forwarded-for']
  send('x-forwarded-for', sender === undefined ? env.REMOTE_ADDR : `${sender}, ${peerAddress(req)}`)
  send('x-forwarded-host', said['x-forwarded-host'] ?? env.HTTP_HOST)
  send('x-forwarded-proto', said['x-forwarded-proto'] ?? env['wsgi.url_scheme'])
  send('x-forwarded-prefix', (said['x-forwarded-prefix'] ?? '') + baseUrl)
  sent.host = (rules.preserveHost && env.HTTP_HOST) || rules.host
  if (framing.length === undefined) sent['transfer-encoding'] = 'chunked'
  else if (framing.length > 0 || !BODILESS.has(req.method!)) sent['content-length'] = String(framing.length)
  return sent
}

const NOTHING: Record<string, undefined> = {}

/** Methods for which a missing Content-Length means no body to everybody. */
const BODILESS = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE'])

/** A CGI or WSGI server takes X_Real_Ip and X-Real-Ip for the same. */
function asRead(name: string): string {
  return name.includes('_') ? name.replaceAll('_', '-') : name
}

/** Whether a header of this name (in lower case) means something to a proxy, or is a client's own. */
export function isReserved(name: string): boolean {
  return NEVER_SENT.has(name) || isForwarded(name) || name === 'cookie' || name === 'authorization'
}

function isForwarded(name: string): boolean {
  return name.startsWith('x-forwarded-') || name === 'forwarded' || name === 'x-real-ip'
}

/** The header names that a Connection header makes connection-level; undefined for none. */
function connectionOptions(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return undefined
  return new Set(connection.split(',').map((option) => option.trim().toLowerCase()))
}

/** Where a filter's own values stay beside the upstream's. */
const ADDED = new Set(['set-cookie', 'vary'])

/**
 * Writes the head of the upstream's answer. Its headers replace those that filters have set, Set-Cookie and Vary are
 * added to them. Throws for a head that can't be written.
 */
export function writeHead(proxyRes: IncomingMessage, res: ServerResponse): void {
  const { statusMessage = '' } = proxyRes
  const statusCode = finalStatus(proxyRes)
  const coding = proxyRes.headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new Error('the answer has a transfer coding other than chunked')
  }
  const kept = keptHeaders(proxyRes, statusCode)
  const http2 = isHttp2(res)
  if (!http2 && res.getHeaderNames().length === 0) {
    res.writeHead(statusCode, statusMessage, kept) // the cheap way, raw; with headers set before it would lose some
    return
  }
  const set = new Set<string>(ADDED)
  for (let i = 0; i < kept.length; i += 2) {
    const name = kept[i]!.toLowerCase()
    if (set.has(name)) res.appendHeader(kept[i]!, kept[i + 1]!)
    else res.setHeader(kept[i]!, kept[i + 1]!)
    set.add(name)
  }
  if (http2) res.writeHead(statusCode)
  else res.writeHead(statusCode, statusMessage)
}

/** The status of an answer. Throws for one that ends no exchange: Node's parser lets 000 pass, and 101 as an answer. */
export function finalStatus({ statusCode = 0 }: IncomingMessage): number {
  if (statusCode >= 200) return statusCode
  throw new Error(`the answer has the status ${statusCode}, expected 200 to 999`)
}

/** Names and values in turn, as they came. */
export function keptHeaders({ rawHeaders, headers }: IncomingMessage, status: number): string[] {
  const named = connectionOptions(headers.connection)
  const kept: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (NEVER_TAKEN.has(name) || named?.has(name)) continue
    if (status === 204 && name === 'content-length') continue // RFC 9110, 8.6
    kept.push(rawHeaders[i]!, rawHeaders[i + 1]!)
  }
  return kept
}

/**
 * Trailers that may cross: none that says how to read the message or who it is for, as some servers take trailers for
 * headers. `suppressed`: names of others, in lower case.
 */
export function keptTrailers(
  { trailers }: IncomingMessage,
  suppressed: ReadonlySet<string> = NOBODY,
): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(trailers)) {
    const meant = asRead(name)
    if (value === undefined || NEVER_SENT.has(meant) || isForwarded(meant) || suppressed.has(meant)) continue
    if (meant !== 'set-cookie') kept[name] = value
  }
  return kept
}

const NOBODY: ReadonlySet<string> = new Set()
