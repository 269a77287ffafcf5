// Servers behind a proxy: one that tells what it got, and one that answers with bytes of the test's choice.

import { once } from 'node:events'
import type { IncomingHttpHeaders, RequestListener } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import { type ProxySettings, proxy } from '../../src/apps/proxy.js'
import type { App } from '../../src/protocol.js'
import { listenFree, type Running, serveApp, serveNode } from './http.js'

/** A request as it came to an upstream. */
export interface Got {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: NodeJS.Dict<string>
  /** Which connection it came by, counted from 1. */
  readonly connection: number
}

const ok: RequestListener = (_req, res) => {
  res.setHeader('Content-Length', 2) // or Node closes the connection after a HEAD
  res.end('ok')
}

/** An upstream that keeps what it gets, and answers `ok` or by `listener`, which runs when the body is there. */
export async function upstream(listener = ok) {
  const got: Got[] = []
  const connections = new Map<Socket, number>()
  const { url, port, server } = await serveNode(async (req, res) => {
    let body = ''
    try {
      for await (const chunk of req) body += chunk
    } catch {
      return
    }
    const { method = '', url = '', headers, trailers, socket } = req
    if (!connections.has(socket)) connections.set(socket, connections.size + 1)
    got.push({ method, url, headers, body, trailers, connection: connections.get(socket)! })
    listener(req, res)
  })
  return { url, port, server, got }
}

/** An upstream that hands every connection to `talk` as it comes. */
export async function rawUpstream(
  talk: (socket: Socket) => void,
): Promise<{ url: string; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    sockets.push(socket)
    socket.resume()
    talk(socket)
  })
  const port = await listenFree(server)
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
  })
  return { url: `http://127.0.0.1:${port}`, sockets }
}

/** An upstream that answers each request with `text`, and closes the connection if that is said. */
export function rawAnswer(text: string, end: 'keep' | 'close' | 'reset' = 'keep') {
  return rawUpstream((socket) => {
    socket.on('data', () => {
      socket.write(text, 'latin1', () => {
        if (end === 'close') socket.end()
        if (end === 'reset') socket.resetAndDestroy()
      })
    })
  })
}

/** A proxy on a port of its own, in whatever `around` puts around it. */
export async function serveProxy(
  settings: ProxySettings | string,
  around: (app: App) => App = (app) => app,
  serve = serveApp,
): Promise<Running & { readonly reports: string[] }> {
  const reports: string[] = []
  const given = typeof settings === 'string' ? { address: settings } : settings
  const app = proxy({
    onError: (error, req) => reports.push(`${req.method}: ${(error as Error).message}`),
    ...given,
  })
  const running = await serve(around(app))
  onTestFinished(() => app.close!())
  return { ...running, reports }
}

/** Resolves when `socket` is closed. */
export async function closing(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close')
}
