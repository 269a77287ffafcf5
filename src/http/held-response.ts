// A response that is held back while something is being stored. To the app it looks as if its calls had been made:
// headers are "sent", the end is an end, writes ask for patience. The calls are made when the response is released.

import type { ServerResponse } from 'node:http'
import type { Originals } from './response-hooks.js'

export interface HeldCall {
  readonly method: keyof Originals
  readonly args: unknown[]
}

export interface Held {
  /** Whether the head is held too. */
  readonly head: boolean
  readonly calls: readonly HeldCall[]
  /** The app was told to wait for 'drain'. */
  readonly refusedWrite: boolean
  add(method: keyof Originals, args: unknown[]): void
  /** Puts the response back as it was; the caller makes the calls. */
  release(): void
  /** The calls will never be made: tells their callbacks. */
  abandon(error: unknown): void
}

/** What a response says of itself, with the held calls taken for made. */
const HEAD_SENT: PropertyDescriptorMap = {
  headersSent: { configurable: true, get: () => true },
  setHeader: { configurable: true, value: () => refuse('set') },
  setHeaders: { configurable: true, value: () => refuse('set') },
  appendHeader: { configurable: true, value: () => refuse('append') },
  removeHeader: { configurable: true, value: () => refuse('remove') },
}
const ENDED: PropertyDescriptorMap = {
  writableEnded: { configurable: true, get: () => true },
}

/** What Node throws at those who come too late for the head. */
export function refuse(verb: string): never {
  throw Object.assign(new Error(`Cannot ${verb} headers after they are sent to the client`), {
    code: 'ERR_HTTP_HEADERS_SENT',
  })
}

/** Makes `res` look ended; answers a function that undoes it. */
export function maskEnd(res: ServerResponse): () => void {
  return mask(res, ENDED)
}

function mask(res: ServerResponse, properties: PropertyDescriptorMap): () => void {
  Object.defineProperties(res, properties)
  return () => {
    for (const name of Object.keys(properties)) delete (res as unknown as Record<string, unknown>)[name]
  }
}

/** Holds `res`. With `head`, its head is still to be written. */
export function holdBack(res: ServerResponse, head: boolean): Held {
  const calls: HeldCall[] = []
  let ended = false
  let refusedWrite = false
  const unmask = head ? [mask(res, HEAD_SENT)] : []
  return {
    head,
    calls,
    get refusedWrite() {
      return refusedWrite && !ended
    },
    add(method, args) {
      if (ended) {
        if (method === 'write') answerCallback(args, writeAfterEnd())
        else if (method === 'end') callWhenFinished(res, args)
        return
      }
      calls.push({ method, args })
      if (method === 'write') refusedWrite = true
      if (method === 'end') {
        ended = true
        unmask.push(maskEnd(res))
      }
    },
    release() {
      for (const undo of unmask.splice(0)) undo()
    },
    abandon(error) {
      for (const { args } of calls) answerCallback(args, error)
    },
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
