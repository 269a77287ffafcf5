// What the loader takes and gives: types only. The words are Paste Deploy's: a section of one of six shapes is asked
// for as an app, a filter or a server.

import type { ConfigError, Place } from '../config/errors.js'
import type {
  App,
  AppFactory,
  CompositeFactory,
  Conf,
  Filter,
  FilterAppFactory,
  FilterFactory,
  MaybePromise,
  Server,
  ServerFactory,
  ServerRunner,
} from '../protocol.js'

/** What a section is asked for as. */
export type Kind = 'app' | 'filter' | 'server'

/** What each kind is once it is made. */
export interface Made {
  app: App
  filter: Filter
  server: Server
}

/** How a section is written: `[composite:x]`, `[pipeline:x]` and so on. */
export type Shape = 'app' | 'composite' | 'pipeline' | 'filter-app' | 'filter' | 'server'

/** Something that is allowed and probably a slip. `message` is `file:line: [section] key: reason`. */
export interface ConfigWarning {
  readonly message: string
  readonly reason: string
  readonly place: Place
}

type Lazy<F> = Readonly<Record<string, () => Promise<F>>>

/** The parts of one egg, each imported when it is first used. One table per Paste entry-point group. */
export interface BuiltinEgg {
  readonly apps?: Lazy<AppFactory>
  readonly composites?: Lazy<CompositeFactory>
  readonly filters?: Lazy<FilterFactory>
  readonly filterApps?: Lazy<FilterAppFactory>
  readonly servers?: Lazy<ServerFactory>
  readonly serverRunners?: Lazy<ServerRunner>
}

/** Eggs that need no package, by name; case and `-`, `_`, `.` make no difference in the name. */
export type Builtins = Readonly<Record<string, BuiltinEgg>>

/** Takes what a module exports (or a factory returns) by its shape. undefined: no shape that it knows. */
export interface Adapt {
  /** `kind`: what the section says that it is. */
  app(exported: unknown, kind?: string): MaybePromise<App | undefined>
  /** Connect middleware, `(req, res, next)`. */
  filter(exported: unknown): Filter | undefined
}

export interface LoaderOptions {
  readonly builtins?: Builtins
  /** Where `${env:NAME}` looks. Default: `process.env`. */
  readonly env?: NodeJS.ProcessEnv
  readonly adapt?: Adapt
  /** Hears of each warning once, as it is found. */
  onWarning?(warning: ConfigWarning): void
}

export interface LoadOptions {
  /** The section's name; beats the `#name` of the URI. Default: `main`. */
  readonly name?: string | undefined
  /** The directory that a relative `config:` or `file:` URI starts from; without it such a URI is an error. */
  readonly relativeTo?: string | undefined
  /** `name=value` of the command line: beats sections and [DEFAULT]. Plain text, never interpolated. */
  readonly globalConf?: Readonly<Record<string, string>> | Conf | undefined
  /** Settings of the section itself, over those that it has: `-p`, `-H`. Plain text, never interpolated. */
  readonly localConf?: Readonly<Record<string, string>> | Conf | undefined
}

export interface CollectOptions extends LoadOptions {
  /** Go on after an error and gather them all. Default: the first one is thrown. */
  readonly collect?: boolean | undefined
}

/**
 * Where a value comes from: the section itself, another section that it `use`s, the [DEFAULT] of its file, `set` in a
 * section above or in itself, the command line, or what an including file or a composite handed down.
 */
export type Origin = 'section' | 'used section' | 'default' | 'set' | 'command line' | 'inherited'

/** One effective setting of a node. */
export interface NodeSetting {
  readonly key: string
  /** `***` when it is secret. */
  readonly value: string
  readonly from: Origin
  /** Where it is written; none for the command line. */
  readonly place?: Place | undefined
  readonly secret: boolean
  /** Whether the factory gets it in its localConf or in its globalConf. */
  readonly scope: 'local' | 'global'
}

/** One part of the composed tree, as `sessd show` prints it. */
export interface Node {
  readonly kind: Kind
  readonly shape: Shape
  /** The section's name without its prefix, or the URI that was asked for. */
  readonly name: string
  /** What made it: `egg:Paste#urlmap`, `file:./x.js#y`, `call:./x.js:make`. undefined for a pipeline. */
  readonly use: string | undefined
  /** Where its section stands; for a bare URI, where that is written. undefined: asked for by the caller. */
  readonly place: Place | undefined
  /** Worked out when somebody asks; JSON has them, `{ ...node }` does not. */
  readonly settings: readonly NodeSetting[]
  /** What it is to its parent: `main`, `next`, `filter`, `app`, or the key that mounts it. */
  readonly role: string
  /** In the order in which a request meets them; of a composite, in the order in which it asked for them. */
  readonly children: readonly Node[]
}

