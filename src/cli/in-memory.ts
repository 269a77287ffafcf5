// One request to an app without a port: Node's own server and client at the two ends of a pipe in memory, so the app sees
// what it would see behind a socket.

import { createServer, type IncomingMessage, request } from 'node:http'
import { duplexPair } from 'node:stream'
import type { App } from '../protocol.js'

export interface MemoryRequest {
  readonly method: string
  readonly path: string
  /** Names and values in turn, as they are sent. */
  readonly headers: readonly string[]
  readonly body: Uint8Array | undefined
}

/** Resolves with the answer, whose body is still to be read. Rejects when the app closes the connection without one. */
export function ask(app: App, { method, path, headers, body }: MemoryRequest): Promise<IncomingMessage> {
  const server = createServer(app)
  const [client, served] = duplexPair()
  served.once('close', () => client.push(null)) // a pair does not tell the other side by itself
  server.emit('connection', Object.assign(served, { remoteAddress: '127.0.0.1' }))
  return new Promise((resolve, reject) => {
    const req = request({ method, path, createConnection: () => client, setHost: false })
    for (let i = 0; i < headers.length; i += 2) req.appendHeader(headers[i]!, headers[i + 1]!)
    req.once('response', resolve).once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'ECONNRESET' ? new Error('the app closed the connection without an answer') : error,
      )
    })
    req.end(body)
  })
}
