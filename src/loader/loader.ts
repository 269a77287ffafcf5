// The loader itself: keeps parsed files, and turns one request into resolve, build, close.

import { makeConf } from '../config/conf.js'
import type { Place } from '../config/errors.js'
import { Builder } from './build.js'
import { type Context, mainPart, overlay } from './context.js'
import { Factories } from './factories.js'
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
  Made,
} from './model.js'
import { describeTree } from './node.js'
import { Resolver } from './resolve.js'
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

  async checkAll(uri: string, options: CheckOptions = {}): Promise<CheckReport> {
    const collect = { ...options, collect: true }
    const named = (name: string | undefined) => ({ ...collect, name })
    const runs: { loaded: Loaded<unknown>; resolver: Resolver }[] = [
      await this.#load('server', uri, named(options.serverName ?? 'main')),
      await this.#load('app', uri, collect),
    ]
    const [server, app] = runs.map(({ loaded }) => loaded.node)
    const reached = new Set(runs.flatMap(({ resolver }) => [...resolver.reached]))
    const unused = []
    const parsed = parseUri(uri)
    if (parsed.scheme === 'config') {
      const file = await this.config(pathOf(parsed, options.relativeTo)).catch(() => undefined)
      for (const { title, name, shape, line } of file?.sections.values() ?? []) {
        if (shape === undefined || reached.has(`${file!.path} [${title}]`)) continue
        unused.push({ title, place: { file: file!.path, line, section: title } })
        runs.push(await this.#load(kindOf(shape), uri, named(name)))
      }
    }
    const once = <T extends { message: string }>(all: readonly T[]) => [
      ...new Map(all.map((one) => [one.message, one])).values(),
    ]
    const report = {
      errors: once(runs.flatMap(({ loaded }) => loaded.errors)),
      warnings: once(runs.flatMap(({ loaded }) => loaded.warnings)),
      app,
      server,
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
    const env = this.#options.env ?? process.env
    const readFile = (path: string, asker: Place | undefined) => this.#readFile(path, asker)
    const resolver = new Resolver(this.#factories, readFile, { env, overrides, issues })
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
    return { issues, resolver, resolve }
  }

  async #readFile(path: string, asker: Place | undefined): Promise<ConfigFile> {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    const file = await readConfigFile(path, asker)
    this.#files.set(path, file)
    return file
  }
}
