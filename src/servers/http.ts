// The plain HTTP server: egg:Paste#http and egg:waitress#main. On close running requests may finish, for as long as
// `graceful_timeout`. The app's own close() is called by whoever made the app, not from here.

import { createServer, type Server as HttpServer } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'
import { type Converter, duration, integer } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { option, readOptions } from '../config/options.js'
import { ignoreErrors } from '../http/answer.js'
import { type GuardOptions, guard } from '../http/guard.js'
import type { App, Conf, RunningServer, Server } from '../protocol.js'
import { Connections } from './http/connections.js'
import { readAgain, wantsWebSocket } from './http/upgrade.js'

interface Address {
  /** A name or address without brackets; '' for all interfaces. */
  readonly host: string
  readonly port: number | undefined
}

const LOOPBACK: Address = { host: '127.0.0.1', port: undefined }

const port = integer(0, 65_535)

/** `host`, `host:port`, `[v6]`, `[v6]:port`; `*` is all interfaces. Blank is the default, as in Paste. */
const address: Converter<Address> = {
  expected: 'a host as in 127.0.0.1, localhost:8080, [::1]:8080 or *:8080',
  parse(text) {
    const written = text.trim()
    if (written === '') return LOOPBACK
    const bare = isIPv6(written)
      ? [written, written]
      : /^(?:\[([^\]]*)\]|([^\s:/[\]]*))(?::(\d+))?$/.exec(written)
    if (bare === null) return undefined
    const [, v6, name, digits] = bare
    if (v6 !== undefined && !isIPv6(v6)) return undefined
    const given = digits === undefined ? undefined : port.parse(digits)
    if (digits !== undefined && given === undefined) return undefined
    const host = v6 ?? name ?? ''
    return { host: host === '*' ? '' : host, port: given }
  },
  accepts: (value): value is Address => typeof value === 'object' && value !== null && 'host' in value,
}

const anything: Converter<string> = {
  expected: 'anything',
  parse: (text) => text,
  accepts: (value): value is string => typeof value === 'string',
}

const ignored = (reason: string) =>
  option({ type: anything, default: undefined, doc: 'Taken and ignored.', ignored: reason })

const NO_THREADS = 'one thread serves all requests, none waits for another'
const NODES_OWN = "Node's own default is used"

export const options = {
  host: option({
    type: address,
    default: undefined,
    doc: 'The address to listen on, perhaps with the port; *: all. Without it, or blank: 127.0.0.1.',
  }),
  port: option({ type: port, default: 8080, doc: 'The port to listen on; 0: any free one.' }),
  listen: option({
    type: address,
    default: undefined,
    doc: 'Host and port in one, as waitress writes them.',
  }),
  graceful_timeout: option({
    type: duration(0),
    default: 30,
    unit: 'seconds',
    doc: 'How long running requests may go on when the server is closed.',
  }),
  ssl_pem: option({ type: anything, default: undefined, doc: 'Refused: TLS is not served yet.' }),
  threads: ignored(NO_THREADS),
  daemon_threads: ignored(NO_THREADS),
  use_threadpool: ignored(NO_THREADS),
  threadpool_workers: ignored(NO_THREADS),
  threadpool_max_requests: ignored(NO_THREADS),
  threadpool_hung_thread_limit: ignored(NO_THREADS),
  threadpool_kill_thread_limit: ignored(NO_THREADS),
  threadpool_dying_limit: ignored(NO_THREADS),
  threadpool_spawn_if_under: ignored(NO_THREADS),
  threadpool_max_zombie_threads_before_die: ignored(NO_THREADS),
  threadpool_hung_check_period: ignored(NO_THREADS),
  threadpool_logger: ignored(NO_THREADS),
  threadpool_error_email: ignored(NO_THREADS),
  server_version: ignored('no Server header is sent'),
  ident: ignored('no Server header is sent'),
  protocol_version: ignored('HTTP/1.1 is spoken, and HTTP/1.0 with clients that do'),
  request_queue_size: ignored(NODES_OWN),
  backlog: ignored(NODES_OWN),
  socket_timeout: ignored(NODES_OWN),
  channel_timeout: ignored(NODES_OWN),
  cleanup_interval: ignored(NODES_OWN),
  recv_bytes: ignored(NODES_OWN),
  send_bytes: ignored(NODES_OWN),
  asyncore_loop_timeout: ignored(NODES_OWN),
  asyncore_use_poll: ignored(NODES_OWN),
  log_socket_errors: ignored('a client that goes away is no error'),
  expose_tracebacks: ignored('a stack is never sent to a client'),
} as const

/** egg:Paste#http, egg:waitress#main. */
export function factory(_globalConf: Conf, localConf: Conf): Server {
  const given = readOptions(options, localConf)
  if (given.ssl_pem !== undefined) {
    throw new OptionError(
      'ssl_pem',
      'TLS is not served yet: take the line out, and put what speaks TLS in front',
    )
  }
  if (given.listen !== undefined && ('host' in localConf || 'port' in localConf)) {
    throw new OptionError('listen', 'says the same as host and port: give either it or them')
  }
  const { host, port } = given.listen ?? given.host ?? LOOPBACK
  if (port !== undefined && 'port' in localConf && given.port !== port) {
    throw new OptionError('port', `given twice: host says ${port}`)
  }
  return (app) => listen(app, { host, port: port ?? given.port, gracefulTimeout: given.graceful_timeout })
}

export interface ListenOptions extends GuardOptions {
  /** A name or address, without brackets; '' for all interfaces. Default: 127.0.0.1. */
  readonly host?: string
  /** 0 for any free one. Default: 8080. */
  readonly port?: number
  /** Seconds. Default: 30. */
  readonly gracefulTimeout?: number
}

/** Serves `app` and resolves once it listens. Rejects with the system's error when it can't: EADDRINUSE, EACCES. */
export async function listen(app: App, given: ListenOptions = {}): Promise<RunningServer> {
  const { host = LOOPBACK.host, port = options.port.default } = given
  const { gracefulTimeout = options.graceful_timeout.default } = given
  const guarded = guard(app, given)
  const server = createServer()
  const connections = new Connections(server)
  server.on('request', (req, res) => {
    connections.begin(req, res)
    guarded(req, res)
  })
  if (guarded.upgrade !== undefined) {
    server.on('upgrade', (req, socket, head) => {
      if (!wantsWebSocket(req)) return readAgain(server, req, socket, head)
      ignoreErrors(socket)
      connections.upgrade(socket)
      guarded.upgrade!(req, socket, head)
    })
  }
  await listening(server, host, port)
  server.on('error', (error) => process.stderr.write(`sessd: ${error.message}\n`)) // a connection not accepted
  return {
    urls: [urlOf(server, host)],
    close: () => connections.close(gracefulTimeout),
  }
}

function listening(server: HttpServer, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(host === '' ? { port } : { port, host }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** As a browser would be told: all interfaces are reached by the loopback address too. */
function urlOf(server: HttpServer, host: string): string {
  const { port } = server.address() as AddressInfo
  const name = host === '' || host === '0.0.0.0' ? LOOPBACK.host : host === '::' ? '::1' : host
  return `http://${isIPv6(name) ? `[${name}]` : name}:${port}`
}
