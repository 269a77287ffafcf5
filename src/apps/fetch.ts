// Handlers that speak the web's Request and Response, as Hono, h3 and others export them, as an App. Bodies stream both
// ways; when the client goes away, the request's signal is aborted. The Request shows the rest of the path, as req.url.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { answer, cut, isGone, isHttp2 } from '../http/answer.js'
import { environ } from '../http/environ.js'
import { onceClosed } from '../http/once-closed.js'
import type { App, Environ, MaybePromise } from '../protocol.js'

/** What Node's adapters of Hono hand over as `c.env`, and we do too: the raw request and response. */
export interface FetchEnv {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** A fetch handler. The second argument may be ignored. */
export type FetchHandler = (request: Request, env: FetchEnv) => MaybePromise<Response>

/** What hangs on a Request that this file made: getSession(request) finds the environ, h3 the runtime. */
export interface RequestLinks {
  readonly environ: Environ
  readonly runtime: {
    readonly name: 'node'
    readonly node: { readonly req: IncomingMessage; readonly res: ServerResponse }
  }
}

/**
 * A fetch handler as an App: `fetchApp((request) => new Response('hello'))`, or of an object with such a method:
 * `fetchApp(hono.fetch)`. A request that no Request can be is answered 400 (its Host) or 501 (TRACE).
 */
export function fetchApp(handler: FetchHandler): App {
  return async (req, res) => {
    if (UNSPEAKABLE.has(req.method!)) return answer(res, 501)
    const url = `${environ(req)['wsgi.url_scheme']}://${environ(req).HTTP_HOST || 'localhost'}${pathOf(req)}`
    if (!URL.canParse(url)) return answer(res, 400)
    const client = new AbortController()
    const gone = () => {
      if (!res.writableFinished) client.abort(new DOMException('the client went away', 'AbortError'))
    }
    onceClosed(res, gone)
    const response = await handler(makeRequest(req, res, url, client.signal), {
      incoming: req,
      outgoing: res,
    })
    if (res.headersSent || res.writableEnded) return // by somebody who took env.outgoing
    if (!(response instanceof Response) && !looksLikeResponse(response))
      throw new TypeError(`a fetch handler gave back ${String(response)}, expected a Response`)
    await send(response, req, res)
  }
}

/** Methods that the fetch standard forbids. */
const UNSPEAKABLE = new Set(['TRACE', 'TRACK', 'CONNECT'])

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.startsWith('/') ? url : '/'
}

function makeRequest(req: IncomingMessage, res: ServerResponse, url: string, signal: AbortSignal): Request {
  const method = req.method!
  const hasBody = method !== 'GET' && method !== 'HEAD'
  if (hasBody) assertUnread(req)
  const body = hasBody ? { body: Readable.toWeb(req) as ReadableStream<Uint8Array>, duplex: 'half' } : {}
  const request = new Request(url, {
    method,
    headers: headersOf(req),
    signal,
    redirect: 'manual',
    ...body,
  } as RequestInit)
  const links: RequestLinks = { environ: environ(req), runtime: { name: 'node', node: { req, res } } }
  for (const [name, value] of Object.entries(links)) Object.defineProperty(request, name, { value })
  return request
}

/** Throws when a body was read by somebody outside, who should have put it back: apps would wait for it for ever. */
export function assertUnread(req: IncomingMessage): void {
  const expected =
    req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
  if (!expected || !req.readableEnded) return
  throw new Error('the request body was read before it got here: what reads it must put it back')
}

function headersOf(req: IncomingMessage): Headers {
  const headers = new Headers()
  const { rawHeaders } = req
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!
    if (!name.startsWith(':')) headers.append(name, rawHeaders[at + 1]!)
  }
  return headers
}

/** A Response of another realm or polyfill, such as the one of @hono/node-server. */
function looksLikeResponse(value: unknown): value is Response {
  const { status, headers } = (value ?? {}) as { status?: unknown; headers?: { getSetCookie?: unknown } }
  return typeof status === 'number' && typeof headers?.getSetCookie === 'function'
}

async function send(response: Response, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (response.status < 200)
    throw new TypeError(`a fetch handler gave back a Response with status ${response.status}`)
  res.statusCode = response.status
  if (response.statusText !== '' && !isHttp2(res)) res.statusMessage = response.statusText
  for (const [name, value] of response.headers) {
    if (name !== 'set-cookie') res.setHeader(name, value)
  }
  for (const cookie of response.headers.getSetCookie()) res.appendHeader('Set-Cookie', cookie)
  if (response.body === null) res.end()
  else if (req.method === 'HEAD') {
    res.end()
    await response.body.cancel()
  } else await pump(response.body.getReader(), res)
}

/** Writes a body as the client takes it. What is slow to come lets the head go first; one piece alone has a length. */
async function pump(reader: ReadableStreamDefaultReader<Uint8Array>, res: ServerResponse): Promise<void> {
  const stop = () =>
    void reader.cancel(new DOMException('the client went away', 'AbortError')).catch(() => {})
  onceClosed(res, stop)
  const slow = setImmediate(() => {
    if (!res.headersSent && !isGone(res)) res.flushHeaders()
  })
  try {
    let piece = await reader.read()
    clearImmediate(slow)
    let next = readAhead(reader)
    if (!piece.done && !isGone(res) && (await Promise.race([next, nextTurn()]))?.done === true) {
      res.off('close', stop)
      res.end(piece.value)
      return
    }
    while (!piece.done) {
      if (isGone(res)) return
      if (!res.write(piece.value)) await drained(res)
      piece = await next
      if (!piece.done) next = readAhead(reader)
    }
    res.off('close', stop)
    if (!isGone(res)) res.end()
  } catch (error) {
    // A stream that fails before its first byte is an error like any other; later, half of it must not look whole.
    if (res.headersSent) cut(res)
    throw error
  } finally {
    clearImmediate(slow)
  }
}

/** The next piece, asked for before it is needed: when it fails and nobody needs it any more, that is no one's error. */
function readAhead(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const piece = reader.read()
  piece.catch(() => {})
  return piece
}

function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined))
}

function drained(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      res.off('drain', done)
      res.off('close', done)
      resolve()
    }
    res.on('drain', done)
    res.on('close', done)
  })
}
