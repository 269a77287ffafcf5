// A response that is held back while something is being stored. To the app it looks as if its calls had been made:
// headers are "sent", the end is an end, writes ask for patience. The calls are made when the response is released.

import type { ServerResponse } from 'node:http'
import type { Originals } from './response-hooks.js'

export interface HeldCall {
  readonly method: keyof Originals
  readonly args: unknown[]
}

/** What a response says of itself, with the held calls taken for made. */
const SAYS_YES: PropertyDescriptor = { configurable: true, get: () => true }
const refuseSet = () => refuse('set')
const refuseAppend = () => refuse('append')
const refuseRemove = () => refuse('remove')

/** What Node throws at those who come too late for the head. */
export function refuse(verb: string): never {
  throw Object.assign(new Error(`Cannot ${verb} headers after they are sent to the client`), {
    code: 'ERR_HTTP_HEADERS_SENT',
  })
}

/** Makes `res` look ended; answers a function that undoes it. */
export function maskEnd(res: ServerResponse): () => void {
  Object.defineProperty(res, 'writableEnded', SAYS_YES)
  return () => unmask(res, END_MASK)
}

/** Makes the head of `res` look sent. */
function maskHead(res: ServerResponse): void {
  res.setHeader = refuseSet
  res.setHeaders = refuseSet
  res.appendHeader = refuseAppend
  res.removeHeader = refuseRemove
  Object.defineProperty(res, 'headersSent', SAYS_YES)
}

/** Newest first: V8 takes back the property that came last, and any other makes the object a slow one for good. */
const HEAD_MASK = ['headersSent', 'removeHeader', 'appendHeader', 'setHeaders', 'setHeader']
const END_MASK = ['writableEnded']

function unmask(res: ServerResponse, names: readonly string[]): void {
  for (const name of names) delete (res as unknown as Record<string, unknown>)[name]
}

/** A class, as an object with a getter of its own would be kept by V8 until the next full collection. */
export class Held {
  /** Whether the head is held too. */
  readonly head: boolean
  readonly calls: HeldCall[] = []
  readonly #res: ServerResponse
  #ended = false
  #refusedWrite = false
  #released = false

  /** Holds `res`. With `head`, its head is still to be written. */
  constructor(res: ServerResponse, head: boolean) {
    this.#res = res
    this.head = head
    if (head) maskHead(res)
  }

  /** The app was told to wait for 'drain'. */
  get refusedWrite(): boolean {
    return this.#refusedWrite && !this.#ended
  }

  add(method: keyof Originals, args: unknown[]): void {
    if (this.#ended) {
      if (method === 'write') answerCallback(args, writeAfterEnd())
      else if (method === 'end') callWhenFinished(this.#res, args)
      return
    }
    this.calls.push({ method, args })
    if (method === 'write') this.#refusedWrite = true
    if (method === 'end') {
      this.#ended = true
      maskEnd(this.#res)
    }
  }

  /** Puts the response back as it was; the caller makes the calls. */
  release(): void {
    if (this.#released) return
    this.#released = true
    if (this.#ended) unmask(this.#res, END_MASK)
    if (this.head) unmask(this.#res, HEAD_MASK)
  }

  /** The calls will never be made: tells their callbacks. */
  abandon(error: unknown): void {
    for (const { args } of this.calls) answerCallback(args, error)
  }
}

/** Tells the callback of a call, if it has one, that it led nowhere. */
export function answerCallback(args: readonly unknown[], error: unknown): void {
  const callback = args.at(-1)
  if (typeof callback === 'function') process.nextTick(callback as (error: unknown) => void, error)
}

/** Node reports it to the callback and as an 'error' event, which nobody may be listening to. */
function writeAfterEnd(): Error {
  return Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
}

function callWhenFinished(res: ServerResponse, args: readonly unknown[]): void {
  const callback = args.at(-1)
  if (typeof callback === 'function') res.once('finish', callback as () => void)
}
