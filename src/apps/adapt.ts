// Finished apps of other frameworks, known by their shape: what a module exports or a factory gives back becomes an App.
// They are mounted as they are: `req.url` is the rest of the path, and the raw request is what they see.

import { type IncomingMessage, Server as NodeServer, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answer, isHttp2 } from '../http/answer.js'
import type { App, Filter, MaybePromise } from '../protocol.js'
import { assertUnread, type FetchHandler, fetchApp } from './fetch.js'

type Next = (error?: unknown) => void
type Middleware = (req: IncomingMessage, res: ServerResponse, next: Next) => unknown

/** For the loader: takes exports and results of factories by their shape. */
export const adapt = { app: adaptApp, filter: adaptMiddleware }

/** What `kind =` may say of an exported app, where its shape doesn't show it. */
export type AppKind =
  | 'handler'
  | 'middleware'
  | 'express'
  | 'connect'
  | 'koa'
  | 'fastify'
  | 'fetch'
  | 'server'

/**
 * An Express or Connect app, a Koa or Fastify instance (which is made ready), an `http.Server`, or an object with a
 * fetch handler (Hono, h3) as an App. With `kind`, as what that says. undefined: it is none of these, or not of that kind.
 */
export function adaptApp(exported: unknown, kind?: string): MaybePromise<App | undefined> {
  if (kind !== undefined) return Object.hasOwn(KINDS, kind) ? KINDS[kind as AppKind](exported) : undefined
  for (const take of [takeConnect, takeServer, takeKoa, takeFastify, takeFetch]) {
    const app = take(exported)
    if (app !== undefined) return app
  }
  return undefined
}

type Take = (exported: unknown) => MaybePromise<App | undefined>

const takeConnect: Take = (value) => (isConnectApp(value) ? fromConnect(value) : undefined)
const takeServer: Take = (value) => (value instanceof NodeServer ? fromServer(value) : undefined)
const takeKoa: Take = (value) => (isObject(value) && isKoa(value) ? fromKoa(value) : undefined)
const takeFastify: Take = (value) => (isObject(value) && isFastify(value) ? fromFastify(value) : undefined)
const takeFetch: Take = (value) => (isObject(value) ? fromFetch(value) : undefined)

const KINDS: Readonly<Record<AppKind, Take>> = {
  handler: (value) => (typeof value === 'function' ? (value as App) : undefined),
  middleware: (value) => adaptMiddleware(value)?.((_req, res) => answer(res, 404)),
  express: takeConnect,
  connect: takeConnect,
  koa: takeKoa,
  fastify: takeFastify,
  server: takeServer,
  fetch: (value) => (typeof value === 'function' ? fetchApp(value as FetchHandler) : takeFetch(value)),
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** Hono, h3, and what else is an object with `fetch(request)`. */
function fromFetch(value: object): App | undefined {
  if (!hasMethods(value, 'fetch')) return undefined
  const holder = value as { fetch: FetchHandler }
  return withClose(
    fetchApp((request, env) => holder.fetch(request, env)),
    value,
  )
}

/** Whoever has something to close hears of the end. */
function withClose(app: App, value: object): App {
  if (hasMethods(value, 'close')) app.close = () => (value as { close(): MaybePromise<void> }).close()
  return app
}

/** Connect middleware `(req, res, next)` as a Filter. An error given to `next` fails the request. undefined: no function. */
export function adaptMiddleware(exported: unknown): Filter | undefined {
  if (typeof exported !== 'function') return undefined
  const middleware = exported as Middleware
  return (next) => {
    const app: App = (req, res) =>
      new Promise((resolve, reject) => {
        // Middleware that answers by itself never calls next.
        res.once('close', resolve)
        let passed = false
        const pass: Next = (error) => {
          if (passed) return
          passed = true
          if (error === undefined || error === null) resolve(run(next, req, res))
          else reject(error instanceof Error ? error : new Error(String(error)))
        }
        const result = middleware(req, res, pass)
        if (result instanceof Promise) result.catch(reject)
      })
    if (next.upgrade !== undefined) app.upgrade = (req, socket, head) => next.upgrade!(req, socket, head)
    return app
  }
}

/** Always a promise: what the app throws at once is the request's failure, not the middleware's. */
async function run(app: App, req: IncomingMessage, res: ServerResponse): Promise<unknown> {
  return app(req, res)
}

interface ConnectApp {
  (req: IncomingMessage, res: ServerResponse): unknown
  handle: unknown
}

/** Express has `set` and `use`, Connect has `use`; both are functions with a `handle`. */
function isConnectApp(value: unknown): value is ConnectApp {
  return typeof value === 'function' && hasMethods(value, 'handle', 'use')
}

/** An app ends what it has no route for; a bare Router, which can't listen, has to be told how. */
function fromConnect(app: ConnectApp): App {
  if (hasMethods(app, 'listen')) {
    const isExpress = hasMethods(app, 'engine')
    return withClose((req, res) => {
      if (isExpress && isHttp2(res))
        throw new Error("Express can't serve HTTP/2: it puts its own prototypes on requests")
      return app(req, res)
    }, app)
  }
  return adaptMiddleware(app)!((_req, res) => answer(res, 404))
}

interface Koa {
  callback(): (req: IncomingMessage, res: ServerResponse) => unknown
  middleware: unknown[]
  createContext(req: IncomingMessage, res: ServerResponse): KoaContext
}

interface KoaContext {
  originalUrl: string
  request: { originalUrl: string }
}

function isKoa(value: object): value is Koa {
  return (
    hasMethods(value, 'callback', 'createContext') && 'middleware' in value && Array.isArray(value.middleware)
  )
}

/** Koa takes `req.url` for the original one, which under a mount it is not: `ctx.href` would lose the prefix. */
function fromKoa(koa: Koa): App {
  const createContext = koa.createContext
  koa.createContext = function (this: Koa, req, res) {
    const context = createContext.call(this, req, res)
    const { originalUrl } = req as { originalUrl?: unknown }
    if (typeof originalUrl === 'string') {
      context.originalUrl = originalUrl
      context.request.originalUrl = originalUrl
    }
    return context
  }
  const handler = koa.callback()
  return (req, res) => {
    assertUnread(req)
    return handler(req, res)
  }
}

interface Fastify {
  ready(): PromiseLike<unknown>
  routing(req: IncomingMessage, res: ServerResponse): unknown
  close(): Promise<void>
}

function isFastify(value: object): value is Fastify {
  return hasMethods(value, 'ready', 'routing', 'close')
}

async function fromFastify(fastify: Fastify): Promise<App> {
  await fastify.ready()
  const app: App = (req, res) => {
    assertUnread(req)
    return fastify.routing(req, res)
  }
  app.close = () => fastify.close()
  return app
}

/** A server that was never told to listen: its listeners are the app. */
function fromServer(server: NodeServer): App | undefined {
  if (server.listenerCount('request') === 0) return undefined
  const app: App = (req, res) => {
    server.emit('request', req, res)
  }
  app.close = () => void server.emit('close')
  if (server.listenerCount('upgrade') > 0) {
    app.upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      server.emit('upgrade', req, socket, head)
    }
  }
  return app
}

function hasMethods(value: object, ...names: string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}
