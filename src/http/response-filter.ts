// What may be done with a whole response: let it pass, or send its body through a stream. To the app inside it looks sent
// in both cases. Nothing here patches a response: response-hooks.ts calls these methods.

import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { isHttp2 } from './answer.js'
import { takeHead } from './head-arguments.js'
import { maskEnd } from './held-response.js'
import { onceClosed } from './once-closed.js'
import type { Originals } from './response-hooks.js'

/** A stream: the body goes through it, and it is destroyed with the response. */
export type Verdict = 'pass' | Duplex

/** Something that stands around an app and looks at the head of its response. */
export interface ResponseFilter {
  /** Called once, when the hooks inside are done: status and headers are complete, and may be changed. */
  head(res: ServerResponse): Verdict
  /** Passed: so many bytes of the body went on. */
  counted?(bytes: number): void
}

/** The four methods as the layer inside calls them; `outer` are those of the layer outside. */
export function filterMethods(res: ServerResponse, filter: ResponseFilter, outer: Outer): Originals {
  const flow = new Flow(res, filter, outer)
  return {
    writeHead(...args: unknown[]) {
      flow.writeHead(args)
      return res
    },
    write: (...args: unknown[]) => flow.write(args),
    end(...args: unknown[]) {
      flow.end(args)
      return res
    },
    flushHeaders: () => flow.flushHeaders(),
  }
}

/** The methods of a layer, called without `this`. */
export interface Outer {
  writeHead(...args: unknown[]): unknown
  write(...args: unknown[]): boolean
  end(...args: unknown[]): unknown
  flushHeaders(): void
}

class Flow {
  readonly #res: ServerResponse
  readonly #filter: ResponseFilter
  readonly #outer: Outer
  #verdict: Verdict | undefined
  #ended = false

  constructor(res: ServerResponse, filter: ResponseFilter, outer: Outer) {
    this.#res = res
    this.#filter = filter
    this.#outer = outer
  }

  writeHead(args: unknown[]): void {
    if (this.#verdict !== undefined) {
      this.#outer.writeHead(...args)
      return
    }
    const res = this.#res
    const [status, reason] = takeHead(res, args) as [number, string?]
    res.statusCode = status
    if (reason !== undefined && !isHttp2(res)) res.statusMessage = reason
    if (this.#decide() === 'pass') this.#outer.writeHead(res.statusCode)
  }

  write(args: unknown[]): boolean {
    const verdict = this.#decide()
    if (this.#ended) {
      refuse(args)
      return false
    }
    if (verdict === 'pass') {
      this.#count(args)
      return this.#outer.write(...args)
    }
    const { chunk, encoding, callback } = parts(args)
    return verdict.write(chunk, encoding, callback)
  }

  end(args: unknown[]): void {
    const verdict = this.#decide()
    if (verdict === 'pass') {
      if (!this.#ended) this.#count(args)
      this.#ended = true
      this.#outer.end(...args)
      return
    }
    if (this.#ended) return
    this.#ended = true
    const unmask = maskEnd(this.#res)
    const { chunk, encoding, callback } = parts(args)
    verdict.once('end', () => {
      unmask()
      this.#outer.end(...(callback ? [callback] : []))
    })
    if (chunk == null) verdict.end()
    else verdict.end(chunk, encoding)
  }

  flushHeaders(): void {
    this.#decide()
    this.#outer.flushHeaders()
  }

  #decide(): Verdict {
    if (this.#verdict !== undefined) return this.#verdict
    const verdict = this.#filter.head(this.#res)
    this.#verdict = verdict
    if (verdict !== 'pass') {
      this.#outer.writeHead(this.#res.statusCode)
      this.#send(verdict)
    }
    return verdict
  }

  /** What comes out of `body` goes on, with back-pressure: a full stream asks the app for patience, as the socket does. */
  #send(body: Duplex): void {
    const res = this.#res
    const resume = () => body.resume()
    body.on('data', (chunk: Buffer) => {
      if (this.#outer.write(chunk)) return
      body.pause()
      res.once('drain', resume)
    })
    body.on('drain', () => res.emit('drain'))
    body.on('error', (error) => res.destroy(error))
    onceClosed(res, () => body.destroy())
  }

  #count(args: unknown[]): void {
    const { chunk, encoding } = parts(args)
    if (chunk == null || this.#filter.counted === undefined) return
    this.#filter.counted(typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding) : chunk.byteLength)
  }
}

interface Parts {
  readonly chunk: string | Uint8Array | undefined
  readonly encoding: BufferEncoding
  readonly callback: ((error?: Error | null) => void) | undefined
}

/** `(chunk?, encoding?, callback?)`, each of which may be left out. */
function parts(args: unknown[]): Parts {
  const callback = args.find((arg) => typeof arg === 'function') as Parts['callback']
  const [chunk, encoding] = args.filter((arg) => typeof arg !== 'function')
  return {
    chunk: chunk as Parts['chunk'],
    encoding: typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8',
    callback,
  }
}

function refuse(args: unknown[]): void {
  const { callback } = parts(args)
  const error = Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
  if (callback) process.nextTick(callback, error)
}
