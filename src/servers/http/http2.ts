// HTTP/2 beside HTTP/1.1 on one TLS server: which of them a connection speaks is settled in its handshake (ALPN). What
// Node's own server for both leaves out for HTTP/1 (most limits, the check of Host) stays, since that part is node:https'.

import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { App } from '../../protocol.js'
import type { ServerSettings } from './settings.js'

/** For the handshake, in the order in which they are liked. */
export const ALPN = ['h2', 'http/1.1']

/** The connections of a server that speak HTTP/2. */
export interface Sessions {
  /**
   * Tells every client to ask nothing more here and lets go on what runs. A connection without a request gets so many
   * milliseconds: its first one may be on the way.
   */
  end(grace: number): void
  /** Ends all at once. */
  cut(): void
}

export function speaksHttp2(socket: object): boolean {
  return (socket as Partial<TLSSocket>).alpnProtocol === 'h2'
}

/** Has `server`, which offers ALPN, hand requests that come over HTTP/2 to `app`. To be called before it listens. */
export function addHttp2(server: TlsServer, settings: ServerSettings, app: App): Sessions {
  const http1 = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  const open = new Map<Socket, Ending>()
  let grace: number | undefined
  server.on('secureConnection', (socket) => {
    if (!speaksHttp2(socket)) {
      for (const listener of http1) listener.call(server, socket)
      return
    }
    http2.once('session', (session) => open.set(socket, watch(session, socket, settings)))
    http2.emit('connection', socket)
    socket.once('close', () => open.delete(socket))
    if (grace !== undefined) open.get(socket)?.(grace)
  })
  const http2 = process.getBuiltinModule('node:http2').createServer({
    settings: {
      maxConcurrentStreams: settings.maxConcurrentStreams,
      maxHeaderListSize: settings.maxHeaderSize,
      enablePush: false,
    },
    ...(settings.maxHeadersCount > 0 && { maxHeaderListPairs: settings.maxHeadersCount }),
  })
  http2.on('request', (req, res) => {
    // Node keeps to the limit itself as soon as the client has confirmed to know it.
    if (sizeOf(req.rawHeaders) > settings.maxHeaderSize) res.writeHead(431).end()
    else app(req as never, res as never)
  })
  return {
    end(milliseconds) {
      grace = milliseconds
      for (const end of open.values()) end(milliseconds)
    },
    cut() {
      for (const socket of open.keys()) socket.destroy()
    },
  }
}

/** As HTTP/2 counts a head (RFC 9113, 6.5.2). */
function sizeOf(rawHeaders: readonly string[]): number {
  let size = rawHeaders.length * 16
  for (const text of rawHeaders) size += text.length
  return size
}

type Ending = (grace: number) => void

/** Milliseconds that a client gets to close a connection of which it was told that it is over. */
const LONGEST_GOODBYE = 1000

const LONGEST_TIMER = 2 ** 31 - 1

/**
 * Keeps the limits that node:http keeps for HTTP/1: on idling, on the time for a request, on requests in all. Answers a
 * function that ends the session in good order: the client is told which request was the last to be taken, and may make
 * all others once more elsewhere (RFC 9113, 6.8).
 */
function watch(session: ServerHttp2Session, socket: Socket, settings: ServerSettings): Ending {
  const { keepAliveTimeout, maxRequestsPerSocket, requestTimeout } = settings
  let running = 0
  let taken = 0
  let ending = false
  let timer: NodeJS.Timeout | undefined
  const rest = (milliseconds: number, then: () => void) => {
    clearTimeout(timer)
    if (milliseconds > 0) timer = setTimeout(then, Math.min(milliseconds, LONGEST_TIMER))
  }
  const close = () => {
    session.close()
    // Node leaves it to the client to close the connection.
    if (running === 0) rest(LONGEST_GOODBYE, () => socket.destroy())
  }
  const settle = () => {
    if (running > 0) return
    if (session.closed) close()
    else rest(keepAliveTimeout * 1000, close)
  }
  session.on('stream', (stream) => {
    running++
    taken++
    clearTimeout(timer)
    if (ending || taken === maxRequestsPerSocket) session.close()
    const stop = limitTime(stream, requestTimeout)
    stream.once('close', () => {
      stop()
      running--
      settle()
    })
  })
  socket.once('close', () => clearTimeout(timer))
  settle()
  return (grace) => {
    ending = true
    if (taken === 0) rest(grace, close)
    else close()
  }
}

/** A body has `seconds` to come. Answers a function that takes the limit off. */
function limitTime(stream: ServerHttp2Stream, seconds: number): () => void {
  if (seconds === 0 || stream.endAfterHeaders) return () => {}
  const timer = setTimeout(
    () => {
      if (stream.closed || stream.readableEnded) return
      const { headersSent } = stream
      const { constants } = process.getBuiltinModule('node:http2')
      if (!headersSent) stream.respond({ ':status': 408 }, { endStream: true })
      stream.close(headersSent ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_NO_ERROR)
    },
    Math.min(seconds * 1000, LONGEST_TIMER),
  )
  return () => clearTimeout(timer)
}
