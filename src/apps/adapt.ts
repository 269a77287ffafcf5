// Finished apps of other frameworks, known by their shape: what a module exports or a factory gives back becomes an App.
// They are mounted as they are: `req.url` is the rest of the path, and the raw request is what they see.

import { type IncomingMessage, Server as NodeServer, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answer } from '../http/answer.js'
import type { App, Filter, MaybePromise } from '../protocol.js'

type Next = (error?: unknown) => void
type Middleware = (req: IncomingMessage, res: ServerResponse, next: Next) => unknown

/** For the loader: takes exports and results of factories by their shape. */
export const adapt = { app: adaptApp, filter: adaptMiddleware }

/**
 * An Express or Connect app, a Koa or Fastify instance (which is made ready), or an `http.Server`, as an App. undefined:
 * none of these. Throws for a fetch app, which can't be mounted yet.
 */
export function adaptApp(exported: unknown): MaybePromise<App | undefined> {
  if (isConnectApp(exported)) return fromConnect(exported)
  if (exported instanceof NodeServer) return fromServer(exported)
  if (typeof exported !== 'object' || exported === null) return undefined
  if (isKoa(exported)) return fromKoa(exported)
  if (isFastify(exported)) return fromFastify(exported)
  if ('fetch' in exported && typeof exported.fetch === 'function') {
    throw new TypeError('an app with fetch(Request) can not be mounted yet, only Node handlers can')
  }
  return undefined
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
  if (hasMethods(app, 'listen')) return (req, res) => app(req, res)
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
  return (req, res) => handler(req, res)
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
  const app: App = (req, res) => fastify.routing(req, res)
  app.close = () => fastify.close()
  return app
}

/** A server that was never told to listen: its listeners are the app. */
function fromServer(server: NodeServer): App | undefined {
  if (server.listenerCount('request') === 0) return undefined
  const app: App = (req, res) => {
    server.emit('request', req, res)
  }
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
