// One factory called, and its result taken for what it is. A factory gets (globalConf, localConf); what it gives back is
// checked here, so a mistake is told at the start and not by the first request.

import { ConfigError, OptionError } from '../config/errors.js'
import type {
  App,
  AppFactory,
  CompositeFactory,
  Filter,
  FilterAppFactory,
  FilterFactory,
  Loader,
  MaybePromise,
  Server,
  ServerFactory,
  ServerRunner,
} from '../protocol.js'
import { nameOf, placeOf, wrongResult } from './blame.js'
import type { Part } from './context.js'
import { article } from './factories.js'
import type { Adapt, Kind } from './model.js'
import type { Protocol } from './protocols.js'
import { type Settings, toConf } from './settings.js'
import { typedOptions } from './typed.js'

/** A filter as the loader keeps it: a filter_app_factory may answer later. */
export type Wrap = (next: App) => MaybePromise<App>

/** Paste passes settings as keywords beside these arguments, so it refuses settings of their names; and so do we. */
const RESERVED: Readonly<Record<Protocol, readonly string[]>> = {
  app_factory: [],
  composite_factory: ['loader'],
  filter_factory: [],
  filter_app_factory: ['app'],
  server_factory: [],
  server_runner: ['app'],
}

const DEFAULT_PROTOCOL: Readonly<Record<Kind, Protocol>> = {
  app: 'app_factory',
  filter: 'filter_factory',
  server: 'server_factory',
}

/** What `kind =` may say of an exported app. Other words are settings of a factory. */
const APP_KINDS = ['handler', 'middleware', 'express', 'connect', 'koa', 'fastify', 'fetch', 'server']

/** Makes the app of a part. Throws what the factory throws, and ConfigError for a result that is no app. */
export async function makeApp(part: Part, adapt: Adapt | undefined, loader: Loader): Promise<App> {
  const { value, style } = part.factory
  if (style === 'exported') {
    const kind = APP_KINDS.find((word) => part.locals.get('kind')?.text === word)
    const finished = await adapt?.app(value, kind)
    if (kind !== undefined && finished === undefined) throw wrongKind(part, kind)
    const settings = kind === undefined ? part.locals : withoutWord(part, kind)!
    if (finished !== undefined) return refuseSettings(part, settings, finished)
  }
  const factory = functionOf(part)
  const [globalConf, localConf] = [toConf(part.globals), toConf(part.locals)]
  const result =
    protocolOf(part) === 'composite_factory'
      ? await (factory as CompositeFactory)(loader, globalConf, localConf)
      : await (factory as AppFactory)(globalConf, localConf)
  return toApp(part, result, adapt)
}

/** The same for a filter: the function that wraps an app. */
export async function makeFilter(part: Part, adapt: Adapt | undefined): Promise<Filter | Wrap> {
  const { value, style } = part.factory
  const [globalConf, localConf] = [toConf(part.globals), toConf(part.locals)]
  if (style === 'connect') {
    const maker = functionOf(part) as (options?: unknown) => unknown
    const middleware = await (part.locals.size === 0 ? maker() : maker(typedOptions(localConf)))
    return adapt?.filter(middleware) ?? fail(wrongResult(part, 'middleware (req, res, next)', middleware))
  }
  if (style === 'exported') {
    const asMiddleware = withoutWord(part, 'middleware')
    const filter = asMiddleware === undefined ? undefined : adapt?.filter(value)
    if (filter !== undefined) return refuseSettings(part, asMiddleware!, filter)
  }
  const factory = functionOf(part)
  if (protocolOf(part) === 'filter_app_factory') {
    return (next) =>
      chain((factory as FilterAppFactory)(next, globalConf, localConf), (app) => toApp(part, app, adapt))
  }
  const result: unknown = await (factory as FilterFactory)(globalConf, localConf)
  if (typeof result !== 'function')
    throw wrongResult(part, 'a filter, which is a function (next) => app', result)
  return (result.length >= 3 ? adapt?.filter(result) : undefined) ?? (result as Filter)
}

/** The same for a server: the function that starts to listen. */
export async function makeServer(part: Part): Promise<Server> {
  const factory = functionOf(part)
  const [globalConf, localConf] = [toConf(part.globals), toConf(part.locals)]
  if (protocolOf(part) === 'server_runner')
    return (app) => (factory as ServerRunner)(app, globalConf, localConf)
  const result: unknown = await (factory as ServerFactory)(globalConf, localConf)
  if (typeof result !== 'function')
    throw wrongResult(part, 'a server, which is a function (app) => ...', result)
  return result as Server
}

/** Takes what a factory or a filter gave back for an app: a handler, or something that the adapters know. */
export function toApp(part: Part, result: unknown, adapt: Adapt | undefined): MaybePromise<App> {
  return chain(adapt?.app(result), (adapted) => {
    if (adapted !== undefined) return adapted
    if (typeof result !== 'function')
      throw wrongResult(part, 'an app, which is a function (req, res)', result)
    return result as App
  })
}

/** An app that is not there yet. Why it can't be made is told to each request. */
export function waitingApp(made: Promise<App>): App {
  made.catch(() => {})
  const app: App = async (req, res) => (await made)(req, res)
  app.upgrade = (req, socket, head) => {
    made.then(
      (ready) => (ready.upgrade === undefined ? socket.destroy() : ready.upgrade(req, socket, head)),
      () => socket.destroy(),
    )
  }
  return app
}

/** `next` of the value, at once when the value is there: a Filter is not asynchronous. */
export function chain<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

function protocolOf({ factory, kind }: Part): Protocol {
  return factory.protocol ?? DEFAULT_PROTOCOL[kind]
}

function functionOf(part: Part): (...args: never[]) => unknown {
  const { value, label, style } = part.factory
  const reserved = style === 'connect' ? [] : ['global_conf', 'callable', ...RESERVED[protocolOf(part)]]
  const taken = reserved.find((key) => part.locals.has(key))
  if (taken !== undefined)
    throw new OptionError(taken, 'no setting may have this name: it is an argument of factories')
  if (typeof value === 'function') return value as (...args: never[]) => unknown
  const reason = `${label} is ${nameOf(value)}, expected ${article(part.kind)} factory (globalConf, localConf)`
  throw new ConfigError('factory', reason, placeOf(part))
}

function wrongKind(part: Part, kind: string): ConfigError {
  const { label, value } = part.factory
  return new ConfigError(
    'factory',
    `${label} is ${nameOf(value)}, expected an app of kind = ${kind}`,
    placeOf(part),
  )
}

/** The settings without `kind = word`, or undefined when the section has no such line. */
function withoutWord({ locals }: Part, word: string): Settings | undefined {
  if (locals.get('kind')?.text !== word) return undefined
  return new Map([...locals].filter(([key]) => key !== 'kind'))
}

function refuseSettings<T>({ factory }: Part, settings: Settings, finished: T): T {
  const [key] = settings.keys()
  if (key === undefined) return finished
  throw new OptionError(key, `finds no taker: ${factory.label} is finished and takes no settings`)
}

function fail(error: Error): never {
  throw error
}
