// What a section of egg:Paste#http or egg:waitress#main means: settings that are checked against each other.

import { resolve } from 'node:path'
import { OptionError } from '../../config/errors.js'
import { readOptions } from '../../config/options.js'
import { makeTrust, type Trust } from '../../http/forwarded.js'
import type { Conf } from '../../protocol.js'
import { type Address, LOOPBACK } from './address.js'
import { options } from './options.js'
import { type TlsFiles, tlsFiles } from './tls.js'

/** How to take connections and requests; times in seconds, as in the table. */
export interface ServerSettings {
  readonly http2: boolean
  readonly unixSocketPerms: number
  readonly backlog: number
  readonly gracefulTimeout: number
  readonly drainDelay: number
  /** Which proxies are believed, and what; undefined: none. */
  readonly trust: Trust | undefined
  readonly requestTimeout: number
  readonly headersTimeout: number
  readonly keepAliveTimeout: number
  readonly maxHeaderSize: number
  readonly maxHeadersCount: number
  readonly maxRequestsPerSocket: number
  readonly maxConnections: number
  readonly maxConcurrentStreams: number
  readonly noDelay: boolean
}

export interface SectionSettings extends ServerSettings {
  readonly addresses: readonly Address[]
  readonly tls: TlsFiles | undefined
  readonly workers: number | 'auto'
  readonly pidFile: string | undefined
}

export const DEFAULTS: ServerSettings = {
  http2: options.http2.default,
  unixSocketPerms: options.unix_socket_perms.default,
  backlog: options.backlog.default,
  gracefulTimeout: options.graceful_timeout.default,
  drainDelay: options.drain_delay.default,
  trust: undefined,
  requestTimeout: options.request_timeout.default,
  headersTimeout: options.headers_timeout.default,
  keepAliveTimeout: options.keep_alive_timeout.default,
  maxHeaderSize: options.max_header_size.default,
  maxHeadersCount: options.max_headers_count.default,
  maxRequestsPerSocket: options.max_requests_per_socket.default,
  maxConnections: options.max_connections.default,
  maxConcurrentStreams: options.max_concurrent_streams.default,
  noDelay: options.no_delay.default,
}

/** Reads a `[server:]` section. Relative files start at the directory of the INI file. Throws OptionError. */
export function readSection(globalConf: Conf, localConf: Conf): SectionSettings {
  const given = readOptions(options, localConf)
  const directory = globalConf.here ?? process.cwd()
  const tls = tlsFiles(given, directory)
  const instead = given.listen !== undefined ? 'listen' : 'unix_socket'
  if ((given.listen ?? given.unix_socket) !== undefined && ('host' in localConf || 'port' in localConf)) {
    throw new OptionError(instead, 'says the same as host and port: give either it or them')
  }
  if (given.listen !== undefined && given.unix_socket !== undefined) {
    throw new OptionError('unix_socket', 'stands in listen as unix:/path, when listen is given')
  }
  const host = given.host ?? LOOPBACK
  if (host.port !== undefined && given.port !== undefined && given.port !== host.port) {
    throw new OptionError('port', `given twice: host says ${host.port}`)
  }
  const { request_timeout: whole, headers_timeout: head } = given
  const isHeadGiven = 'headers_timeout' in localConf || 'headersTimeout' in localConf
  if (isHeadGiven && whole !== 0 && head > whole) {
    throw new OptionError('headers_timeout', `expected no more than request_timeout, ${whole} seconds`)
  }
  if (given.http2 && tls === undefined) {
    throw new OptionError('http2', 'needs tls_cert beside it: browsers speak HTTP/2 over TLS alone')
  }
  if (given.trusted_hops !== undefined && given.trusted_proxies === undefined)
    throw new OptionError('trusted_hops', 'needs trusted_proxies beside it')
  const defaultPort = given.port ?? (tls === undefined ? 8080 : 4443)
  const listed: readonly Address[] =
    given.listen ?? (given.unix_socket === undefined ? [host] : [{ path: given.unix_socket }])
  return {
    addresses: listed.map((address) => {
      if ('path' in address) return { path: resolve(directory, address.path) }
      return 'host' in address ? { host: address.host, port: address.port ?? defaultPort } : address
    }),
    tls,
    workers: given.workers,
    pidFile: given.pid_file === undefined ? undefined : resolve(directory, given.pid_file),
    http2: given.http2,
    unixSocketPerms: given.unix_socket_perms,
    backlog: given.backlog,
    gracefulTimeout: given.graceful_timeout,
    drainDelay: given.drain_delay,
    trust:
      given.trusted_proxies && makeTrust(given.trusted_proxies, given.trusted_hops, given.trusted_headers),
    requestTimeout: given.request_timeout,
    headersTimeout: whole === 0 ? head : Math.min(head, whole),
    keepAliveTimeout: given.keep_alive_timeout,
    maxHeaderSize: given.max_header_size,
    maxHeadersCount: given.max_headers_count,
    maxRequestsPerSocket: given.max_requests_per_socket,
    maxConnections: given.max_connections,
    maxConcurrentStreams: given.max_concurrent_streams,
    noDelay: given.no_delay,
  }
}
