// egg:Paste#lint: holds both sides to the protocol, the server for what it hands over and the app for how it answers.
// Our tests serve their apps inside it. It belongs right outside of what is in doubt, and not in production.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { logger } from '../config/logging.js'
import { readOptions } from '../config/options.js'
import { environ } from '../http/environ.js'
import { sentenceOf } from '../http/guard.js'
import type { App, Conf, Filter } from '../protocol.js'
import { checkEnviron, checkHead, checkRequest, headOf, LintError } from './lint/rules.js'

export { LintError }

const log = logger('sessd.lint')

function report(err: LintError, req: IncomingMessage): void {
  log.error({ req, err }, sentenceOf(err, req))
}

/** egg:Paste#lint: no settings. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  readOptions({}, localConf)
  return lint()
}

export interface LintOptions {
  /** Told of each broken rule; its stack leads to the guilty call. Default: one line on stderr. */
  readonly onError?: (error: LintError, req: IncomingMessage) => void
}

/**
 * The same for use in code: `lint()(app)`. A broken rule is reported, and the request ends as 500 that names the rule, or
 * with a closed connection if the head is out; nothing is thrown into the app.
 */
export function lint({ onError = report }: LintOptions = {}): Filter {
  return (next) => {
    const app: App = (req, res) => {
      // One watch sees all; a second one would find the calls of the first and never end.
      if ((res as Watched)[WATCH] !== undefined) return next(req, res)
      const watch = new Watch(req, res, onError)
      if (!watch.attempt(() => checkRequest(req, res))) return
      return next(req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        try {
          checkUpgrade(req, socket, head)
        } catch (error) {
          onError(error as LintError, req)
          socket.destroy()
          return
        }
        return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}

function checkUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
  checkRequest(req)
  if (!Buffer.isBuffer(head)) throw new LintError('upgrade-head', 'expected a Buffer as third argument', head)
  if (!socket.writable)
    throw new LintError('upgrade-socket', 'expected a socket that can be written to', socket)
}

const WATCH = Symbol('sessd.lint')
type Watched = ServerResponse & { [WATCH]: Watch }

/**
 * What the app does with one response. The three methods are replaced by shared functions that look at the call and then
 * make it unchanged: this file doesn't go through response-hooks.ts, because it must see what the app really passes.
 */
class Watch {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #onError: (error: LintError, req: IncomingMessage) => void
  readonly #environ: unknown
  readonly originals: Pick<ServerResponse, 'writeHead' | 'write' | 'end'>
  broken = false
  status = 0
  /** What Content-Length promised; undefined: nothing, or nothing that must come (HEAD). */
  promised: number | undefined
  sent = 0
  /** `ending`: inside of `end`, which over HTTP/2 calls `write` for what it was given. */
  phase: 'open' | 'ending' | 'ended' = 'open'

  constructor(
    req: IncomingMessage,
    res: ServerResponse,
    onError: (error: LintError, req: IncomingMessage) => void,
  ) {
    this.#req = req
    this.#res = res
    this.#onError = onError
    this.#environ = environ(req)
    this.originals = { writeHead: res.writeHead, write: res.write, end: res.end }
    ;(res as Watched)[WATCH] = this
    Object.assign(res, { writeHead, write, end })
  }

  /** Runs a check. False: it failed, and the request is answered. */
  attempt(check: () => void): boolean {
    try {
      check()
      return true
    } catch (error) {
      if (!(error instanceof LintError)) throw error
      this.#fail(error)
      return false
    }
  }

  head(args: readonly unknown[]): boolean {
    return this.attempt(() => {
      checkEnviron(this.#req, this.#environ)
      const head = headOf(this.#res, args)
      checkHead(head)
      this.status = head.status
      const length = head.headers.get('content-length')?.at(-1)
      this.promised = length === undefined || this.#req.method === 'HEAD' ? undefined : Number(length)
    })
  }

  chunk(chunk: unknown, encoding: unknown): boolean {
    if (chunk === undefined || chunk === null || typeof chunk === 'function') return true
    return this.attempt(() => {
      if (this.phase === 'ended')
        throw new LintError('after-end', 'the app wrote to a response that it had ended', chunk)
      if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array))
        throw new LintError('chunk', 'expected a string, a Buffer or a Uint8Array as body', chunk)
      this.sent +=
        typeof chunk === 'string' ? Buffer.byteLength(chunk, encoding as BufferEncoding) : chunk.byteLength
      if (this.sent > 0 && (this.status === 204 || this.status === 304))
        throw new LintError('no-body', `a ${this.status} has no body`, chunk)
    })
  }

  over(): boolean {
    return this.attempt(() => {
      if (this.promised === undefined || this.status === 304 || this.phase === 'ended' || this.#res.destroyed)
        return
      if (this.promised !== this.sent)
        throw new LintError(
          'content-length',
          `expected ${this.promised} bytes as Content-Length says`,
          this.sent,
        )
    })
  }

  #fail(error: LintError): void {
    this.broken = true
    const res = this.#res
    try {
      this.#onError(error, this.#req)
    } finally {
      if (res.headersSent) res.destroy()
      else {
        for (const name of res.getHeaderNames()) res.removeHeader(name)
        const body = `500 Internal Server Error\n${error.message}\n`
        res.statusCode = 500
        res.setHeader('Content-Type', 'text/plain; charset=utf-8')
        res.setHeader('Content-Length', Buffer.byteLength(body))
        this.originals.writeHead.call(res, 500)
        this.originals.end.call(res, body as never, 'utf8' as never)
      }
    }
  }
}

function writeHead(this: Watched, ...args: unknown[]): ServerResponse {
  const watch = this[WATCH]
  if (watch.broken) return this
  // A second head is Node's to refuse, with its own error.
  if (!this.headersSent && !watch.head(args)) return this
  return watch.originals.writeHead.apply(this, args as Parameters<ServerResponse['writeHead']>)
}

function write(this: Watched, ...args: unknown[]): boolean {
  const watch = this[WATCH]
  if (watch.broken) return true
  if (watch.phase === 'ending')
    return watch.originals.write.apply(this, args as Parameters<ServerResponse['write']>)
  if (!this.headersSent) this.writeHead(this.statusCode)
  if (watch.broken || !watch.chunk(args[0], args[1])) return true
  return watch.originals.write.apply(this, args as Parameters<ServerResponse['write']>)
}

function end(this: Watched, ...args: unknown[]): ServerResponse {
  const watch = this[WATCH]
  if (watch.broken) return this
  if (!this.headersSent && !watch.head([this.statusCode])) return this
  if (!watch.chunk(args[0], args[1]) || !watch.over()) return this
  watch.phase = 'ending'
  watch.originals.end.apply(this, args as Parameters<ServerResponse['end']>)
  watch.phase = 'ended'
  return this
}
