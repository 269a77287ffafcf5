// The server behind a proxy mount: where it is, how a path here becomes a path there, and its connections.

import { type Agent, type ClientRequest, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { OptionError } from '../../config/errors.js'
import { normalizeUrl, pathEnd } from '../../http/path.js'
import type { Target } from './http-proxy.js'

export interface Upstream {
  /** For messages: scheme, host and port, nothing secret. */
  readonly origin: string
  /** The Host header that it expects. */
  readonly host: string
  readonly target: Target
  /** The address's path as it was written, asked for at exactly the mount. */
  readonly path: string
}

/** Reads the `address` option. Throws OptionError; a password in it is never repeated. */
export function parseAddress(address: string): Upstream {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new OptionError('address', 'expected where to send requests, as in http://127.0.0.1:8080/base')
  }
  if (url.username !== '' || url.password !== '') {
    throw new OptionError(
      'address',
      'expected no user name or password in it: they would be sent for everybody',
    )
  }
  if (/[?#]/.test(address)) throw new OptionError('address', 'expected no query and no # in it')
  const path = normalizeUrl(url.pathname)
  if (path === undefined) throw new OptionError('address', 'expected no control characters in its path')
  const hostname = url.hostname.replace(/^\[|\]$/g, '')
  return {
    origin: url.origin,
    host: url.host,
    target: { protocol: url.protocol, host: hostname, hostname, port: url.port, path: '' },
    path,
  }
}

/**
 * Something that an upstream might take for a step out of the base path: `..` beside an escaped slash or backslash, or
 * with a parameter (`..;x`, which Tomcat and others cut). Plain `..` segments are gone from a normal path.
 */
const STEP_OUT = /(?:\/|%2F|%5C)\.\.(?:\/|%2F|%5C|;|%3B|$)/
const NOT_SENDABLE = /[^\x21-\xff]/

/**
 * The target to ask the upstream for, below its base path always. `url` is settled; `exact`: the request is for exactly
 * the mount, without a slash after it. undefined when no safe target can be made of it: answer 400.
 */
export function upstreamTarget({ path }: Upstream, url: string, exact: boolean): string | undefined {
  if (url === '*') return path
  const end = pathEnd(url)
  if (url.includes('..') && STEP_OUT.test(url.slice(0, end))) return undefined
  if (NOT_SENDABLE.test(url)) return undefined
  if (exact) return path + url.slice(end)
  return path === '/' ? url : path.endsWith('/') ? path.slice(0, -1) + url : path + url
}

export interface AgentTimes {
  /** Milliseconds until a new connection must stand. */
  readonly connect: number
  /** Milliseconds that a connection may be silent, waiting for an answer or idle between two. */
  readonly silence: number
}

/** The connections to one upstream, kept open between requests. */
export function makeAgent({ protocol, hostname }: Target, times: AgentTimes): Agent {
  const options = { keepAlive: true, scheduling: 'lifo', maxFreeSockets: 64, timeout: times.silence } as const
  const secure = protocol === 'https:'
  // Without `servername` the name to verify would be taken from the Host header, which a client may have chosen.
  const agent = secure
    ? new HttpsAgent({ ...options, servername: isIP(hostname) ? '' : hostname })
    : new HttpAgent(options)
  const { createConnection, reuseSocket } = agent as Agent & Overridden
  const overriding: Overridden = {
    createConnection(...args) {
      const socket = createConnection.apply(agent, args)
      const late = () =>
        socket.destroy(Object.assign(new Error('no connection in time'), { code: 'ETIMEDOUT' }))
      const timer = setTimeout(late, times.connect)
      const stop = () => clearTimeout(timer)
      socket.once(secure ? 'secureConnect' : 'connect', stop).once('close', stop)
      return socket
    },
    // Node shortens a kept connection's timeout to what the upstream announced for idle ones, and never undoes it.
    reuseSocket(socket, request) {
      reuseSocket.call(agent, socket, request)
      if ((socket as Socket).timeout !== times.silence) (socket as Socket).setTimeout(times.silence)
    },
  }
  return Object.assign(agent, overriding)
}

interface Overridden {
  createConnection(...args: unknown[]): Socket
  reuseSocket(socket: Duplex, request: ClientRequest): void
}
