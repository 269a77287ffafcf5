// The package http-proxy, reduced to what is sound in it: opening a request upstream and watching it for errors.
// Written against `web` and `webPasses` alone, so that an override of it by `npm:http-proxy-3` works as well.

import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { createRequire } from 'node:module'

/** What http-proxy takes for the client's request: it reads these and calls these, and nothing else. */
export interface Outgoing {
  readonly method: string
  readonly url: string
  readonly headers: OutgoingHttpHeaders
  /** A reset of the upstream connection is no error once the client is gone. */
  readonly socket: { readonly destroyed: boolean }
  on(event: string, listener: unknown): void
  /** Gets the request upstream before its head is written. */
  pipe(proxyReq: ClientRequest): void
}

/** Where requests go, in http-proxy's words. */
export interface Target {
  readonly protocol: string
  readonly host: string
  readonly hostname: string
  readonly port: string
  readonly path: ''
}

export interface Forwarder<T extends Outgoing> {
  /** Starts one request upstream. Errors of it and the response come by the functions given to makeForwarder. */
  start(outgoing: T, res: ServerResponse): void
}

export interface Handlers<T extends Outgoing> {
  /** Called for each error, at least once when no response comes. */
  onError(outgoing: T, error: Error): void
  onResponse(outgoing: T, proxyRes: IncomingMessage): void
}

interface ProxyServer<T> {
  webPasses: { readonly name: string }[]
  on(event: 'error', listener: () => void): void
  on(event: 'proxyRes', listener: (proxyRes: IncomingMessage, outgoing: T) => void): void
  web(outgoing: T, res: ServerResponse, callback: (error: Error, outgoing: T) => void): void
}

interface Package {
  createProxyServer<T>(options: object): ProxyServer<T>
}

export function makeForwarder<T extends Outgoing>(
  target: Target,
  agent: Agent,
  { onError, onResponse }: Handlers<T>,
): Forwarder<T> {
  const proxy = loadPackage().createProxyServer<T>({
    target,
    agent,
    toProxy: true, // takes `url` as it is, instead of parsing it once more
    ignorePath: true,
    selfHandleResponse: true,
  })
  // The other passes drop the framing of DELETE and OPTIONS bodies, which smuggles requests, and trust X-Forwarded-*.
  proxy.webPasses = proxy.webPasses.filter((pass) => pass.name === 'stream')
  proxy.on('error', () => {})
  proxy.on('proxyRes', (proxyRes, outgoing) => onResponse(outgoing, proxyRes))
  const callback = (error: Error, outgoing: T) => onError(outgoing, error)
  return { start: (outgoing, res) => proxy.web(outgoing, res, callback) }
}

let loaded: Package | undefined

/** http-proxy takes `util._extend` while it loads; calling that prints DEP0060 from Node 22 on. */
function loadPackage(): Package {
  if (loaded !== undefined) return loaded
  const require = createRequire(import.meta.url)
  const util = require('node:util') as { _extend: unknown }
  const original = util._extend
  util._extend = Object.assign
  try {
    loaded = require('http-proxy') as Package
    return loaded
  } finally {
    util._extend = original
  }
}
