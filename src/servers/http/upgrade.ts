// Requests that ask for another protocol. Only WebSockets are handed to the app; any other offer (h2c, as Java's client
// and `curl --http2` make it) is passed over, as RFC 9110, 7.8 allows: the request is served as if it had none.

import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'

export function wantsWebSocket(req: IncomingMessage): boolean {
  return req.headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Has `server` read a request again, without its offer. Node stops reading HTTP at an upgrade request as soon as its
 * server has an 'upgrade' listener, so the head is put back in front of what has arrived of the body.
 */
export function readAgain(
  server: Server,
  event: 'connection' | 'secureConnection',
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`]
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = req.rawHeaders[i]!
    const value = req.rawHeaders[i + 1]!
    if (/^(?:upgrade|http2-settings)$/i.test(name)) continue
    lines.push(`${name}: ${/^connection$/i.test(name) ? withoutOffer(value) : value}`)
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
  server.emit(event, socket)
}

function withoutOffer(connection: string): string {
  return connection
    .split(',')
    .map((option) => option.trim())
    .filter((option) => !/^(?:upgrade|http2-settings)$/i.test(option))
    .join(', ')
}
