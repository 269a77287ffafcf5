// Passes requests on to another HTTP server: egg:Paste#proxy. Bodies stream in both directions; below the mount's path
// there is only what lies below the address. WebSockets are passed on too.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { boolean, duration, text, words } from '../config/converters.js'
import { logger } from '../config/logging.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answer, ignoreErrors, isGone, refuseUpgrade } from '../http/answer.js'
import { environ, settle } from '../http/environ.js'
import { type ErrorReporter, sentenceOf } from '../http/guard.js'
import type { App, Conf } from '../protocol.js'
import { Exchange, type Head, type Route } from './proxy/exchange.js'
import { framingOf, type HeaderRules, requestHeaders } from './proxy/headers.js'
import { makeForwarder } from './proxy/http-proxy.js'
import { type SessionPassage, sessionOptions, sessionPassage } from './proxy/session.js'
import { openTunnel } from './proxy/tunnel.js'
import { makeAgent, parseAddress, upstreamTarget } from './proxy/upstream.js'

export const options = {
  address: option({
    type: text,
    default: undefined,
    required: true,
    doc: 'Where requests go: http or https, a host, perhaps a path that all of them are below.',
  }),
  allowed_request_methods: option({
    type: words,
    default: undefined,
    doc: 'The methods that pass; others are answered 405. Default: all.',
  }),
  suppress_http_headers: option({
    type: words,
    default: [],
    doc: 'Request headers that the upstream never gets.',
  }),
  preserve_host: option({
    type: boolean,
    default: false,
    doc: 'Sends the Host header of the client, not that of the address.',
  }),
  trust_forwarded: option({
    type: boolean,
    default: false,
    doc: 'Keeps Forwarded and X-Forwarded-* of the request. Only behind a proxy that sets them.',
  }),
  timeout: option({
    type: duration(),
    default: 10,
    unit: 'seconds',
    doc: 'How long a connection to the upstream may take to stand.',
  }),
  proxy_timeout: option({
    type: duration(),
    default: 120,
    unit: 'seconds',
    doc: 'How long the upstream may be silent before the request is given up.',
  }),
  ...sessionOptions,
} as const

/** egg:Paste#proxy. */
export function factory(_globalConf: Conf, localConf: Conf): App {
  return makeProxy(readOptions(options, localConf))
}

/** What can't be written in a file. */
export interface ProxyCodeOptions {
  /** Told why a request could not be passed on. Default: one line on stderr. */
  readonly onError?: ErrorReporter | undefined
  /** The time, in epoch milliseconds. Default: Date.now. */
  readonly now?: (() => number) | undefined
}

/** The same for use in code: `proxy({ address: 'http://127.0.0.1:8080' })`. Throws OptionError. */
export function proxy(given: ProxySettings): App {
  const { onError, now, ...settings } = given
  return makeProxy(checkOptions(options, settings), { onError, now })
}

const log = logger('sessd.proxy')

const report: ErrorReporter = (err, req) => log.error({ req, err }, sentenceOf(err, req))

type ProxyOptions = Values<typeof options>
export type ProxySettings = Pick<ProxyOptions, 'address'> & Partial<ProxyOptions> & ProxyCodeOptions

function makeProxy(given: ProxyOptions, { onError = report, now = Date.now }: ProxyCodeOptions = {}): App {
  const upstream = parseAddress(given.address)
  const session = sessionPassage(given, now)
  const suppressed = new Set(given.suppress_http_headers.map((name) => name.toLowerCase()))
  if (session?.header !== undefined) suppressed.add(session.header)
  const times = { connect: given.timeout * 1000, silence: given.proxy_timeout * 1000 }
  const agent = makeAgent(upstream.target, times)
  // A handshake is never sent on a used connection: if that had just been closed, it could not be sent again.
  const tunnels = makeAgent(upstream.target, times)
  const methods = given.allowed_request_methods?.map((method) => method.toUpperCase())
  const rules: HeaderRules = {
    host: upstream.host,
    preserveHost: given.preserve_host,
    trustForwarded: given.trust_forwarded,
    suppressed,
  }
  const route: Route = {
    forwarder: makeForwarder<Exchange>(upstream.target, agent, {
      onError: (exchange, error) => exchange.failed(error),
      onResponse: (exchange, proxyRes) => exchange.respond(proxyRes),
    }),
    report: (error, req) =>
      onError(new Error(`proxy to ${upstream.origin}: ${error.message}`, { cause: error }), req),
  }
  const app: App = (req, res) => {
    if (!settle(req)) return answer(res, 400)
    if (methods !== undefined && !methods.includes(req.method!)) {
      res.setHeader('Allow', methods.join(', '))
      return answer(res, 405)
    }
    const url = req.url!
    const target = upstreamTarget(upstream, url, isExact(url) && environ(req).PATH_INFO === '')
    const framing = framingOf(req)
    if (target === undefined) return answer(res, 400)
    if (framing === undefined) return answer(res, 501)
    const headers = requestHeaders(req, framing, rules)
    const head = { target, headers, framing, suppressed }
    if (session === undefined) new Exchange(req, res, head, route).start()
    else return sendInTurn(session, req, res, head)
  }

  async function sendInTurn(
    { takeTurn, tell }: SessionPassage,
    req: IncomingMessage,
    res: ServerResponse,
    head: Head,
  ): Promise<void> {
    const endTurn = await takeTurn(req, res)
    if (endTurn === null) {
      if (!isGone(res)) refuseTurn(res)
      return
    }
    try {
      await tell(req, head.headers)
      new Exchange(req, res, head, route, endTurn).start()
    } catch (error) {
      endTurn?.()
      throw error
    }
  }

  app.upgrade = (req, socket, head) => {
    if (!settle(req)) return refuseUpgrade(socket, 400)
    if (req.headers.upgrade?.toLowerCase() !== 'websocket') return refuseUpgrade(socket, 501)
    if (req.method !== 'GET' || (methods !== undefined && !methods.includes('GET'))) {
      return refuseUpgrade(socket, 405)
    }
    const url = req.url!
    const target = upstreamTarget(upstream, url, isExact(url) && environ(req).PATH_INFO === '')
    const framing = framingOf(req)
    // Bytes of a body would reach the upstream as if they were those of the WebSocket.
    if (target === undefined || framing?.length !== 0) return refuseUpgrade(socket, 400)
    const headers = requestHeaders(req, framing, rules)
    const open = () => {
      const report = (error: Error) => route.report(error, req)
      openTunnel(socket, head, { target: upstream.target, agent: tunnels, path: target, headers, report })
    }
    if (session === undefined) return open()
    ignoreErrors(socket)
    const fail = (error: Error) => {
      onError(error, req)
      refuseUpgrade(socket, 500)
    }
    session.tell(req, headers).then(() => socket.destroyed || open(), fail)
  }
  app.close = () => {
    agent.destroy()
    tunnels.destroy()
  }
  return app
}

function refuseTurn(res: ServerResponse): void {
  res.setHeader('Retry-After', '1')
  answer(res, 503, '503 Service Unavailable: other requests of this session are still under way')
}

/** Whether a request may be for exactly the mount, whose rest of the path is shown as `/`. */
function isExact(url: string): boolean {
  return url === '/' || url.startsWith('/?')
}
