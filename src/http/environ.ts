// The environ of a request: WSGI's names as views over the IncomingMessage, worked out when somebody asks.
// `req.url` and `req.baseUrl` stay the truth, so what Connect-style code changes shows here, and the other way round.

import type { IncomingMessage } from 'node:http'
import { inspect } from 'node:util'
import type { Environ } from '../protocol.js'
import { decodePath, encodePath, normalizeUrl, parseAbsolute, pathEnd } from './path.js'

/** What mounting keeps on a request, as Connect does. `originalUrl` is `baseUrl` and `url` joined. */
interface Mounted {
  url?: string | undefined
  originalUrl?: string | undefined
  baseUrl?: string | undefined
  environ?: Environ
}

/** The environ of `req`, made on first use; the same object for every part and app that sees the request. */
export function environ(req: IncomingMessage): Environ {
  const carrier: Mounted = req
  carrier.environ ??= new RequestEnviron(req)
  return carrier.environ
}

/**
 * Puts `req.url` into normal form (see path.ts) before anybody acts on it; the work is done once per request.
 * A target in absolute form gives way to its path, and its host replaces the Host header (RFC 9112, 3.2.2).
 * False: the target is none that can be served, or there are two hosts, answer 400. `OPTIONS *` is served and stays `*`.
 */
export function settle(req: IncomingMessage): boolean {
  return RequestEnviron.settle(req, environ(req))
}

/**
 * Moves the first `length` characters of a settled `req.url` over to `req.baseUrl`: what stands there is where the
 * request went, the rest is what the mounted app sees (`/` at least).
 */
export function mount(req: IncomingMessage, length: number): void {
  const mounted: Mounted = req
  const url = req.url ?? '/'
  mounted.originalUrl ??= url
  mounted.baseUrl ??= ''
  if (length === 0) return
  mounted.baseUrl += url.slice(0, length)
  const rest = url.slice(length)
  RequestEnviron.setUrl(req, rest.startsWith('/') ? rest : `/${rest}`)
}

/** Undoes all mounts: the app sees the whole path, as those want it that know where they are. */
export function unmount(req: IncomingMessage): void {
  const mounted: Mounted = req
  mounted.url = mounted.originalUrl ?? mounted.url
  mounted.baseUrl = ''
}

/** Where a request stands among its mounts. */
export interface Position {
  readonly url: string | undefined
  readonly baseUrl: string | undefined
  readonly originalUrl: string | undefined
}

/** Remembers where `req` stands, for `returnTo`. */
export function position(req: IncomingMessage): Position {
  const { url, baseUrl, originalUrl }: Mounted = req
  return { url, baseUrl, originalUrl }
}

/** Undoes every mount since `place` was taken: the next app to try sees the request as the last one did. */
export function returnTo(req: IncomingMessage, place: Position): void {
  Object.assign(req, place)
}

const EXACT = /^(?:$|\?)/

class RequestEnviron implements Environ {
  readonly #req: IncomingMessage & Mounted
  /** `req.url` as it was when it was last known to be normal. */
  #settled: string | undefined
  /** The target as the client wrote it, where that was not normal. */
  #target: string | undefined
  #remoteAddr: string | undefined
  #host: string | undefined
  #scheme: 'http' | 'https' | undefined

  constructor(req: IncomingMessage) {
    this.#req = req
  }

