// One keep-alive connection on a bare socket, with one request under way at a time. Bodies are counted; only small ones
// are kept. A server that closes it after an answer gets another one.

import { connect } from 'node:net'

const LENGTH = /\r\ncontent-length: *(\d+)/i
/** Bodies up to so many bytes are handed on. */
const KEPT = 65_536

export class Connection {
  #port
  #socket
  #received = Buffer.alloc(0)
  #head
  /** Bytes of a large body that are still to come. */
  #missing = 0
  #done

  constructor(port) {
    this.#port = port
  }

  static async open(port) {
    const connection = new Connection(port)
    const socket = connection.#connect()
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    return connection
  }

  #connect() {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('close', () => {
      if (socket === this.#socket) this.#finish(null)
    })
    socket.on('error', () => {})
    this.#socket = socket
    return socket
  }

  /** Sends a request; calls back with the head of the answer, status line first, and its body, or null if cut off. */
  ask(text, done) {
    this.#done = done
    this.#socket ??= this.#connect()
    this.#socket.write(text, 'latin1')
  }

  close() {
    this.#done = undefined
    this.#socket?.destroy()
  }

  #receive(chunk) {
    if (this.#missing > 0) {
      this.#missing -= chunk.length
      if (this.#missing <= 0) this.#finish(this.#head)
      return
    }
    const received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    this.#received = received
    const end = received.indexOf('\r\n\r\n')
    if (end < 0) return
    const head = received.latin1Slice(0, end + 2)
    const body = received.subarray(end + 4)
    const length = LENGTH.exec(head)
    if (length === null) {
      if (body.subarray(-5).latin1Slice() === '0\r\n\r\n') this.#finish(head, body)
    } else if (body.length >= Number(length[1])) {
      this.#finish(head, body)
    } else if (Number(length[1]) > KEPT) {
      this.#head = head
      this.#missing = Number(length[1]) - body.length
    }
  }

  #finish(head, body = Buffer.alloc(0)) {
    this.#received = Buffer.alloc(0)
    this.#missing = 0
    // Some servers, and http-proxy without an agent, want a new connection for each request: they get it.
    if (head === null || /\r\nconnection: *close/i.test(head)) {
      this.#socket?.destroy()
      this.#socket = undefined
    }
    const done = this.#done
    this.#done = undefined
    done?.(head, body)
  }
}

/** The body of an answer as text, chunked or not. */
export function textOf(head, body) {
  const text = body.latin1Slice()
  if (LENGTH.test(head)) return text
  let whole = ''
  for (let at = 0; ; ) {
    const line = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, line), 16)
    if (!(size > 0)) return whole
    whole += text.slice(line + 2, line + 2 + size)
    at = line + 4 + size
  }
}
