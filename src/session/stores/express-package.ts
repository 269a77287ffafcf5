// A store out of an npm package for express-session. Such packages give a class, or a function that makes one when it is
// shown express-session; a stand-in is enough for that, so express-session itself need not be there.

import { EventEmitter } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ExpressStore } from './express-calls.js'

export interface ExpressPackage {
  /** As in `connect-pg-simple`, or `package#Name` for one of several exports. */
  readonly package: string
  /** What its constructor is given. */
  readonly options?: Readonly<Record<string, unknown>> | undefined
  /** The directory from which the package is looked for. Default: the current one. */
  readonly from?: string | undefined
}

type StoreClass = new (options: object) => ExpressStore

/** What serves us better than the defaults of packages. */
const DEFAULTS: Readonly<Record<string, object>> = {
  // Else every id that is unknown is looked for six times, which takes 270 ms, and logged.
  'session-file-store': { retries: 0, logFn: () => {} },
}

/**
 * Imports the package and makes the store. Rejects with a sentence when it is missing, has no store, or makes none of
 * the options.
 */
export async function importExpressStore(wanted: ExpressPackage): Promise<ExpressStore> {
  const { package: specifier, options, from } = wanted
  const [name = '', exported] = specifier.split('#')
  const found = await importFrom(name, from ?? process.cwd())
  const Store = storeClassIn(found, exported)
  if (Store === undefined) {
    throw new Error(
      `express:${specifier} has no store for express-session: expected a class, or what makes one`,
    )
  }
  return make(Store, specifier, { ...DEFAULTS[name], ...options })
}

/** Stores that connect to nothing by themselves, and ours that do. */
const IN_PLACE: Readonly<Record<string, string>> = { 'connect-redis': 'ext:redis' }

function make(Store: StoreClass, specifier: string, options: object): ExpressStore {
  const ours = IN_PLACE[specifier.split('#')[0]!]
  if (ours !== undefined && typeof (options as { client?: unknown }).client !== 'object') {
    const inCode = 'hand the store over in code: { store: expressStore(new RedisStore({ client })) }'
    throw new Error(
      `express:${specifier} needs a live client, which no INI can hold: take ${ours}, or ${inCode}`,
    )
  }
  try {
    return new Store(options)
  } catch (error) {
    const reason = (error as Error).message
    const inCode = 'a live client, if it wants one, can only be given in code: { store: expressStore(...) }'
    throw new Error(`express:${specifier} makes no store of these settings: ${reason} (${inCode})`, {
      cause: error,
    })
  }
}

async function importFrom(name: string, directory: string): Promise<unknown> {
  const { resolve } = createRequire(join(directory, 'from-here.js'))
  let path: string
  try {
    path = resolve(name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') {
      throw new Error(`express:${name} needs the package ${name}: npm install ${name}`, { cause: error })
    }
    // Only for `import`: then it is found where sessd is.
    return import(name)
  }
  return import(pathToFileURL(path).href)
}

function storeClassIn(found: unknown, exported: string | undefined): StoreClass | undefined {
  const module = found as Record<string, unknown>
  const main = module.default ?? module
  if (exported !== undefined) {
    const named = module[exported] ?? (main as Record<string, unknown>)[exported]
    return isStoreClass(named) ? named : made(named)
  }
  if (isStoreClass(main)) return main
  const members = [...Object.values(module), ...Object.values(main)]
  return members.find(isStoreClass) ?? made(main)
}

/** The class that a function makes of express-session. */
function made(make: unknown): StoreClass | undefined {
  if (typeof make !== 'function') return undefined
  const result: unknown = make(standIn)
  return isStoreClass(result) ? result : undefined
}

function isStoreClass(value: unknown): value is StoreClass {
  if (typeof value !== 'function') return false
  const { prototype } = value as { prototype: unknown }
  return ['get', 'set', 'destroy'].every(
    (method) => typeof (prototype as Record<string, unknown> | undefined)?.[method] === 'function',
  )
}

/** Old packages call it without `new`, which no class can be. */
function Store(this: EventEmitter): void {
  EventEmitter.call(this as never)
}
Object.setPrototypeOf(Store.prototype, EventEmitter.prototype)

/** Some want express-session, some its Store alone: it is both. */
const standIn = Object.assign(Store, {
  Store,
  Session: class Session {},
  Cookie: class Cookie {},
  MemoryStore: class MemoryStore extends EventEmitter {},
})
