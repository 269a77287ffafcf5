// A response of its own for an app that is tried, or whose answer somebody wants to have: nothing that the app does
// touches the real one until it is known where the answer goes. So whoever has patched the real response (a compressing
// middleware, a logger) sees one answer only, the one that stands. Methods are own properties: Express swaps prototypes.

import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { cut, isHttp2 } from './answer.js'
import { takeHead } from './head-arguments.js'
import { answerCallback, refuse } from './held-response.js'
import { onceClosed } from './once-closed.js'

/**
 * Says where the answer goes, once status and headers are complete (they may be changed still): to the real response, or
 * into a stream, which gets the body alone.
 */
export type Judge = (fork: ServerResponse) => Writable

export interface ForkedResponse {
  readonly response: ServerResponse
  /** Closes it where it stands: what the app does to it from now on leads nowhere. */
  leave(): void
}

/**
 * A response for `req` (the request that the app is called with) with the headers that `res` has by now. What is done to
 * it is held until `judge` has spoken, at its head. It is closed when `res` is, or the stream that its body goes to.
 */
export function forkResponse(req: IncomingMessage, res: ServerResponse, judge: Judge): ForkedResponse {
  const fork = new ServerResponse(req) as Forked
  const state = new ForkState(fork, res, judge)
  copyExtras(res, fork)
  copyHeaders(res, fork)
  fork[STATE] = state
  fork.statusCode = res.statusCode
  insides(fork).socket = res.socket
  // One by one and always in this order, which costs V8 a tenth of what assigning an object does.
  fork.writeHead = writeHead as Forked['writeHead']
  fork.write = write as ServerResponse['write']
  fork.end = end as Forked['end']
  fork.flushHeaders = flushHeaders
  fork.destroy = destroy as Forked['destroy']
  fork.setTimeout = setTimeout as Forked['setTimeout']
  fork.writeContinue = writeContinue
  fork.writeProcessing = writeProcessing
  fork.writeEarlyHints = writeEarlyHints
  fork.addTrailers = addTrailers
  fork.cork = ignore
  fork.uncork = ignore
  Object.defineProperty(fork, 'writableFinished', NOT_YET)
  Object.defineProperty(fork, 'closed', NOT_YET)
  return { response: fork, leave: state.close }
}

const STATE = Symbol('sessd.fork')

type Forked = ServerResponse & { [STATE]: ForkState }

/** What Node lets nobody set. */
interface Insides {
  socket: ServerResponse['socket']
  writableFinished: boolean
  closed: boolean
  /** The head, once it is sent: since Node's beginnings. Middleware looks at it. */
  _header: string
}

function insides(fork: Forked): Insides {
  return fork as unknown as Insides
}

/** Node's own work them out from what a fork doesn't have. */
const NOT_YET = { value: false, writable: true, configurable: true }

class ForkState {
  readonly fork: Forked
  readonly res: ServerResponse
  readonly #judge: Judge
  to: Writable | undefined

  constructor(fork: Forked, res: ServerResponse, judge: Judge) {
    this.fork = fork
    this.res = res
    this.#judge = judge
    onceClosed(res, this.close)
  }

  /** The head is complete. */
  decide(): Writable {
    if (this.to !== undefined) return this.to
    const { fork, res } = this
    const to = this.#judge(fork)
    this.to = to
    if (to === res && !fork.closed) putHead(fork, res)
    insides(fork)._header = 'sent' // from here on Node refuses to change it
    if (fork.closed) return to
    if (to !== res) to.once('error', this.close).once('close', this.close)
    to.on('drain', this.drain).once('finish', this.finish)
    return to
  }

  /** Whether a write leads nowhere: its callback is told, and nobody else. */
  isOver(args: unknown[]): boolean {
    const isOver = this.fork.finished || this.fork.closed
    if (isOver) answerCallback(args, writeAfterEnd())
    return isOver
  }

  readonly drain = (): void => {
    this.fork.emit('drain')
  }

  readonly finish = (): void => {
    insides(this.fork).writableFinished = true
    this.fork.emit('finish')
  }

