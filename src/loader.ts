// The public door `sessd/loader`: Paste Deploy's four functions and the loader behind them, with our own parts bound.

import { adapt } from './apps/adapt.js'
import { builtins } from './builtins.js'
import { logger } from './config/logging.js'
import { guard, reportTo, sentenceOf } from './http/guard.js'
import { createLoader as createBareLoader } from './loader/index.js'
import type { AppConfig, ConfigLoader, LoaderOptions, LoadOptions, LoggingHow } from './loader/model.js'
import type { App, Filter, Server } from './protocol.js'

export { ConfigError, ConfigErrors, OptionError, OptionErrors } from './config/errors.js'
export type * from './loader/model.js'
export type * from './protocol.js'

const log = logger('sessd.app')
reportTo((err, req) => log.error({ req, err }, sentenceOf(err, req)))

/** Makes a loader that knows our own parts; `options.builtins` are put in their place. */
export function createLoader(options: LoaderOptions = {}): ConfigLoader {
  return createBareLoader({ builtins, adapt, ...options })
}

/**
 * Loads an app and all behind it: `loadApp('config:app.ini#name', { relativeTo: import.meta.dirname })`. It runs on any
 * `http.createServer`; what it throws is answered with 500. `app.close()` ends everything that was made for it, once,
 * newest first. Rejects with ConfigError, after closing what had been made.
 */
export async function loadApp(uri: string, options: LoadOptions & LoaderOptions = {}): Promise<App> {
  const loaded = await createLoader(options).load('app', uri, options)
  const app = guard(loaded.value!)
  app.close = () => loaded.close()
  return app
}

/** Loads a filter. `filter.close()` ends everything that was made for it. Rejects as loadApp does. */
export async function loadFilter(uri: string, options: LoadOptions & LoaderOptions = {}): Promise<Filter> {
  const loaded = await createLoader(options).load('filter', uri, options)
  const inner = loaded.value!
  const filter: Filter = (next) => inner(next)
  filter.close = () => loaded.close()
  return filter
}

/** Loads a server: `const running = await server(app)`. Rejects as loadApp does. */
export async function loadServer(uri: string, options: LoadOptions & LoaderOptions = {}): Promise<Server> {
  const loaded = await createLoader(options).load('server', uri, options)
  return loaded.value!
}

/** The settings of an app, local over global, without making it; with `.globalConf`, `.localConf` and `.context`. */
export function appConfig(uri: string, options: LoadOptions & LoaderOptions = {}): Promise<AppConfig> {
  return createLoader(options).appConfig(uri, options)
}

/**
 * Has the process log as the file says, by [logging] or by Python's [loggers]: `setupLogging('config:app.ini', {
 * relativeTo: import.meta.dirname })`. A file that says nothing changes nothing. Answers the function that puts back what
 * was before, and flushes. Rejects with ConfigError.
 */
export async function setupLogging(
  uri: string,
  { write, color, worker, ...options }: LoadOptions & LoaderOptions & LoggingHow = {},
): Promise<() => Promise<void>> {
  const setup = await createLoader(options).logging(uri, options)
  return setup?.apply({ write, color, worker }) ?? (async () => {})
}
