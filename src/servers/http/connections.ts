// The connections of one HTTP server and how they end. Node's own server.close() leaves busy connections open for more
// requests, and cuts off a response that was ended but is not sent yet (a slow reader of a large body).

import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'

export class Connections {
  readonly #server: HttpServer
  /** Every open connection with the newest response on it; null before the first request is read. */
  readonly #newest = new Map<Duplex, ServerResponse | null>()
  readonly #upgraded = new Set<Duplex>()
  #closing: Promise<void> | undefined

  constructor(server: HttpServer) {
    this.#server = server
    server.on('connection', (socket) => {
      if (this.#newest.has(socket)) return // read again, see upgrade.ts
      this.#newest.set(socket, null)
      socket.once('close', () => {
        this.#newest.delete(socket)
        this.#upgraded.delete(socket)
      })
    })
  }

  /** To be told of every request before the app gets it. */
  begin(req: IncomingMessage, res: ServerResponse): void {
    this.#newest.set(req.socket, res)
    if (this.#closing !== undefined) this.#endAfter(req.socket, res)
  }

  /** To be told of every connection that is handed over to another protocol. */
  upgrade(socket: Duplex): void {
    this.#upgraded.add(socket)
    if (this.#closing !== undefined) socket.end()
  }

  /**
   * Accepts nothing more, closes what idles, ends every other connection after its last response, and cuts whatever is
   * left after `seconds`. Resolves when all are gone. Twice is once.
   */
  close(seconds: number): Promise<void> {
    this.#closing ??= this.#close(seconds)
    return this.#closing
  }

  async #close(seconds: number): Promise<void> {
    const gone = new Promise((resolve) => NetServer.prototype.close.call(this.#server, resolve))
    const deadline = setTimeout(() => {
      for (const socket of this.#newest.keys()) socket.destroy()
    }, seconds * 1000)
    for (const [socket, res] of this.#newest) this.#end(socket as Socket, res)
    await gone
    clearTimeout(deadline)
    this.#server.close() // ends Node's timer that looks for slow requests, which went on until now
  }

  #end(socket: Socket, res: ServerResponse | null): void {
    if (this.#upgraded.has(socket)) socket.end()
    else if (res !== null && !res.writableFinished && !res.destroyed) this.#endAfter(socket, res)
    else if (res !== null || socket.bytesRead === 0) socket.destroySoon()
    // else a first request is on its way: `begin` sees to it
  }

  #endAfter(socket: Socket, res: ServerResponse): void {
    res.shouldKeepAlive = false
    res.once('finish', () => {
      // With pipelined requests only the last response may end the connection.
      if (this.#newest.get(socket) === res) socket.destroySoon()
    })
  }
}