  /** `held` is what hangs on the request: an environ of this class, unless another copy of this package was first. */
  static settle(req: IncomingMessage, held: Environ): boolean {
    const own = #settled in held ? held : undefined
    const url = req.url ?? ''
    if (own && own.#settled === url) return true
    if (hasManyHosts(req)) return false
    const settled = settledUrl(req, url)
    if (settled === undefined) return false
    if (settled !== url) {
      if (own && own.#settled === undefined) own.#target = url
      req.url = settled
    }
    if (own) own.#settled = settled
    return true
  }

  static setUrl(req: IncomingMessage, url: string): void {
    const held = environ(req)
    req.url = url
    if (#settled in held) held.#settled = url
  }

  get SCRIPT_NAME(): string {
    return decodePath(this.#req.baseUrl ?? '')
  }

  set SCRIPT_NAME(path: string) {
    this.#move(normalPath('SCRIPT_NAME', path).replace(/\/$/, ''), undefined)
  }

  get PATH_INFO(): string {
    const { baseUrl, originalUrl, url } = this.#settledRequest()
    const path = url.slice(0, pathEnd(url))
    if (path === '/' && baseUrl && originalUrl?.startsWith(baseUrl)) {
      if (EXACT.test(originalUrl.slice(baseUrl.length))) return ''
    }
    return decodePath(path)
  }

  set PATH_INFO(path: string) {
    this.#move(undefined, normalPath('PATH_INFO', path))
  }

  get QUERY_STRING(): string {
    const { url } = this.#settledRequest()
    return url.slice(pathEnd(url) + 1)
  }

  set QUERY_STRING(query: string) {
    const { url, originalUrl } = this.#settledRequest()
    const suffix = query === '' ? '' : `?${query}`
    this.#req.url = url.slice(0, pathEnd(url)) + suffix
    if (originalUrl !== undefined) {
      this.#req.originalUrl = originalUrl.slice(0, pathEnd(originalUrl)) + suffix
    }
  }

  get REQUEST_METHOD(): string {
    return this.#req.method ?? ''
  }

  set REQUEST_METHOD(method: string) {
    this.#req.method = method
  }

  get REQUEST_URI(): string {
    return this.#target ?? this.#req.originalUrl ?? this.#req.url ?? ''
  }

  get REMOTE_ADDR(): string {
    return this.#remoteAddr ?? peerAddress(this.#req)
  }

  set REMOTE_ADDR(address: string) {
    this.#remoteAddr = address
  }

  get HTTP_HOST(): string {
    if (this.#host !== undefined) return this.#host
    this.#settledRequest()
    const { headers } = this.#req
    return (headers[':authority'] as string | undefined) ?? headers.host ?? ''
  }

  set HTTP_HOST(host: string) {
    this.#host = host
  }

  get 'wsgi.url_scheme'(): 'http' | 'https' {
    return this.#scheme ?? ((this.#req.socket as { encrypted?: boolean }).encrypted ? 'https' : 'http')
  }

  set 'wsgi.url_scheme'(scheme: 'http' | 'https') {
    this.#scheme = scheme
  }

  toJSON(): Record<string, unknown> {
    const own: Record<string, unknown> = {
      SCRIPT_NAME: this.SCRIPT_NAME,
      PATH_INFO: this.PATH_INFO,
      QUERY_STRING: this.QUERY_STRING,
      REQUEST_METHOD: this.REQUEST_METHOD,
      REQUEST_URI: this.REQUEST_URI,
      REMOTE_ADDR: this.REMOTE_ADDR,
      HTTP_HOST: this.HTTP_HOST,
      'wsgi.url_scheme': this['wsgi.url_scheme'],
    }
    return Object.assign(own, this)
  }

  [inspect.custom](): Record<string, unknown> {
    return this.toJSON()
  }

  #settledRequest(): { url: string; baseUrl?: string | undefined; originalUrl?: string | undefined } {
    RequestEnviron.settle(this.#req, this)
    return this.#req as { url: string }
  }

  /** Sets one half of the path or both, and `originalUrl` to what a client would have asked for. */
  #move(base: string | undefined, rest: string | undefined): void {
    const req = this.#req
    const { PATH_INFO, QUERY_STRING } = this
    const path = rest ?? encodePath(PATH_INFO)
    const query = QUERY_STRING === '' ? '' : `?${QUERY_STRING}`
    req.baseUrl = base ?? req.baseUrl ?? ''
    req.url = (path || '/') + query
    req.originalUrl = (req.baseUrl + path || '/') + query
  }
}

/** Text of PATH_INFO or SCRIPT_NAME as a path in normal form. Throws TypeError for what can't be one. */
function normalPath(name: string, text: string): string {
  const path = text === '' ? '' : normalizeUrl(encodePath(text))
  if (path === undefined) {
    throw new TypeError(
      `environ.${name}: expected '' or a path that starts with /, got ${JSON.stringify(text)}`,
    )
  }
  return path
}

/** Node takes the first of several Host lines; what is in front of us may have taken another (RFC 9112, 3.2: refuse). */
function hasManyHosts({ rawHeaders = [] }: IncomingMessage): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++
  }
  return hosts > 1
}

function settledUrl(req: IncomingMessage, url: string): string | undefined {
  const settled = normalizeUrl(url)
  if (settled !== undefined || url.startsWith('/')) return settled
  if (url === '*') return req.method === 'OPTIONS' ? url : undefined
  const absolute = parseAbsolute(url)
  if (absolute === undefined) return undefined
  req.headers.host = absolute.host
  return normalizeUrl(absolute.url)
}

/** The address of the other end of the connection, IPv4 always in its short form; '' when it is gone. */
export function peerAddress(req: IncomingMessage): string {
  const address = req.socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
