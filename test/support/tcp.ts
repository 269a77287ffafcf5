// Between a store and its server: something that listens in, answers nonsense, or leads elsewhere.

import { connect, createServer, type Server, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A server that hands every line it gets to `onLine`; answers its address. */
export function fakeServer(onLine: (socket: Socket, line: string) => unknown): Promise<string> {
  return listen(
    createServer((socket) => {
      socket.on('data', (chunk) => {
        for (const line of chunk.toString('latin1').split('\r\n').slice(0, -1)) onLine(socket, line)
      })
    }),
  )
}

export interface Relay {
  readonly address: string
  /** How many clients are connected, or trying to. */
  readonly connections: number
  /** What came from the client and was not yet asked for, as it came. */
  takePackets(): Buffer[]
  /** Where new connections lead from now on. */
  port: number
  /** What becomes of answers from now on. */
  weather: Weather
}

/**
 * Answers come as they are; or so many milliseconds late; or their first half comes, and then the end of the connection; or
 * what comes is the answer of some other server.
 */
export type Weather = 'fine' | number | 'cut' | 'garbage'

/** Passes everything on to a port of this machine, and back. */
export async function relayTo(port: number): Promise<Relay> {
  let packets: Buffer[] = []
  const clients = new Set<Socket>()
  const server = createServer((socket) => {
    clients.add(socket)
    const upstream = connect(relay.port, '127.0.0.1')
    upstream.on('error', () => socket.destroy())
    upstream.on('close', () => socket.destroy())
    socket.on('close', () => {
      clients.delete(socket)
      upstream.destroy()
    })
    socket.on('data', (chunk) => packets.push(chunk))
    socket.pipe(upstream)
    const held: Buffer[] = []
    upstream.on('data', (chunk) => {
      const { weather } = relay
      if (weather === 'cut') socket.end(chunk.subarray(0, chunk.length >> 1), () => upstream.destroy())
      else if (weather === 'garbage') socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
      else if (weather === 'fine' && held.length === 0) socket.write(chunk)
      else {
        // Late or not, bytes keep their order: the first of those held is what the next timer lets go.
        held.push(chunk)
        setTimeout(() => socket.write(held.shift()!), weather === 'fine' ? 0 : weather)
      }
    })
  })
  const relay: Relay = {
    address: await listen(server),
    get connections() {
      return clients.size
    },
    port,
    weather: 'fine',
    takePackets() {
      const taken = packets
      packets = []
      return taken
    },
  }
  return relay
}

async function listen(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

/** Asks until it works, which the test's time limit bounds. */
export async function untilItWorks<R>(work: () => R): Promise<Awaited<R>> {
  for (;;) {
    try {
      return await work()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** Asks until it fails with this message, which it must soon. */
export async function untilItFails(work: () => unknown, message: string): Promise<void> {
  let last = 'nothing failed'
  for (let attempt = 0; attempt < 200 && last !== message; attempt++) {
    try {
      await work()
    } catch (error) {
      last = (error as Error).message
    }
  }
  if (last !== message) throw new Error(`expected: ${message}\nthe last one was: ${last}`)
}
