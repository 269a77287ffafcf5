// HTTP/2 requests and responses as Node hands them to listeners, completed so that handlers written for HTTP/1 can't tell
// the difference. As they come, Express ends the process, an upload that broke off looks whole, and so does an answer that
// did; docs/parts/http.md has the list.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable, Stream } from 'node:stream'
import { type Http2Message, isHttp2 } from './answer.js'
import { takeHead } from './head-arguments.js'

type Http2Request = IncomingMessage & Http2Message
type Http2Response = ServerResponse & Http2Message

/** RFC 9113, 7. */
const NO_ERROR = 0
const INTERNAL_ERROR = 2
const CANCEL = 8

const COMPLETED = Symbol('sessd.http2')

/**
 * Completes a pair of Node's HTTP/2 compatibility API; must be called before anybody else has them. Others, and pairs that
 * are complete, stay as they are. False: the request says two hosts, answer 400 (RFC 9113, 8.3.1).
 */
export function completeHttp2(req: IncomingMessage, res: ServerResponse): boolean {
  if (!isHttp2(res) || !isHttp2(req) || COMPLETED in res) return true
  pin(req, Readable.prototype, completeRequest)
  pin(res, Stream.prototype, completeResponse)
  // Node emits 'close' itself when the stream is closed: a second one, of `destroy`, must not be.
  ;(req as unknown as { _readableState: { emitClose: boolean } })._readableState.emitClose = false
  req.stream.on('aborted', () => {
    if (!req.complete) Object.defineProperty(req, 'complete', { value: false })
    if (!req.readableEnded) req.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }))
  })
  return completeHeaders(req)
}

/** What handlers read of an HTTP/1 head: the host, and whether a body follows. Clients can't send the second. */
function completeHeaders({ headers, stream }: Http2Request): boolean {
  const authority = headers[':authority'] as string | undefined
  const { host } = headers
  if (authority !== undefined) {
    if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) return false
    headers.host = authority
  }
  if (stream.endAfterHeaders !== true && headers['content-length'] === undefined)
    headers['transfer-encoding'] = 'chunked'
  return true
}

const completeRequest = () => ({
  /** As over HTTP/1: all of the body has come. Node's own means that it was read. */
  get complete(): boolean {
    const { stream } = this as unknown as Http2Request
    return stream.endAfterHeaders === true || stream.readableEnded
  },
  /** One that is not read to its end takes its answer along. Nobody has to listen for errors. */
  _destroy(this: Http2Request, error: Error | null, callback: (error?: Error | null) => void): void {
    if (!(this.readableEnded && this.complete) && !this.stream.closed) this.stream.close(CANCEL)
    callback(this.listenerCount('error') > 0 ? error : null)
  },
})

/** What belongs to an HTTP/1 connection, and must not be in a message of HTTP/2 (RFC 9113, 8.2.2). */
const OF_CONNECTIONS = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
])

const isOfConnection = (name: unknown) =>
  typeof name === 'string' && OF_CONNECTIONS.has(name.trim().toLowerCase())

const completeResponse = (inherited: ServerResponse) => ({
  [COMPLETED]: true,
  /** HTTP/2 sends none, and Node warns of each. */
  statusMessage: '',
  get destroyed(): boolean {
    return (this as unknown as Http2Response).stream.destroyed
  },
  /** Node's own is true, too, for what was never sent because the client broke off. */
  get writableFinished(): boolean {
    const { stream } = this as unknown as Http2Response
    return stream.writableFinished && !stream.aborted
  },
  get writableNeedDrain(): boolean {
    return (this as unknown as Http2Response).stream.writableNeedDrain
  },
  /** Node's own ends the stream without an error: half an answer would look whole. */
  destroy(this: Http2Response): Http2Response {
    if (!this.stream.closed) this.stream.close(this.writableFinished ? NO_ERROR : INTERNAL_ERROR)
    return this
  },
  setHeader(this: Http2Response, name: string, value: string): Http2Response {
    if (!isOfConnection(name)) inherited.setHeader.call(this, name, value)
    return this
  },
  appendHeader(this: Http2Response, name: string, value: string): Http2Response {
    if (!isOfConnection(name)) inherited.appendHeader.call(this, name, value)
    return this
  },
  setHeaders(this: Http2Response, headers: Headers | ReadonlyMap<string, number | string>): Http2Response {
    const cookies = 'getSetCookie' in headers ? headers.getSetCookie() : []
    for (const [name, value] of headers) this.setHeader(name, value)
    if (cookies.length > 0) this.setHeader('set-cookie', cookies)
    return this
  },
  writeHead(this: Http2Response, ...args: unknown[]): Http2Response {
    const [status] = this.headersSent ? args : takeHead(this, args)
    inherited.writeHead.call(this, status as number)
    return this
  },
})

type Pins = readonly (readonly [key: string | symbol, descriptor: PropertyDescriptor])[]

/** By the prototype of the messages that they are for. */
const known = new WeakMap<object, Pins>()

/**
 * Makes all that `message` inherits from the class that Node made for HTTP/2 its own: Express gives it another prototype,
 * under which it would be an HTTP/1 message without a socket. What somebody has put there before stays.
 */
function pin<T extends object>(message: T, end: object, complete: (inherited: T) => object): void {
  const prototype: object = Object.getPrototypeOf(message)
  let pins = known.get(prototype)
  if (pins === undefined) {
    pins = pinsOf(prototype, end, complete(prototype as T))
    known.set(prototype, pins)
  }
  for (const [key, descriptor] of pins) {
    if (!Object.hasOwn(message, key)) Object.defineProperty(message, key, descriptor)
  }
}

function pinsOf(first: object, end: object, completions: object): Pins {
  const pins = new Map<string | symbol, PropertyDescriptor>()
  const add = (from: object) => {
    for (const key of Reflect.ownKeys(from)) {
      const descriptor = Object.getOwnPropertyDescriptor(from, key)!
      if ('value' in descriptor) descriptor.writable = true
      pins.set(key, { ...descriptor, enumerable: false, configurable: true })
    }
  }
  const classes: object[] = []
  for (let at = first; at !== end && at !== Object.prototype; at = Object.getPrototypeOf(at))
    classes.unshift(at)
  classes.forEach(add)
  add(completions)
  pins.delete('constructor')
  return [...pins]
}
