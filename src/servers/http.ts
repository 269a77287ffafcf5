// The server: egg:Paste#http and egg:waitress#main, for HTTP, HTTPS and HTTP/2. On close running requests may finish, for as
// long as `graceful_timeout`. The app's own close() is called by whoever made the app, not from here.

import { availableParallelism } from 'node:os'
import { ignoreErrors } from '../http/answer.js'
import { believeProxies } from '../http/forwarded.js'
import { type GuardOptions, guard } from '../http/guard.js'
import type { App, Conf, RunningServer, Server } from '../protocol.js'
import { type Address, activatedSockets, keptPorts, LOOPBACK } from './http/address.js'
import { Connections } from './http/connections.js'
import { addHttp2 } from './http/http2.js'
import { makeServer, open, type TlsServer, urlOf } from './http/listening.js'
import { options } from './http/options.js'
import { DEFAULTS, readSection, type ServerSettings } from './http/settings.js'
import { readCertificate, type TlsFiles } from './http/tls.js'
import { readAgain, wantsWebSocket } from './http/upgrade.js'

export { options }

/** egg:Paste#http, egg:waitress#main. Sockets that systemd hands over take the place of the addresses. */
export function factory(globalConf: Conf, localConf: Conf): Server {
  const { addresses, tls, workers, pidFile, ...settings } = readSection(globalConf, localConf)
  if (tls !== undefined) readCertificate(tls)
  const server: Server = async (app) => {
    const isWorker = await isClusterWorker()
    // A worker listens through its parent.
    const activated = activatedSockets(process.env, isWorker ? [process.pid, process.ppid] : [process.pid])
    const kept = isWorker ? keptPorts(process.env) : []
    const own = addresses.map((address, at) =>
      'port' in address && address.port === 0 ? { ...address, port: kept[at] ?? 0 } : address,
    )
    return serve(app, activated.length > 0 ? activated : own, { ...settings, tls })
  }
  const count = workers === 'auto' ? availableParallelism() : workers
  const longestClose = settings.drainDelay + settings.gracefulTimeout
  return Object.assign(server, { workers: count, longestClose, ...(pidFile !== undefined && { pidFile }) })
}

/** Only a process with a channel to its parent can be one, and only then is node:cluster loaded. */
async function isClusterWorker(): Promise<boolean> {
  return process.connected === true && (await import('node:cluster')).default.isWorker
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
export function listen(app: App, given: ListenOptions = {}): Promise<RunningServer> {
  const { host = LOOPBACK.host, port = 8080, ...rest } = given
  return serve(app, [{ host, port }], { ...DEFAULTS, ...rest, tls: undefined })
}

interface Serving extends ServerSettings, GuardOptions {
  readonly tls: TlsFiles | undefined
}

async function serve(app: App, addresses: readonly Address[], given: Serving): Promise<RunningServer> {
  const guarded = guard(app, given)
  const listeners = addresses.map((address) => ({ address, ...makeListener(guarded, given) }))
  let closing: Promise<void> | undefined
  try {
    for (const { address, server } of listeners) await open(server, address, given)
  } catch (error) {
    await Promise.all(
      listeners
        .filter(({ server }) => server.listening)
        .map(({ connections }) => connections.close({ graceful: 0, delay: 0, patient: false })),
    )
    throw error
  }
  return {
    urls: listeners.map(({ server, address }) => urlOf(server, address, given.tls !== undefined)),
    close({ patient = false } = {}) {
      const ending = { graceful: given.gracefulTimeout, delay: patient ? 0 : given.drainDelay, patient }
      closing ??= Promise.all(listeners.map(({ connections }) => connections.close(ending))).then(() => {})
      return closing
    },
    reload() {
      if (given.tls === undefined) return
      const certificate = readCertificate(given.tls)
      for (const { server } of listeners) (server as TlsServer).setSecureContext(certificate)
    },
  }
}

function makeListener(guarded: App, given: Serving) {
  const { trust, tls } = given
  const server = makeServer(given, tls && readCertificate(tls))
  const event = tls === undefined ? 'connection' : 'secureConnection'
  const app: App = (req, res) => {
    if (trust !== undefined) believeProxies(req, trust)
    guarded(req, res)
  }
  const sessions = given.http2 ? addHttp2(server as TlsServer, given, app) : undefined
  const connections = new Connections(server, event, sessions)
  server.on('request', (req, res) => {
    connections.begin(req, res)
    app(req, res)
  })
  server.on('upgrade', (req, socket, head) => {
    const { upgrade } = guarded
    if (upgrade === undefined || !wantsWebSocket(req)) return readAgain(server, event, req, socket, head)
    ignoreErrors(socket)
    connections.upgrade(socket)
    if (trust !== undefined) believeProxies(req, trust)
    upgrade(req, socket, head)
  })
  return { server, connections }
}
