// The loader itself: keeps parsed files, and turns one request into resolve, build, close.

import { makeConf } from '../config/conf.js'
import type { Place } from '../config/errors.js'
import { Builder } from './build.js'
import { type Context, mainPart, overlay } from './context.js'
import { Factories } from './factories.js'
import { FedSecrets } from './fed-secrets.js'
import { readConfigFile } from './file.js'
import { Issues } from './issues.js'
import type {
  AppConfig,
  CheckOptions,
  CheckReport,
  CollectOptions,
  ConfigFile,
  ConfigLoader,
  Kind,
  Loaded,
  LoaderOptions,
  LoadOptions,
  LoggingSetup,
  Made,
  Section,
} from './model.js'
import { describeTree } from './node.js'
import { usersFirst } from './order-of-use.js'
import { Resolver } from './resolve.js'
import type { Surrounding } from './scope.js'
import { kindOf } from './sections.js'
import { fromConf, toConf } from './settings.js'
import { parseUri, pathOf } from './uri.js'

/** Makes a loader. It reads nothing until asked, and each file once. */
export function createLoader(options: LoaderOptions = {}): ConfigLoader {
  return new FileLoader(options)
}

class FileLoader implements ConfigLoader {
  readonly #options: LoaderOptions
  readonly #factories: Factories
  readonly #files = new Map<string, ConfigFile>()
  readonly #secrets = new FedSecrets()
  readonly #loaded = new Set<{ close(): Promise<void> }>()

  constructor(options: LoaderOptions) {
    this.#options = options
    this.#factories = new Factories(options.builtins ?? {})
  }

  async load<K extends Kind>(kind: K, uri: string, options: CollectOptions = {}): Promise<Loaded<Made[K]>> {
    const { loaded } = await this.#load(kind, uri, options)
    return loaded
  }

  async appConfig(uri: string, options: LoadOptions = {}): Promise<AppConfig> {
    const session = this.#session(options)
    const context = await session.resolve('app', uri)
    const part = mainPart(context)
    const globalConf = toConf(part?.globals ?? context.globals)
    const localConf = part === undefined ? makeConf([]) : toConf(part.locals)
    const beside = { globalConf, localConf, context: describeTree(context, 'main') }
    return makeConf([...globalConf, ...localConf], beside) as AppConfig
  }

  get files(): readonly string[] {
    return [...this.#files.keys()]
  }

  config(path: string): Promise<ConfigFile> {
    return this.#readFile(path, undefined)
  }

  async logging(uri: string, options: LoadOptions = {}): Promise<LoggingSetup | undefined> {
    const parsed = parseUri(uri)
    if (parsed.scheme !== 'config') return undefined
    const file = await this.config(pathOf(parsed, options.relativeTo))
    return readLogging(file, this.#session(options).surrounding)
  }

  async checkAll(uri: string, options: CheckOptions = {}): Promise<CheckReport> {
    const collect = { ...options, collect: true }
    const named = (name: string | undefined) => ({ ...collect, name })
    const server = await this.#load('server', uri, named(options.serverName ?? 'main'))
    const app = await this.#load('app', uri, collect)
    const runs: { loaded: Loaded<unknown>; resolver: Resolver }[] = [server, app]
    const { issues, surrounding } = this.#session(collect)
    const reached = new Set(runs.flatMap(({ resolver }) => [...resolver.reached]))
    const unused = []
    const parsed = parseUri(uri)
    if (parsed.scheme === 'config') {
      const file = await this.config(pathOf(parsed, options.relativeTo)).catch(() => undefined)
      if (file !== undefined) await readLogging(file, surrounding)
      const idOf = ({ title }: Section) => `${file!.path} [${title}]`
      const rest = [...(file?.sections.values() ?? [])].filter(
        (section) => section.shape !== undefined && !reached.has(idOf(section)),
      )
      for (const { title, line } of rest)
        unused.push({ title, place: { file: file!.path, line, section: title } })
      for (const section of usersFirst(rest)) {
        if (reached.has(idOf(section))) continue // made for one that uses it
        const run = await this.#load(kindOf(section.shape!), uri, named(section.name))
        runs.push(run)
        for (const id of run.resolver.reached) reached.add(id)
      }
    }
    const once = <T extends { message: string }>(all: readonly T[]) => [
      ...new Map(all.map((one) => [one.message, one])).values(),
    ]
    const report = {
      errors: once([...runs.flatMap(({ loaded }) => loaded.errors), ...issues.errors]),
      warnings: once([...runs.flatMap(({ loaded }) => loaded.warnings), ...issues.warnings]),
      app: app.loaded.node,
      server: server.loaded.node,
      made: { app: app.loaded.made, server: server.loaded.value },
      unused,
    }
    for (const { loaded } of runs.reverse()) await loaded.close()
    return report
  }

  async close(): Promise<void> {
    const all = [...this.#loaded].reverse()
    this.#loaded.clear()
    for (const loaded of all) await loaded.close()
  }

  async #load<K extends Kind>(
    kind: K,
    uri: string,
    options: CollectOptions,
  ): Promise<{ loaded: Loaded<Made[K]>; resolver: Resolver }> {
    const { issues, resolver, resolve } = this.#session(options)
    const builder = new Builder(resolver, issues, this.#options.adapt)
    try {
      const context = await issues.attemptAsync(() => resolve(kind, uri))
      const made = context && (await builder.make(kind, context, 'main'))
      const loaded: Loaded<Made[K]> = {
        value: issues.errors.length === 0 ? made?.value : undefined,
        node: made?.node,
        errors: issues.errors,
        warnings: issues.warnings,
        made: builder.made,
        close: () => {
          this.#loaded.delete(loaded)
          return builder.close()
        },
      }
      this.#loaded.add(loaded)
      return { loaded, resolver }
    } catch (error) {
      // What went wrong first is what the user has to hear of.
      await builder.close().catch(() => {})
      throw error
    }
  }

  #session({ collect = false, globalConf = {}, localConf = {}, relativeTo, name }: CollectOptions) {
    const issues = new Issues(collect, this.#options.onWarning)
    const overrides = fromConf(globalConf, 'command line')
    const surrounding: Surrounding = {
      env: this.#options.env ?? process.env,
      overrides,
      issues,
      secrets: this.#secrets,
    }
    const readFile = (path: string, asker: Place | undefined) => this.#readFile(path, asker)
    const resolver = new Resolver(this.#factories, readFile, surrounding)
    const asker = {
      scope: undefined,
      directory: relativeTo,
      handed: overrides,
      place: undefined,
      step: undefined,
    }
    const resolve = async (kind: Kind, uri: string): Promise<Context> => {
      const context = await resolver.uri(kind, parseUri(uri), name, asker)
      // A pipeline takes none: there is nobody to give them to.
      overlay(context, fromConf(localConf, 'command line'), new Map(), () => {})
      return context
    }
    return { issues, surrounding, resolver, resolve }
  }

  async #readFile(path: string, asker: Place | undefined): Promise<ConfigFile> {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    const file = await readConfigFile(path, asker)
    this.#files.set(path, file)
    return file
  }
}

/** Most files say nothing about it, and a start need not wait for what reads it. */
async function readLogging(file: ConfigFile, surrounding: Surrounding): Promise<LoggingSetup | undefined> {
  if (!file.sections.has('logging') && !file.sections.has('loggers')) return undefined
  return (await import('./logging.js')).readLogging(file, surrounding)
}
