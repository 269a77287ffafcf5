// From what `use =` names to the factory itself: eggs (ours, else packages), `npm:`, `file:`, `call:`, `connect:`.
// Nothing is called here; the modules are imported.

import { ConfigError } from '../config/errors.js'
import { offer } from '../config/suggest.js'
import type { BuiltinEgg, Builtins, Kind } from './model.js'
import { importFile, type Module, pickExport } from './modules.js'
import { findPackage, type Package, resolveExport, splitSpecifier } from './packages.js'
import type { Protocol } from './protocols.js'
import { pathOf, type Uri } from './uri.js'

export interface Factory {
  /** As the user names it: `egg:Paste#urlmap`. */
  readonly label: string
  /** undefined: the kind of section that uses it decides. */
  protocol: Protocol | undefined
  /** The function; with `exported`, whatever a module exports: a factory or a finished app. */
  readonly value: unknown
  readonly style: 'factory' | 'exported' | 'connect'
}

/** One inner list for each group in which the first hit counts; hits in two groups are ambiguous. */
const TABLES: Readonly<Record<Kind, readonly (readonly (readonly [keyof BuiltinEgg, Protocol])[])[]>> = {
  app: [[['apps', 'app_factory']], [['composites', 'composite_factory']]],
  filter: [
    [
      ['filters', 'filter_factory'],
      ['filterApps', 'filter_app_factory'],
    ],
  ],
  server: [
    [
      ['servers', 'server_factory'],
      ['serverRunners', 'server_runner'],
    ],
  ],
}

type Tables = { readonly [K in keyof BuiltinEgg]?: Readonly<Record<string, unknown>> }

/** Resolves factories, packages from a given directory. All errors are ConfigErrors without a place. */
export class Factories {
  readonly #builtins: ReadonlyMap<string, BuiltinEgg>
  /** Modules that were found and imported, by what was asked for from where. */
  readonly #modules = new Map<string, Promise<Module>>()

  constructor(builtins: Builtins) {
    this.#builtins = new Map(Object.entries(builtins).map(([name, egg]) => [normalize(name), egg]))
  }

  /** Any scheme but `config:`. */
  async resolve(
    kind: Kind,
    uri: Uri,
    name: string | undefined,
    directory: string | undefined,
  ): Promise<Factory> {
    const entry = name ?? uri.fragment
    switch (uri.scheme) {
      case 'egg':
        return this.#egg(kind, uri.path, entry ?? 'main', directory)
      case 'npm':
        return this.#package(kind, uri.path, entry ?? 'main', directory, `npm:${uri.path}`)
      case 'file': {
        const label = `file:${uri.path}`
        return fromModule(
          kind,
          await this.#once(label, directory, () => importFile(pathOf(uri, directory), label)),
          entry ?? 'main',
          label,
        )
      }
      case 'connect': {
        if (kind !== 'filter')
          throw new ConfigError('factory', `connect: makes a filter, expected ${article(kind)}`)
        const module = await this.#module(uri.path, directory, `connect:${uri.path}`)
        const { value } = exported(module, entry ?? 'main', `connect:${uri.path}`)
        return { label: labelOf(`connect:${uri.path}`, entry), protocol: undefined, value, style: 'connect' }
      }
      case 'call':
        return this.call(uri.path, directory, undefined, `call:${uri.path}`)
      default:
        throw new ConfigError('missing', `${uri.text} names no factory`)
    }
  }

  /** `./app.js:make`, `package:make`, `package.module:object.attribute`, as in `call:` and `paste.*_factory =`. */
  async call(
    expression: string,
    directory: string | undefined,
    protocol: Protocol | undefined,
    label: string,
  ): Promise<Factory> {
    const colon = expression.lastIndexOf(':')
    const [path, name] = [expression.slice(0, colon).trim(), expression.slice(colon + 1).trim()]
    if (colon < 0 || path === '' || name === '') {
      throw new ConfigError('missing', `expected module:function, got ${JSON.stringify(expression)}`)
    }
    const module = await this.#module(path, directory, path)
    return { label, protocol, value: pickExport(module, name, path), style: 'factory' }
  }

  /** Whether `require` finds it: an egg of ours or an installed package. */
  has(name: string, directory: string): boolean {
    return this.#builtins.has(normalize(name)) || find(name, directory) !== undefined
  }

  async #egg(kind: Kind, egg: string, entry: string, directory: string | undefined): Promise<Factory> {
    const builtin = this.#builtins.get(normalize(egg))
    if (builtin === undefined) return this.#package(kind, egg, entry, directory, `egg:${egg}`)
    const { protocol, value } = fromTables(kind, builtin, entry, `egg:${egg}`)
    const load = value as () => Promise<unknown>
    return { label: `egg:${egg}#${entry}`, protocol, value: await load(), style: 'factory' }
  }

  async #package(
    kind: Kind,
    specifier: string,
    entry: string,
    directory: string | undefined,
    label: string,
  ): Promise<Factory> {
    const module = await this.#once(`plugin ${specifier}`, directory, async () => {
      const found = this.#find(specifier, directory, label)
      const plugin = found.subpath === '.' ? resolveExport(found.package, './sessd') : undefined
      return plugin === undefined ? importPackage(found, label) : importPlugin(found.package, plugin)
    })
    return fromModule(kind, module, entry, label)
  }

  /** A file when it looks like a path, else a package; Python's `pkg.module` is tried as `pkg/module`. */
  #module(path: string, directory: string | undefined, label: string): Promise<Module> {
    return this.#once(`module ${path}`, directory, async () => {
      if (!/^\.{0,2}[/\\]/.test(path) && !/\.[cm]?[jt]s$/.test(path)) {
        return importPackage(this.#find(path, directory, label), label)
      }
      return importFile(pathOf({ scheme: 'file', path, fragment: undefined, text: label }, directory), label)
    })
  }

  /** Ten thousand sections of one package look for it once. What fails is tried again. */
  #once(what: string, directory: string | undefined, find: () => Promise<Module>): Promise<Module> {
    const key = JSON.stringify([what, directory])
    const known = this.#modules.get(key)
    if (known !== undefined) return known
    const module = find()
    this.#modules.set(key, module)
    module.catch(() => this.#modules.delete(key))
    return module
  }

  #find(specifier: string, directory: string | undefined, label: string): Found {
    const found = directory === undefined ? undefined : find(specifier, directory)
    if (found !== undefined) return found
    const ours = label.startsWith('egg:')
      ? ` It is none of our own eggs.${offer(specifier, this.#builtins.keys())}`
      : ''
    const where =
      directory === undefined ? 'and there is no directory to look from' : `seen from ${directory}`
    throw new ConfigError(
      'missing',
      `${label}: no package ${JSON.stringify(specifier)} is installed, ${where}.${ours}`,
    )
  }
}

