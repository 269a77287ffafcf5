// What parts are to each other: types only, no code. Everybody may import this file; it imports nobody.
// The words are Paste's (`paste.app_factory` and its kin); the shapes are Node's.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

export type MaybePromise<T> = T | Promise<T>

/** Any Node request listener, with two optional duties. Its result is ignored, except that a promise is awaited. */
export interface App {
  (req: IncomingMessage, res: ServerResponse): unknown
  /** Takes an upgrade request (WebSocket). Without it the socket is refused. */
  upgrade?(req: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Called once, after the server stopped listening. */
  close?(): MaybePromise<void>
}

/** Wraps an app at load time: at run time there is no stack, no index and no `next()` to forget. */
export interface Filter {
  (next: App): App
  close?(): MaybePromise<void>
  /** Of a session filter: what `sessd sessions` works on. */
  readonly sessions?: SessionAdmin
}

/** What is known of a session from outside. Times are epoch milliseconds. */
export interface SessionSummary {
  /** As the store knows it: with `hash_ids`, the hash. */
  readonly id: string
  readonly created: number | null
  readonly accessed: number | null
  /** When it dies unless it is used; null: never. */
  readonly expiresAt: number | null
  /** Whom it is bound to, if anybody. */
  readonly user?: string
  /** Of the row. */
  readonly bytes: number
  /** Why the row can't be read, or not all of it. */
  readonly problem?: string
}

/** The sessions behind one filter, for operators. */
export interface SessionAdmin {
  /** The cookie's name, by which filters are told apart. */
  readonly name: string
  /** Who shares the sessions; 'process': no other worker sees them. */
  readonly scope: 'process' | 'host' | 'network'
  /** Live sessions; undefined for stores that can't list theirs. */
  list?(): AsyncIterable<SessionSummary>
  /** One session with its data; null when there is none. */
  show(id: string): Promise<(SessionSummary & { readonly data: Readonly<Record<string, unknown>> }) | null>
  /** Ends a session; answers whether there was one. */
  revoke(id: string): Promise<boolean>
  /** Ends all sessions of a user; answers how many. undefined where sessions can't be bound to users. */
  revokeUser?(user: string): Promise<number>
  /** Removes what has expired, telling after each step how much that was; answers the sum. */
  purge?(onStep: (removed: number) => void): Promise<number>
}

export interface RunningServer {
  /** Where it listens, as a browser would be told: `http://127.0.0.1:8080`. One entry per listener. */
  readonly urls: readonly string[]
  /**
   * Stops accepting, lets running requests finish (bounded by `graceful_timeout`), then resolves. `patient`: another
   * process listens on the same socket, so idle connections may stay for as long as they were promised.
   */
  close(how?: { readonly patient?: boolean }): Promise<void>
  /** Reads files again that may be renewed while it runs: certificates. Throws, and keeps the old ones, if they are bad. */
  reload?(): MaybePromise<void>
}

/** Starts to listen and resolves once it does. Rejects with a system error (`EADDRINUSE`) when it can't. */
export interface Server {
  (app: App): Promise<RunningServer>
  /** From how many processes it wants to be served; absent or 1: from the one that loads it. */
  readonly workers?: number
  /** The file that gets the id of the process to send signals to. */
  readonly pidFile?: string
  /** How many seconds the close() of what it starts may take. */
  readonly longestClose?: number
}

/**
 * Settings as a factory gets them: strings only, null prototype, so any name is an ordinary key.
 * Iterating it (`for (const [key, value] of conf)`) gives file order exactly; `Object.entries` moves integer-like keys first.
 */
export type Conf = Readonly<Record<string, string>> & Iterable<readonly [key: string, value: string]>

export type AppFactory = (globalConf: Conf, localConf: Conf) => MaybePromise<App>
export type CompositeFactory = (loader: Loader, globalConf: Conf, localConf: Conf) => MaybePromise<App>
export type FilterFactory = (globalConf: Conf, localConf: Conf) => MaybePromise<Filter>
export type FilterAppFactory = (next: App, globalConf: Conf, localConf: Conf) => MaybePromise<App>
export type ServerFactory = (globalConf: Conf, localConf: Conf) => MaybePromise<Server>
export type ServerRunner = (app: App, globalConf: Conf, localConf: Conf) => Promise<RunningServer>

/**
 * What a composite gets to build its children. Names resolve in the file where the composite is written.
 * Without `globalConf` a child inherits none, as in Paste: pass on the one you were given.
 */
export interface Loader {
  getApp(name: string, globalConf?: Conf): Promise<App>
  getFilter(name: string, globalConf?: Conf): Promise<Filter>
  getServer(name: string, globalConf?: Conf): Promise<Server>
}

/** What a package offers: the default export of `pkg/sessd`, one table per Paste entry-point group. */
export interface Plugin {
  readonly apps?: Readonly<Record<string, AppFactory>>
  readonly composites?: Readonly<Record<string, CompositeFactory>>
  readonly filters?: Readonly<Record<string, FilterFactory>>
  readonly filterApps?: Readonly<Record<string, FilterAppFactory>>
  readonly servers?: Readonly<Record<string, ServerFactory>>
  readonly serverRunners?: Readonly<Record<string, ServerRunner>>
}

/**
 * What a request is, in WSGI's names (PEP 3333). Every part and every mounted app sees the same object at
 * `req.environ`; take it typed with `environ(req)`. Packages add their keys by declaration merging.
 */
export interface Environ {
  /** The path that led to this mount, decoded; '' at the root. */
  SCRIPT_NAME: string
  /** The rest of the path, decoded; '' at exactly the mount. An encoded slash (`%2f`) stays encoded. */
  PATH_INFO: string
  /** Without the `?`; '' when there is none. */
  QUERY_STRING: string
  REQUEST_METHOD: string
  /** The request target exactly as the client wrote it, before normalising and mounting. For logs only. */
  readonly REQUEST_URI: string
  /** The client's address; behind a trusted proxy, what the proxy says. */
  REMOTE_ADDR: string
  /** Host and port as the client wrote them; behind a trusted proxy, what the proxy says. '' when there is none. */
  HTTP_HOST: string
  'wsgi.url_scheme': 'http' | 'https'
}
