// One request on its way upstream and its answer on the way back. To http-proxy it looks like the client's request, so
// the real one is never patched; both bodies are moved here, with back-pressure, counted and ended.

import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { answer, answerInstead, cut, isGone } from '../../http/answer.js'
import { onceClosed } from '../../http/once-closed.js'
import { type Framing, keptTrailers, writeHead } from './headers.js'
import type { Forwarder, Outgoing } from './http-proxy.js'

/** What the exchanges of one proxy share. */
export interface Route {
  readonly forwarder: Forwarder<Exchange>
  /** Told why an exchange failed; the client is told a status only. */
  report(error: Error, req: IncomingMessage): void
}

/** What goes upstream. */
export interface Head {
  readonly target: string
  readonly headers: OutgoingHttpHeaders
  readonly framing: Framing
  /** Trailers that stay here, in lower case. */
  readonly suppressed: ReadonlySet<string>
}

/** Safe to send twice (RFC 9110, 9.2.2). PUT and DELETE are too, but not worth it: they mostly carry a body. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

export class Exchange implements Outgoing {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #head: Head
  readonly #route: Route
  /** Called when the upstream has done its work: when its answer begins, or is known never to come. */
  readonly #onWorkDone: (() => void) | undefined
  #proxyReq: ClientRequest | undefined
  #proxyRes: IncomingMessage | undefined
  #error: Error | undefined
  #timedOut = false
  #repeated = false
  /** Nothing more is to be done: answered, or the client is gone. */
  #over = false

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    head: Head,
    route: Route,
    onWorkDone?: (() => void) | undefined,
  ) {
    this.#req = req
    this.#res = res
    this.#head = head
    this.#route = route
    this.#onWorkDone = onWorkDone
    onceClosed(res, () => {
      if (this.#over) return
      this.#over = true
      // What the upstream has in full it works off, whoever is gone: those who wait for that wait until it answers.
      const isAtWork = this.#proxyRes === undefined && this.#proxyReq?.writableEnded === true
      if (onWorkDone === undefined || !isAtWork) this.#proxyReq?.destroy()
    })
  }

  start(): void {
    if (isGone(this.#res)) {
      this.#over = true
      this.#onWorkDone?.()
    } else if (isConsumed(this.#req, this.#head.framing)) this.#fail(500, new Error(BODY_TOUCHED))
    else this.#route.forwarder.start(this, this.#res)
  }

  get method(): string {
    return this.#req.method!
  }

  get url(): string {
    return this.#head.target
  }

  get headers(): OutgoingHttpHeaders {
    return this.#head.headers
  }

  get socket(): { readonly destroyed: boolean } {
    return { destroyed: this.#over }
  }

  on(): void {} // http-proxy listens for 'aborted' and 'error' of the client's request; `res` tells both

  pipe(proxyReq: ClientRequest): void {
    this.#proxyReq = proxyReq
    proxyReq.path = this.#head.target
    proxyReq.once('close', () => this.#closed())
    proxyReq.once('timeout', () => {
      this.#timedOut = true
      proxyReq.destroy()
    })
    proxyReq.on('information', (information) => this.#inform(information.statusCode, information.rawHeaders))
    if (this.#head.framing.length === 0) proxyReq.end()
    else this.#sendBody(proxyReq)
  }

  failed(error: Error): void {
    this.#error ??= error
  }

  respond(proxyRes: IncomingMessage): void {
    this.#proxyRes = proxyRes
    const res = this.#res
    if (this.#over) {
      this.#proxyReq!.destroy() // the client is gone, and `closed` is the end
      return
    }
    try {
      writeHead(proxyRes, res)
    } catch (error) {
      this.#fail(502, error as Error)
      return
    }
    this.#onWorkDone?.()
    proxyRes.on('error', () => {}) // told by `close` of the request, like every other end
    const resume = () => proxyRes.resume()
    proxyRes.on('data', (chunk: Buffer) => {
      if (this.#over || isGone(res) || res.write(chunk)) return
      proxyRes.pause()
      res.once('drain', resume)
    })
    proxyRes.once('end', () => {
      this.#over = true
      if (proxyRes.rawTrailers.length > 0) res.addTrailers(keptTrailers(proxyRes))
      res.end()
    })
  }

  /** 103 Early Hints; other interim answers are between us and the upstream. */
  #inform(status: number, rawHeaders: readonly string[]): void {
    const { httpVersion } = this.#req
    if (status !== 103 || httpVersion === '1.0' || this.#over || this.#res.headersSent) return
    const link = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]!.toLowerCase() === 'link')
    try {
      if (link.length > 0) this.#res.writeEarlyHints({ link })
    } catch {
      // a hint that Node finds malformed is left out
    }
  }

  #sendBody(proxyReq: ClientRequest): void {
    const req = this.#req
    const { length } = this.#head.framing
    let sent = 0
    const fail = () => this.#fail(500, new Error(BODY_TOUCHED))
    const resume = () => req.resume()
    const onData = (chunk: Buffer) => {
      sent += chunk.length
      if (length !== undefined && sent > length) return fail()
      if (proxyReq.write(chunk)) return
      req.pause()
      proxyReq.once('drain', resume)
    }
    const onEnd = () => {
      if (length !== undefined && sent !== length) return fail()
      if (length === undefined && req.rawTrailers.length > 0) {
        proxyReq.addTrailers(keptTrailers(req, this.#head.suppressed))
      }
      proxyReq.end()
    }
    const onClose = () => {
      if (!proxyReq.writableEnded) proxyReq.destroy()
    }
    req.on('data', onData).once('end', onEnd).once('close', onClose)
    // Node keeps the head back until there is some body: an upstream that would refuse it, or talk first, must see it.
    setImmediate(() => {
      if (!proxyReq.headersSent && !proxyReq.destroyed) proxyReq.flushHeaders()
    })
    // An upstream that answers early takes no more: the rest is read and dropped, or the connection would stand still.
    proxyReq.once('close', () => {
      req.off('data', onData).off('end', onEnd).off('close', onClose).resume()
    })
  }

  /** The upstream's side is over, well or not. */
  #closed(): void {
    if (this.#over) this.#onWorkDone?.()
    if (this.#over || this.#proxyRes?.complete) return
    const begun = this.#proxyRes !== undefined
    const error = this.#error ?? new Error(begun ? 'the answer broke off' : CLOSED)
    if (this.#mayRepeat()) {
      this.#repeated = true
      this.#error = undefined
      this.start()
    } else {
      const late = this.#timedOut || (error as { code?: unknown }).code === 'ETIMEDOUT'
      this.#fail(
        late ? 504 : 502,
        this.#timedOut ? new Error(begun ? 'the answer stood still' : 'no answer in time') : error,
      )
    }
  }

  /** A kept connection that the upstream was just closing: no fault of the request, a new connection will do. */
  #mayRepeat(): boolean {
    return (
      this.#proxyReq!.reusedSocket &&
      !this.#repeated &&
      !this.#timedOut &&
      this.#proxyRes === undefined &&
      this.#head.framing.length === 0 &&
      REPEATABLE.has(this.method)
    )
  }

  #fail(status: 500 | 502 | 504, error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#route.report(error, this.#req)
    const res = this.#res
    if (res.headersSent) cut(res)
    else if (this.#proxyRes === undefined) answer(res, status, SENTENCES[status])
    else answerInstead(res, status, SENTENCES[status])
    this.#proxyReq?.destroy()
    this.#onWorkDone?.()
  }
}

const BODY_TOUCHED =
  'the request body was read or changed before it got here: what reads it must put it back, unchanged'

const CLOSED = 'the connection was closed without an answer'

/** Whether a body is missing that should be there. Where its length is known, counting finds the rest. */
function isConsumed(req: IncomingMessage, { length }: Framing): boolean {
  if (length === 0) return false
  return req.readableEnded || (length === undefined && req.readableDidRead && req.readableLength === 0)
}

const SENTENCES = {
  500: '500 Internal Server Error: the request body was lost on the way',
  502: '502 Bad Gateway: the server behind this address could not be reached or broke off',
  504: '504 Gateway Timeout: the server behind this address took too long',
}
