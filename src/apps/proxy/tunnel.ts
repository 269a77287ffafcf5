// A WebSocket on its way through: the handshake is asked of the upstream as any request is, then bytes go both ways until
// one side ends. Either side's end, reset or silence is the other's, so that neither is left with half a connection.

import { type Agent, type IncomingMessage, type OutgoingHttpHeaders, request, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ignoreErrors, refuseUpgrade } from '../../http/answer.js'
import { finalStatus, keptHeaders } from './headers.js'
import type { Target } from './http-proxy.js'

/** Where a handshake goes, and how. */
export interface Passage {
  readonly target: Target
  readonly agent: Agent
  readonly path: string
  readonly headers: OutgoingHttpHeaders
  /** Told why it could not be passed on; the client is told a status only. */
  report(error: Error): void
}

/** Passes a WebSocket handshake on, and what follows it. Never throws; the client's socket ends in every case. */
export function openTunnel(socket: Duplex, head: Buffer, passage: Passage): void {
  const { target, agent, path, headers, report } = passage
  ignoreErrors(socket)
  let timedOut = false
  const proxyReq = request({
    protocol: target.protocol,
    host: target.hostname,
    port: target.port,
    agent,
    path,
    headers: { ...headers, connection: 'Upgrade', upgrade: 'websocket' },
    setHost: false,
  })
  const giveUp = () => proxyReq.destroy()
  socket.once('close', giveUp)
  proxyReq.once('timeout', () => {
    timedOut = true
    proxyReq.destroy(new Error('no answer in time'))
  })
  proxyReq.on('error', (error: NodeJS.ErrnoException) => {
    if (socket.destroyed) return // the client went away, and so do we
    report(error)
    if (isUntouched(socket)) refuseUpgrade(socket, timedOut || error.code === 'ETIMEDOUT' ? 504 : 502)
    else socket.destroy()
  })
  proxyReq.once('upgrade', (proxyRes, upstream: Socket, upstreamHead: Buffer) => {
    socket.off('close', giveUp)
    ignoreErrors(upstream)
    if (socket.destroyed || proxyRes.statusCode !== 101) {
      upstream.destroy()
      refuseUpgrade(socket, 502)
      return
    }
    const { upgrade = 'websocket' } = proxyRes.headers
    writeHead(socket, proxyRes, 101, ['Connection', 'Upgrade', 'Upgrade', upgrade])
    join(socket, upstream)
    socket.write(upstreamHead)
    upstream.write(head)
  })
  proxyReq.once('response', (proxyRes) => {
    // It has been refused, perhaps with a page that says why.
    try {
      writeHead(socket, proxyRes, finalStatus(proxyRes), ['Connection', 'close'])
    } catch (error) {
      proxyReq.destroy(error as Error)
      return
    }
    proxyRes.on('error', () => socket.destroy())
    proxyRes.pipe(socket)
    proxyRes.once('close', () => proxyReq.destroy())
  })
  proxyReq.end()
}

/** Keeps no copy of what was written: `bytesWritten` counts earlier answers of the connection too, so mark it here. */
const begun = new WeakSet<Duplex>()

function isUntouched(socket: Duplex): boolean {
  return !begun.has(socket)
}

function writeHead(socket: Duplex, proxyRes: IncomingMessage, status: number, own: readonly string[]): void {
  begun.add(socket)
  const lines = [`HTTP/1.1 ${status} ${proxyRes.statusMessage || (STATUS_CODES[status] ?? '')}`]
  const headers = [...keptHeaders(proxyRes, status), ...own]
  for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}

function join(one: Duplex, other: Socket): void {
  other.setTimeout(0)
  other.setNoDelay(true)
  other.setKeepAlive(true, 60_000)
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to)
    from.once('close', () => to.destroy())
  }
}