interface Found {
  readonly package: Package
  readonly subpath: string
}

/** The package by its name; then, as Python names are written, in lower case, with `-` for `_`, with `/` for `.`. */
function find(specifier: string, directory: string): Found | undefined {
  const lower = specifier.toLowerCase()
  const spellings = [specifier, lower, lower.replaceAll('_', '-')]
  for (const spelling of new Set([...spellings, ...spellings.map((name) => name.replaceAll('.', '/'))])) {
    const split = splitSpecifier(spelling)
    const found = split === undefined ? undefined : findPackage(split.name, directory)
    if (found !== undefined) return { package: found, subpath: split!.subpath }
  }
  return undefined
}

/** A Plugin as a module: its tables may also be exports of their own. */
async function importPlugin({ name }: Package, file: string): Promise<Module> {
  const module = await importFile(file, `${name}/sessd`)
  if (isPlugin(module.default)) return module
  if (isPlugin(module)) return { default: module }
  const keys = TABLE_NAMES.join(', ')
  throw new ConfigError('factory', `${name}/sessd: expected a default export with ${keys}`)
}

async function importPackage({ package: found, subpath }: Found, label: string): Promise<Module> {
  const file = resolveExport(found, subpath)
  if (file !== undefined) return importFile(file, label)
  const what = subpath === '.' ? 'has no main module' : `has no ${JSON.stringify(subpath)} that it exports`
  throw new ConfigError('missing', `${label}: the package in ${found.directory} ${what}`)
}

/** A default export that is a Plugin has the say; else the export of that name; `main` may be the default export. */
function fromModule(kind: Kind, module: Module, entry: string, label: string): Factory {
  if (isPlugin(module.default)) {
    const { protocol, value } = fromTables(kind, module.default, entry, label)
    return { label: `${label}#${entry}`, protocol, value, style: 'factory' }
  }
  const { value, name } = exported(module, entry, label)
  return { label: labelOf(label, name), protocol: undefined, value, style: 'exported' }
}

function exported(
  module: Module,
  entry: string,
  label: string,
): { value: unknown; name: string | undefined } {
  if (entry === 'main' && !Object.hasOwn(module, 'main') && 'default' in module) {
    return { value: module.default, name: undefined }
  }
  return { value: pickExport(module, entry, label), name: entry }
}

function labelOf(label: string, entry: string | undefined): string {
  return entry === undefined ? label : `${label}#${entry}`
}

function fromTables(
  kind: Kind,
  tables: Tables,
  name: string,
  label: string,
): { protocol: Protocol; value: unknown } {
  const hits = TABLES[kind].flatMap((group) => {
    const hit = group.find(([table]) => Object.hasOwn(tables[table] ?? {}, name))
    return hit === undefined ? [] : [{ protocol: hit[1], value: tables[hit[0]]![name] }]
  })
  if (hits.length === 1) return hits[0]!
  if (hits.length > 1) {
    throw new ConfigError('ambiguous', `${label} has both an app and a composite ${JSON.stringify(name)}`)
  }
  const known = TABLES[kind].flat().flatMap(([table]) => Object.keys(tables[table] ?? {}))
  const other = (Object.keys(TABLES) as Kind[]).find((candidate) =>
    TABLES[candidate].flat().some(([table]) => Object.hasOwn(tables[table] ?? {}, name)),
  )
  const isOther = other === undefined ? '' : ` (it is ${article(other)})`
  const reason = `${label} has no ${kind} ${JSON.stringify(name)}${isOther}.${offer(name, known)}`
  throw new ConfigError('missing', known.length === 0 ? `${reason} It has no ${kind}s at all.` : reason)
}

const TABLE_NAMES = ['apps', 'composites', 'filters', 'filterApps', 'servers', 'serverRunners'] as const

function isPlugin(value: unknown): value is Tables {
  if (typeof value !== 'object' || value === null) return false
  const tables = TABLE_NAMES.flatMap((name) =>
    Object.hasOwn(value, name) ? [(value as Record<string, unknown>)[name]] : [],
  )
  return tables.length > 0 && tables.every((table) => typeof table === 'object' && table !== null)
}

/** `an app`, `a filter`. */
export function article(kind: Kind): string {
  return kind === 'app' ? 'an app' : `a ${kind}`
}

/** Python's normal form of a distribution's name. */
function normalize(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase()
}