  readonly close = (): void => {
    const { fork, res, to } = this
    if (fork.closed) return
    insides(fork).closed = true
    fork.destroyed = true
    res.off('close', this.close)
    to?.off('finish', this.finish).off('drain', this.drain)
    if (to !== res) to?.destroy()
    fork.emit('close')
    insides(fork).socket = null // which serves others now
  }
}

function writeHead(this: Forked, ...args: unknown[]): ServerResponse {
  const state = this[STATE]
  if (state.to !== undefined) refuse('write')
  const [status, reason] = takeHead(this, args) as [number, string?]
  this.statusCode = status
  if (reason !== undefined) this.statusMessage = reason
  if (state.decide() === state.res && !this.closed) state.res.writeHead(state.res.statusCode)
  return this
}

function flushHeaders(this: Forked): void {
  const state = this[STATE]
  if (state.decide() === state.res && !this.closed) state.res.flushHeaders()
}

function write(this: Forked, ...args: unknown[]): boolean {
  const state = this[STATE]
  const to = state.decide()
  return !state.isOver(args) && to.write(...(args as [unknown]))
}

function end(this: Forked, ...args: unknown[]): ServerResponse {
  const state = this[STATE]
  const to = state.decide()
  if (state.isOver(args)) return this
  this.finished = true
  if (to !== state.res) state.res.off('close', state.close) // it ends by itself
  to.end(...(args as []))
  return this
}

function destroy(this: Forked, error?: Error): Forked {
  const { res, to } = this[STATE]
  this.destroyed = true
  if (to !== undefined && to !== res) to.destroy()
  else if (isHttp2(res)) cut(res)
  else res.destroy(error)
  return this
}

function setTimeout(this: Forked, ms: number, callback?: () => void): Forked {
  this[STATE].res.setTimeout(ms, callback)
  return this
}

// What comes before the head goes the straight way, as far as HTTP/2 has it.

function writeContinue(this: Forked, callback?: () => void): void {
  this[STATE].res.writeContinue?.(callback)
}

function writeProcessing(this: Forked, callback?: () => void): void {
  this[STATE].res.writeProcessing?.(callback)
}

function writeEarlyHints(
  this: Forked,
  hints: Record<string, string | string[]>,
  callback?: () => void,
): void {
  this[STATE].res.writeEarlyHints?.(hints, callback)
}

function addTrailers(this: Forked, ...args: Parameters<ServerResponse['addTrailers']>): void {
  const { res, to } = this[STATE]
  if (to === undefined || to === res) res.addTrailers(...args)
}

/** Corking is a hint, and the real response may be somebody else's. */
function ignore(): void {}

/** So many own properties has a response that nobody has touched. What comes later was added. */
let bare: number | undefined

/** What middleware outside has put on the response for apps to use: `res.flush`, `res.locals`. */
function copyExtras(from: ServerResponse, to: Forked): void {
  bare ??= Object.keys(new ServerResponse(to.req)).length
  const keys = Object.keys(from)
  for (let i = isHttp2(from) ? 0 : bare; i < keys.length; i++) {
    const key = keys[i]!
    if (!(key in to)) Object.assign(to, { [key]: from[key as keyof ServerResponse] })
  }
}

function copyHeaders(from: ServerResponse, to: ServerResponse): void {
  for (const name of rawNames(from)) {
    const value = from.getHeader(name)
    if (value !== undefined) to.setHeader(name, Array.isArray(value) ? [...value] : value)
  }
}

/** The head of `fork` in place of what `res` had. */
function putHead(fork: ServerResponse, res: ServerResponse): void {
  for (const name of res.getHeaderNames()) if (!fork.hasHeader(name)) res.removeHeader(name)
  copyHeaders(fork, res)
  res.statusCode = fork.statusCode
  if (!fork.sendDate) res.sendDate = false
  if (isHttp2(res)) return
  res.statusMessage = fork.statusMessage
  if (!fork.shouldKeepAlive) res.shouldKeepAlive = false
}

/** Header names as they were written; HTTP/2 knows them in lower case only. Node's types leave the method out. */
function rawNames(res: ServerResponse & { getRawHeaderNames?(): string[] }): string[] {
  return res.getRawHeaderNames?.() ?? res.getHeaderNames()
}

function writeAfterEnd(): Error {
  return Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
}