/** Outcome of one load. `close()` ends everything that was made for it: once each, newest first. */
export interface Loaded<T> {
  /** undefined only with `collect`, when an error stopped it from being made. */
  readonly value: T | undefined
  readonly node: Node | undefined
  /** Always empty without `collect`. */
  readonly errors: readonly ConfigError[]
  readonly warnings: readonly ConfigWarning[]
  /** Everything that was made and has something to close, oldest first. */
  readonly made: readonly object[]
  close(): Promise<void>
}

/** One `key = value`, as it is written. */
export interface Entry {
  readonly key: string
  /** Not interpolated; lines of a continued value are joined by `\n`. */
  readonly value: string
  readonly line: number
  /** The line of each `\n`-divided part of the value. */
  readonly lines: readonly number[]
}

/** One section, as it is written. */
export interface Section {
  /** All that stands in the brackets: `app:main`. */
  readonly title: string
  /** What its prefix makes of it; undefined for sections that are none of the loader's business. */
  readonly shape: Shape | undefined
  /** What follows the colon, without white space; `main` for a bare `[app]`. */
  readonly name: string
  readonly line: number
  readonly entries: ReadonlyMap<string, Entry>
}

/** One file, parsed and not interpolated. */
export interface ConfigFile {
  /** Absolute. */
  readonly path: string
  /** In file order, without [DEFAULT]. */
  readonly sections: ReadonlyMap<string, Section>
  readonly defaults: ReadonlyMap<string, Entry>
  /** The text, for code frames. */
  readonly source: string
  readonly errors: readonly ConfigError[]
  readonly warnings: readonly ConfigWarning[]
}

/**
 * The merged settings of an app, as Paste's `appconfig`: local over global. Iterate it for the settings alone; as a
 * property, a setting that is called like one of these three is hidden by it.
 */
export type AppConfig = Conf & {
  readonly globalConf: Conf
  readonly localConf: Conf
  /** The app's place in the composed tree (nothing of it is made). */
  readonly context: Node
}

/** What `checkAll` finds. */
export interface CheckReport {
  readonly errors: readonly ConfigError[]
  readonly warnings: readonly ConfigWarning[]
  readonly app: Node | undefined
  readonly server: Node | undefined
  /** What the app and the server were, closed by now; `server` is undefined when there was an error in it. */
  readonly made: { readonly app: readonly object[]; readonly server: Server | undefined }
  /** Sections that neither the app nor the server needs; they were checked as well. */
  readonly unused: readonly { readonly title: string; readonly place: Place }[]
}

export interface CheckOptions extends LoadOptions {
  /** The name of the `[server:]` section. Default: `main`. */
  readonly serverName?: string | undefined
}

/** Where log records go; what is left out is decided by process.stderr. */
export interface LoggingHow {
  /** Gets each record as one text that ends its line. Of no use where pino writes. */
  readonly write?: ((text: string) => void) | undefined
  /** Colours for a terminal. */
  readonly color?: boolean | undefined
  /** The number of this process among several, to be told in each record. */
  readonly worker?: number | undefined
}

/** How a file says that its service logs. */
export interface LoggingSetup {
  /** Whose words it says it in: those of [logging], or of Python's [loggers]. */
  readonly source: 'sessd' | 'python'
  /** Whether records are JSON, so that programs read them. */
  readonly isJson: boolean
  /** Puts it into force for all loggers of the process. Answers the function that puts back what was before, and flushes. */
  apply(how?: LoggingHow): () => Promise<void>
}

/** Loads from INI files; keeps each file that it parsed. Make a new one to read changed files. */
export interface ConfigLoader {
  /**
   * Makes what the URI names: `config:app.ini#name`, `egg:Paste#http`, `call:./x.js:make`.
   * Rejects with ConfigError (or ConfigErrors), after closing what had been made; with `collect`, resolves and lists.
   */
  load<K extends Kind>(kind: K, uri: string, options?: CollectOptions): Promise<Loaded<Made[K]>>
  /** The settings of an app, without making it. */
  appConfig(uri: string, options?: LoadOptions): Promise<AppConfig>
  /** The parsed file. Errors of syntax are in its `errors`; a file that can't be read rejects with ConfigError. */
  config(path: string): Promise<ConfigFile>
  /**
   * How the file of a `config:` URI says that its service logs, with nothing of it in force; undefined when it says
   * nothing. Rejects with ConfigError (or ConfigErrors) for mistakes in [logging].
   */
  logging(uri: string, options?: LoadOptions): Promise<LoggingSetup | undefined>
  /** Makes app, server and every section that these don't reach, gathers all errors, and closes everything again. */
  checkAll(uri: string, options?: CheckOptions): Promise<CheckReport>
  /** Every file that was read so far, absolute. */
  readonly files: readonly string[]
  /** Closes all that was loaded and not closed yet. */
  close(): Promise<void>
}
