// One memcached server, asked in its meta protocol (memcached 1.6 and later). Connects when it is asked, also after it
// was lost; commands of one turn of the event loop leave in one write. What was sent when the connection is lost fails,
// and is not sent again: it may have been done.

import { connect, type Socket } from 'node:net'
import { LONGEST_TIMER } from '../deadlines.js'
import { type Reply, ReplyReader } from './memcached-replies.js'

export interface MemcachedAddress {
  /** `host:port` or `unix:/path`, as it is shown in errors. */
  readonly name: string
  readonly where: { readonly host: string; readonly port: number } | { readonly path: string }
}

interface Pending {
  /** What the answer must repeat, so that no answer goes to the wrong one. */
  readonly opaque: string | undefined
  readonly due: number
  resolve(reply: Reply): void
  reject(error: Error): void
}

/** So much may wait at a server that doesn't answer. */
const MAX_PENDING = 10_000
const MAX_PENDING_BYTES = 32 * 1024 * 1024

/** How long a server that could not be reached is left alone, in milliseconds: at first, and at most. */
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 1000

export class MemcachedClient {
  readonly #address: MemcachedAddress
  readonly #timeout: number
  #socket: Socket | undefined
  #reader = new ReplyReader()
  /** In the order they were sent, and will be answered. */
  #pending: Pending[] = []
  /** Where the first unanswered one is. */
  #head = 0
  #toSend: Buffer[] = []
  #bytesToSend = 0
  #opaque = 0
  #timer: NodeJS.Timeout | undefined
  #pause = 0
  #pausedUntil = 0
  #lastError: Error | undefined
  #closed = false
  #onIdle: (() => void)[] = []

  /** Nothing happens before the first command. `timeout`: how long a command may take, in milliseconds. */
  constructor(address: MemcachedAddress, timeout: number) {
    this.#address = address
    this.#timeout = timeout
  }

  /**
   * Sends one command, without line end, and resolves with its answer. Rejects when the server can't be reached, doesn't
   * answer in time, is asked for too much at once, or calls it an error.
   */
  send(command: string, payload?: Uint8Array): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const size = command.length + (payload?.length ?? 0)
      const error = this.#refusal(size)
      if (error !== undefined) {
        reject(error)
        return
      }
      const opaque = command === 'mn' ? undefined : this.#nextOpaque()
      this.#pending.push({ opaque, due: performance.now() + this.#timeout, resolve, reject })
      this.#socket ??= this.#connect()
      this.#write(opaque === undefined ? `${command}\r\n` : `${command} ${opaque}\r\n`, payload)
      this.#timer ??= setTimeout(this.#checkTime, Math.min(this.#timeout, LONGEST_TIMER)).unref()
    })
  }

  /** Lets what was sent be answered, then hangs up. Commands after it reject. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#unanswered > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve))
    clearTimeout(this.#timer)
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #nextOpaque(): string {
    this.#opaque = (this.#opaque + 1) % 1_000_000_000
    return `O${this.#opaque}`
  }

  get #unanswered(): number {
    return this.#pending.length - this.#head
  }

  #refusal(size: number): Error | undefined {
    if (this.#closed) return new Error('the memcached store is closed')
    if (this.#socket === undefined && performance.now() < this.#pausedUntil) return this.#lastError
    const waiting = this.#bytesToSend + (this.#socket?.writableLength ?? 0)
    if (this.#unanswered < MAX_PENDING && (waiting === 0 || waiting + size <= MAX_PENDING_BYTES)) return
    return this.#error('has too much to answer')
  }

  #connect(): Socket {
    const socket = connect({ ...this.#address.where, noDelay: true, keepAlive: true })
    this.#reader = new ReplyReader()
    let error: Error | undefined
    socket.on('data', (chunk) => {
      try {
        this.#reader.read(chunk, this.#onReply)
      } catch (reason) {
        socket.destroy(reason as Error)
      }
    })
    socket.on('error', (reason) => {
      error = reason
    })
    socket.on('end', () => socket.destroy())
    socket.on('close', () => {
      if (this.#socket === socket) this.#lose(error)
    })
    return socket
  }

  #write(line: string, payload: Uint8Array | undefined): void {
    if (this.#toSend.length === 0) setImmediate(this.#flush)
    const length = line.length + (payload === undefined ? 0 : payload.length + 2)
    const bytes = Buffer.allocUnsafe(length)
    bytes.write(line, 'latin1')
    if (payload !== undefined) {
      bytes.set(payload, line.length)
      bytes.write('\r\n', length - 2, 'latin1')
    }
    this.#toSend.push(bytes)
    this.#bytesToSend += length
  }

  readonly #flush = (): void => {
    const bytes =
      this.#toSend.length === 1 ? this.#toSend[0]! : Buffer.concat(this.#toSend, this.#bytesToSend)
    this.#toSend = []
    this.#bytesToSend = 0
    this.#socket?.write(bytes)
  }

  readonly #onReply = (reply: Reply): void => {
    const first = this.#pending[this.#head]
    if (first === undefined) throw new Error('an answer that nobody asked for')
    if (reply.status.endsWith('ERROR')) {
      this.#take().reject(this.#error(`answered ${[reply.status, ...reply.words].join(' ')}`))
      // It may take what follows for commands.
      if (reply.status !== 'SERVER_ERROR') throw new Error('a command that it does not know')
      return
    }
    if (first.opaque === undefined ? reply.status !== 'MN' : !reply.words.includes(first.opaque)) {
      throw new Error('an answer to another question')
    }
    this.#pause = 0
    this.#take().resolve(reply)
  }

  #take(): Pending {
    const first = this.#pending[this.#head++]!
    if (this.#head === this.#pending.length) {
      this.#pending = []
      this.#head = 0
      for (const resolve of this.#onIdle) resolve()
      this.#onIdle = []
    } else if (this.#head >= 1024) {
      this.#pending = this.#pending.slice(this.#head)
      this.#head = 0
    }
    return first
  }

  readonly #checkTime = (): void => {
    this.#timer = undefined
    const first = this.#pending[this.#head]
    if (first === undefined) return
    const left = first.due - performance.now()
    if (left > 0) {
      this.#timer = setTimeout(this.#checkTime, Math.min(Math.ceil(left), LONGEST_TIMER)).unref()
    } else {
      const socket = this.#socket
      this.#lose(new Error(`no answer within ${this.#timeout} ms`))
      socket?.destroy()
    }
  }

  /** Fails all that waits. One that answered before is tried again at once, others after a pause. */
  #lose(reason: Error | undefined): void {
    this.#socket = undefined
    this.#toSend = []
    this.#bytesToSend = 0
    this.#lastError = this.#error(reason?.message ?? 'the connection was closed', reason)
    this.#pausedUntil = performance.now() + this.#pause * (0.5 + Math.random() / 2)
    this.#pause = Math.min(Math.max(this.#pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
    while (this.#unanswered > 0) this.#take().reject(this.#lastError)
  }

  #error(what: string, cause?: Error): Error {
    const code = (cause as NodeJS.ErrnoException | undefined)?.code
    const error = new Error(`memcached at ${this.#address.name}: ${what}`, { cause })
    return code === undefined ? error : Object.assign(error, { code })
  }
}
