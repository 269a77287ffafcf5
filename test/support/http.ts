// Real HTTP for tests: servers on free ports that end with the test, and a client that writes the bytes itself.

import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, type Server as NetServer, type Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { lint } from '../../src/filters/lint.js'
import type { ErrorReporter } from '../../src/http/guard.js'
import type { App, RunningServer } from '../../src/protocol.js'
import { listen } from '../../src/servers/http.js'

export interface Running {
  readonly url: string
  readonly port: number
  readonly server: RunningServer
  /** What the app threw, as `METHOD path: message`. */
  readonly errors: string[]
}

/** Serves `app` as the http part does, until the test is over, inside lint: a broken rule of the protocol fails the test. */
export function serveApp(app: App, gracefulTimeout = 0): Promise<Running> {
  const broken: string[] = []
  onTestFinished(() => expect(broken).toEqual([]))
  return serveUnchecked(lint({ onError: (error) => void broken.push(error.message) })(app), gracefulTimeout)
}

/** The same without lint, for tests in which somebody breaks the protocol on purpose, or it can't be helped. */
export async function serveUnchecked(app: App, gracefulTimeout = 0): Promise<Running> {
  const errors: string[] = []
  const onError: ErrorReporter = (error, req) =>
    errors.push(`${req.method} ${req.url}: ${(error as Error).message}`)
  const server = await listen(app, { port: 0, gracefulTimeout, onError })
  onTestFinished(() => server.close())
  const url = server.urls[0]!
  return { url, port: Number(new URL(url).port), server, errors }
}

/** A bare node:http server, until the test is over: the one behind a proxy, say. */
export async function serveNode(
  listener: RequestListener,
): Promise<{ url: string; port: number; server: Server }> {
  const server = createServer(listener)
  const port = await listenFree(server)
  onTestFinished(() => server.closeAllConnections())
  return { url: `http://127.0.0.1:${port}`, port, server }
}

/** Lets any server listen on a free port until the test is over. */
export async function listenFree(server: NetServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** One connection, byte by byte. Text is Latin-1, so every byte is a character. */
export class Wire {
  readonly socket: Socket
  /** All that came. */
  received = ''
  readonly closed: Promise<void>
  #error: Error | undefined
  #wake = () => {}

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.received += text
      this.#wake()
    })
    this.socket.on('error', (error) => {
      this.#error = error
    })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', () => {
        resolve()
        this.#wake()
      })
    })
    onTestFinished(() => {
      this.socket.destroy()
    })
  }

  send(text: string): void {
    this.socket.write(text, 'latin1')
  }

  /** Waits until `pattern` has come, and answers the match. Rejects when the connection ends without it. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.received)
      if (match !== null) return match
      if (this.socket.closed)
        throw new Error(`closed after ${JSON.stringify(this.received)}`, { cause: this.#error })
      await new Promise<void>((wake) => {
        this.#wake = wake
      })
    }
  }

  /** All that came until the other side closed. */
  async untilClosed(): Promise<string> {
    await this.closed
    return this.received
  }

  /** Cuts the connection with a reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }
}

/** Sends `text` and answers all that comes until the server closes the connection. */
export function exchange(port: number, text: string): Promise<string> {
  const wire = new Wire(port)
  wire.send(text)
  return wire.untilClosed()
}

/** `GET target` with `Connection: close`, and further header lines. */
export function ask(port: number, target: string, ...lines: string[]): Promise<string> {
  return exchange(
    port,
    [`GET ${target} HTTP/1.1`, 'Host: test', 'Connection: close', ...lines, '', ''].join('\r\n'),
  )
}

/** The body of an answer that was read to its end, as UTF-8 text. */
export function bodyOf(answer: string): string {
  return Buffer.from(answer.slice(answer.indexOf('\r\n\r\n') + 4), 'latin1').toString()
}
