// egg:Paste#recursive: lets an app hand its request on to another path below this filter, as an internal redirect that
// the client doesn't see, or take the answer of another path into its own. The body is read by who reads it first.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { readOptions } from '../config/options.js'
import { environ, type Position, position, returnTo } from '../http/environ.js'
import { endFork, forkForPage } from '../http/fork-request.js'
import { forkResponse } from '../http/fork-response.js'
import { onceClosed } from '../http/once-closed.js'
import { passUpgrade } from '../http/pass-upgrade.js'
import { decodePath } from '../http/path.js'
import type { App, Conf, Filter } from '../protocol.js'

declare module '../protocol.js' {
  interface Environ {
    /** Answers the request as if it had been for `path` below the recursive filter; see `recursive`. */
    'paste.recursive.forward'?: (path: string) => Promise<void>
    /** What a GET of `path` below the recursive filter answers; see `recursive`. */
    'paste.recursive.include'?: (path: string) => Promise<Included>
    /** The same as a stream, from the moment when its head is there. It must be read, or destroyed. */
    'paste.recursive.include_app_iter'?: (path: string) => Promise<Included<Readable>>
  }
}

/** The answer of another path: its status, its own headers (names in lower case), and its body. */
export interface Included<Body = Buffer> {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: Body
}

/** Thrown by an app, hands its request on: `throw new ForwardRequestException('/login')`. */
export class ForwardRequestException extends Error {
  override readonly name = 'ForwardRequestException'
  readonly path: string

  /** `path`, with its query if it has one, is below the recursive filter. */
  constructor(path: string) {
    super(`no recursive filter is in front of the app, to hand the request on to ${path}`)
    this.path = path
  }
}

/** How deep requests may be handed on and taken in: deeper are apps that go round in a circle. */
const DEEPEST = 10

/** egg:Paste#recursive: no settings. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  readOptions({}, localConf)
  return recursive()
}

/**
 * The same for use in code. `await environ(req)['paste.recursive.forward']('/other?x=1')` runs the pipeline behind this
 * filter again, with the path (and the query, if it has one); so does a ForwardRequestException. `include` runs it beside:
 * its answer is given back, and shares the session. They reject for what is no path, ten deep, with what the app throws, and
 * forward when the answer has begun.
 */
export function recursive(): Filter {
  return (next) => {
    const app: App = (req, res) => new Recursion(next, req).run(req, res)
    return passUpgrade(app, next)
  }
}

/** One request, with all that it leads to. */
class Recursion {
  readonly #next: App
  readonly #here: Position
  /** What was in the environ when the request got here. */
  readonly #known: ReadonlySet<string | symbol>

  constructor(next: App, req: IncomingMessage) {
    this.#next = next
    this.#here = position(req)
    this.#known = new Set(Reflect.ownKeys(environ(req)))
  }

  async run(req: IncomingMessage, res: ServerResponse, depth = 0): Promise<void> {
    const env = environ(req)
    env['paste.recursive.forward'] = (path) => this.#forward(req, res, path, depth)
    env['paste.recursive.include_app_iter'] = (path) => this.#include(req, res, path, depth)
    env['paste.recursive.include'] = async (path) => {
      const { body, ...head } = await this.#include(req, res, path, depth)
      return { ...head, body: await buffer(body) }
    }
    try {
      await this.#next(req, res)
    } catch (error) {
      if (!(error instanceof ForwardRequestException)) throw error
      await this.#forward(req, res, error.path, depth)
    }
  }

  async #forward(req: IncomingMessage, res: ServerResponse, path: string, depth: number): Promise<void> {
    check(path, depth)
    if (res.headersSent) throw new Error(`can't hand the request on to ${path}: the answer has begun`)
    this.#lead(req, path)
    await this.run(req, res, depth + 1)
  }

  async #include(
    req: IncomingMessage,
    res: ServerResponse,
    path: string,
    depth: number,
  ): Promise<Included<Readable>> {
    check(path, depth)
    const fork = forkForPage(req)
    const env = environ(fork)
    for (const key of Reflect.ownKeys(env)) if (!this.#known.has(key)) Reflect.deleteProperty(env, key)
    this.#lead(fork, path)
    return new Promise((resolve, reject) => {
      const body = new PassThrough().on('error', () => {}) // told to who reads it, if anybody does
      const { response, leave } = forkResponse(fork, res, (answer) => {
        resolve({ status: answer.statusCode, headers: { ...answer.getHeaders() }, body })
        return body
      })
      for (const name of response.getHeaderNames()) response.removeHeader(name)
      onceClosed(response, () => {
        endFork(fork, !response.writableFinished)
        reject(Object.assign(new Error(`${path} was not answered`), { code: 'ECONNRESET' }))
      })
      this.run(fork, response, depth + 1).catch((error: Error) => {
        reject(error)
        body.destroy(error)
        leave()
      })
    })
  }

  #lead(req: IncomingMessage, path: string): void {
    returnTo(req, this.#here)
    const query = path.indexOf('?')
    const env = environ(req)
    env.PATH_INFO = decodePath(query === -1 ? path : path.slice(0, query))
    env.QUERY_STRING = query === -1 ? '' : path.slice(query + 1)
  }
}

function check(path: string, depth: number): void {
  if (!/^\/(?!\/)/.test(path))
    throw new TypeError(`expected a path that begins with /, got ${JSON.stringify(path)}`)
  if (depth === DEEPEST)
    throw new Error(`the request was handed on ${DEEPEST} times, last to ${path}: a loop`)
}
