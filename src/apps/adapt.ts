// Finished apps of other frameworks, known by their shape: what a module exports or a factory gives back becomes an App.
// They are mounted as they are: `req.url` is the rest of the path, and the raw request is what they see.

import { type IncomingMessage, Server as NodeServer, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { answer } from '../http/answer.js'
import { unmount } from '../http/environ.js'
import { onceClosed } from '../http/once-closed.js'
import type { App, Filter, MaybePromise } from '../protocol.js'
import { assertUnread, type FetchHandler, fetchApp } from './fetch.js'

type Pass = (error?: unknown) => void
type Middleware = (req: IncomingMessage, res: ServerResponse, next: Pass) => unknown

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
  | 'next'
  | 'fetch'
  | 'server'

/**
 * An Express or Connect app, a Koa, Fastify or Next instance (which is made ready), an `http.Server`, or an object with a
 * fetch handler (Hono, h3) as an App. With `kind`, as what that says. undefined: it is none of these, or not of that kind.
 */
export function adaptApp(exported: unknown, kind?: string): MaybePromise<App | undefined> {
  if (kind !== undefined) return Object.hasOwn(KINDS, kind) ? KINDS[kind as AppKind](exported) : undefined
  for (const take of [takeConnect, takeServer, takeKoa, takeFastify, takeNext, takeFetch]) {
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
const takeNext: Take = (value) => (isObject(value) && isNext(value) ? fromNext(value) : undefined)
const takeFetch: Take = (value) => (isObject(value) ? fromFetch(value) : undefined)

const KINDS: Readonly<Record<AppKind, Take>> = {
  handler: (value) => (typeof value === 'function' ? (value as App) : undefined),
  middleware: (value) => adaptMiddleware(value)?.((_req, res) => answer(res, 404)),
  express: takeConnect,
  connect: takeConnect,
  koa: takeKoa,
  fastify: takeFastify,
  next: takeNext,
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
  return withDuties(
    fetchApp((request, env) => holder.fetch(request, env)),
    value,
  )
}

/** What an app may do besides: whoever has something to close hears of the end, whoever has `upgrade` gets upgrades. */
function withDuties(app: App, value: object): App {
  const duties = value as Required<Pick<App, 'close' | 'upgrade'>>
  if (hasMethods(value, 'close')) app.close = () => duties.close()
  if (hasMethods(value, 'upgrade')) app.upgrade = (req, socket, head) => duties.upgrade(req, socket, head)
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
        onceClosed(res, () => resolve(undefined))
        let passed = false
        const pass: Pass = (error) => {
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
    return withDuties((req, res) => app(req, res), app)
  }
  return withDuties(
    adaptMiddleware(app)!((_req, res) => answer(res, 404)),
    app,
  )
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
  return withDuties((req, res) => {
    assertUnread(req)
    return handler(req, res)
  }, koa)
}

interface Fastify {
  ready(): PromiseLike<unknown>
  routing(req: IncomingMessage, res: ServerResponse): unknown
  close(): Promise<void>
  /** Its own, which never listens here; @fastify/websocket waits for its upgrades. */
  readonly server?: unknown
}

function isFastify(value: object): value is Fastify {
  return hasMethods(value, 'ready', 'routing', 'close')
}

async function fromFastify(fastify: Fastify): Promise<App> {
  await fastify.ready()
  const app = withDuties((req, res) => {
    assertUnread(req)
    return fastify.routing(req, res)
  }, fastify)
  if (fastify.server instanceof NodeServer) passUpgrades(app, fastify.server)
  return app
}

interface Next {
  prepare(): Promise<void>
  getRequestHandler(): (req: IncomingMessage, res: ServerResponse) => Promise<void>
  close(): Promise<void>
}

function isNext(value: object): value is Next {
  return hasMethods(value, 'prepare', 'getRequestHandler', 'close')
}

/** Next has the path of its mount in its configuration (`basePath`), and wants to see all of a path. */
async function fromNext(next: Next): Promise<App> {
  await next.prepare()
  const handler = next.getRequestHandler()
  const app: App = (req, res) => {
    unmount(req)
    return handler(req, res)
  }
  app.close = () => next.close()
  return app
}

/** A server that was never told to listen: its listeners are the app. */
function fromServer(server: NodeServer): App | undefined {
  if (server.listenerCount('request') === 0) return undefined
  const app: App = (req, res) => {
    server.emit('request', req, res)
  }
  app.close = () => void server.emit('close')
  passUpgrades(app, server)
  return app
}

/** What listens for the upgrades of `server` gets those of `app`. */
function passUpgrades(app: App, server: NodeServer): void {
  if (server.listenerCount('upgrade') === 0) return
  app.upgrade = (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    server.emit('upgrade', req, socket, head)
  }
}

function hasMethods(value: object, ...names: string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
}
