// The connections of one HTTP server and how they end. Node's own server.close() leaves busy connections open for more
// requests, and cuts off a response that was ended but is not sent yet (a slow reader of a large body).

import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { startDraining } from '../../http/draining.js'
import { type Sessions, speaksHttp2 } from './http2.js'

export interface Ending {
  /** Seconds until what is left is cut. */
  readonly graceful: number
  /** Seconds in which new connections are still taken. */
  readonly delay: number
  /** Lets idle connections ask once more, for as long as they were promised; others are taken over by somebody else. */
  readonly patient: boolean
}

/** Milliseconds that a connection without a request gets: its first one may be on the way. */
const FIRST_REQUEST = 100

const LONGEST_TIMER = 2 ** 31 - 1

export class Connections {
  readonly #server: HttpServer
  /** Those that speak HTTP/2 are not in here. */
  readonly #sessions: Sessions | undefined
  /** Every open connection with the newest response on it; null before the first request is read. */
  readonly #newest = new Map<Duplex, ServerResponse | null>()
  readonly #upgraded = new Set<Duplex>()
  /** What each had read when it was new: more than nothing, after a TLS handshake. */
  readonly #firstBytes = new WeakMap<Duplex, number>()
  /** Those that have not finished their TLS handshake, by the other end's address. */
  readonly #handshakes = new Map<string, Socket>()
  #closing: Promise<void> | undefined

  /** `event`: 'secureConnection' for a server that speaks TLS, else 'connection'. */
  constructor(server: HttpServer, event: 'connection' | 'secureConnection', sessions?: Sessions) {
    this.#server = server
    this.#sessions = sessions
    server.on(event, (socket: Socket) => {
      if (this.#newest.has(socket)) return // read again, see upgrade.ts
      this.#handshakes.delete(otherEnd(socket))
      if (speaksHttp2(socket)) return
      this.#newest.set(socket, null)
      this.#firstBytes.set(socket, socket.bytesRead)
      socket.once('close', () => {
        this.#newest.delete(socket)
        this.#upgraded.delete(socket)
      })
    })
    if (event === 'connection') return
    server.on('connection', (socket) => {
      const end = otherEnd(socket)
      this.#handshakes.set(end, socket)
      socket.once('close', () => this.#handshakes.delete(end))
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
   * left in the end. Resolves when all are gone. Twice is once.
   */
  close(ending: Ending): Promise<void> {
    this.#closing ??= this.#close(ending)
    return this.#closing
  }

  async #close({ graceful, delay, patient }: Ending): Promise<void> {
    startDraining(this.#server)
    if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay * 1000))
    const gone = new Promise((resolve) => NetServer.prototype.close.call(this.#server, resolve))
    this.#sessions?.end(FIRST_REQUEST)
    const timers = [
      setTimeout(
        () => {
          this.#sessions?.cut()
          for (const socket of [...this.#newest.keys(), ...this.#handshakes.values()]) socket.destroy()
        },
        Math.min(graceful * 1000, LONGEST_TIMER),
      ),
    ]
    const endIdle = () => {
      for (const [socket, res] of this.#newest) this.#end(socket as Socket, res)
    }
    const endUnused = () => {
      for (const [socket, res] of this.#newest) {
        const isUnused = (socket as Socket).bytesRead === this.#firstBytes.get(socket)
        if (res === null && isUnused) (socket as Socket).destroySoon()
      }
      for (const socket of this.#handshakes.values()) socket.destroy()
    }
    for (const [socket, res] of this.#newest) {
      if (this.#upgraded.has(socket)) socket.end()
      else if (res !== null && isRunning(res)) this.#endAfter(socket as Socket, res)
    }
    if (patient) timers.push(setTimeout(endIdle, this.#server.keepAliveTimeout + 1000))
    else endIdle()
    timers.push(setTimeout(endUnused, patient ? this.#server.keepAliveTimeout : FIRST_REQUEST))
    await gone
    for (const timer of timers) clearTimeout(timer)
    this.#server.close() // ends Node's timer that looks for slow requests, which went on until now
  }

  #end(socket: Socket, res: ServerResponse | null): void {
    if (res !== null && !this.#upgraded.has(socket) && !isRunning(res)) socket.destroySoon()
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

function otherEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

function isRunning(res: ServerResponse): boolean {
  return !res.writableFinished && !res.destroyed
}
