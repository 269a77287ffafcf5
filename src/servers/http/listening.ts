// Makes node:http and node:https servers and opens their sockets.

import { chmod, unlink } from 'node:fs/promises'
import { createServer, type Server as HttpServer, type ServerOptions } from 'node:http'
import type { Server as TlsServer } from 'node:https'
import { type AddressInfo, connect, type ListenOptions } from 'node:net'
import { logger } from '../../config/logging.js'
import { type Address, isBareIPv6, LOOPBACK } from './address.js'
import { ALPN } from './http2.js'
import type { ServerSettings } from './settings.js'
import type { Certificate } from './tls.js'

export type { TlsServer }

const log = logger('sessd.http')

/** A server that does not listen yet, with the limits that `settings` give. */
export function makeServer(settings: ServerSettings, certificate: Certificate | undefined): HttpServer {
  const given: ServerOptions = {
    requestTimeout: settings.requestTimeout * 1000,
    headersTimeout: settings.headersTimeout * 1000,
    keepAliveTimeout: settings.keepAliveTimeout * 1000,
    maxHeaderSize: settings.maxHeaderSize,
    noDelay: settings.noDelay,
  }
  const server =
    certificate === undefined
      ? createServer(given)
      : process
          .getBuiltinModule('node:https')
          .createServer({ ...given, ...certificate, ...(settings.http2 && { ALPNProtocols: ALPN }) })
  server.maxHeadersCount = settings.maxHeadersCount
  server.maxRequestsPerSocket = settings.maxRequestsPerSocket
  if (settings.maxConnections > 0) server.maxConnections = settings.maxConnections
  return server
}

/** Resolves once it listens; rejects with the system's error. The socket file of a program that is gone is replaced. */
export async function open(
  server: HttpServer,
  address: Address,
  { backlog, unixSocketPerms }: Pick<ServerSettings, 'backlog' | 'unixSocketPerms'>,
): Promise<void> {
  if ('path' in address) {
    await listening(server, { path: address.path, backlog }).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || !(await isForsaken(address.path))) throw error
      await unlink(address.path)
      await listening(server, { path: address.path, backlog })
    })
    await chmod(address.path, unixSocketPerms)
  } else if ('fd' in address) {
    await listening(server, { fd: address.fd, backlog })
  } else {
    const { host, port } = address
    await listening(server, { ...(host !== '' && { host }), port, backlog })
  }
  server.on('error', (err) => log.error({ err }, err.message)) // a connection not accepted
}

function listening(server: HttpServer, where: ListenOptions & { fd?: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** Whether a socket file is there and nobody listens on it. */
function isForsaken(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(false)).once('connect', () => socket.destroy())
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  })
}

/** As a browser would be told: all interfaces are reached by the loopback address too. */
export function urlOf(server: HttpServer, address: Address, secure: boolean): string {
  const bound = server.address() as AddressInfo | string | null
  if (bound === null || typeof bound === 'string')
    return `unix:${bound ?? ('path' in address ? address.path : '')}`
  const host = 'host' in address ? address.host : bound.address
  const name = host === '' || host === '0.0.0.0' ? LOOPBACK.host : host === '::' ? '::1' : host
  return `${secure ? 'https' : 'http'}://${isBareIPv6(name) ? `[${name}]` : name}:${bound.port}`
}
