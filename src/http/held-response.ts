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

function refuse(verb: string): never {
  throw Object.assign(new Error(`Cannot ${verb} headers after they are sent to the client`), {
    code: 'ERR_HTTP_HEADERS_SENT',
  })
}

/** Holds `res`. With `head`, its head is still to be written. */
export function holdBack(res: ServerResponse, head: boolean): Held {
  const calls: HeldCall[] = []
  let ended = false
  let refusedWrite = false
  const masks = head ? [HEAD_SENT] : []
  for (const mask of masks) Object.defineProperties(res, mask)
  return {
    head,
    calls,
    get refusedWrite() {
      return refusedWrite && !ended
    },
    add(method, args) {
      if (ended) {
        if (method === 'write') refuseWrite(args)
        return
      }
      calls.push({ method, args })
      if (method === 'write') refusedWrite = true
      if (method === 'end') {
        ended = true
        masks.push(ENDED)
        Object.defineProperties(res, ENDED)
      }
    },
    release() {
      for (const mask of masks) {
        for (const name of Object.keys(mask)) delete (res as unknown as Record<string, unknown>)[name]
      }
    },
    abandon(error) {
      for (const { args } of calls) {
        const callback = args.at(-1)
        if (typeof callback === 'function') callback(error)
      }
    },
  }
}

/** A write after the end: Node reports it to the callback and as an 'error' event, which nobody may be listening to. */
function refuseWrite(args: unknown[]): void {
  const callback = args.at(-1)
  if (typeof callback !== 'function') return
  const error = Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
  process.nextTick(callback as (error: Error) => void, error)
}
