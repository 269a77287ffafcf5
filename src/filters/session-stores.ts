// The stores that a file can name, by their names in Beaker where it has them. Each is imported when it is named, and
// brings its own table of settings.

import { join } from 'node:path'
import { OptionError } from '../config/errors.js'
import type { OptionTable, Values } from '../config/options.js'
import type { Clock } from '../session/clock.js'
import type { SessionStore } from '../session/store.js'

/** What a store is told besides its own settings. Times are milliseconds. */
export interface StoreContext {
  readonly format: 'sessd' | 'beaker' | 'beaker-1.11'
  /** How long a row lives that doesn't say it; null: for ever. */
  readonly lifetime: number | null
  /** How long an operation may take. */
  readonly timeout: number
  readonly clock: Clock
  /** The directory of the INI: packages of the user's are looked for from there. */
  readonly directory: string
  /** What stands under `express.`, for the constructor of such a store. */
  readonly express: Readonly<Record<string, string | number | boolean>>
}

/** A kind of store: its settings, and how to make one of them. */
export interface StoreType {
  readonly options: OptionTable
  /** Makes a store. Throws OptionError for settings that are no good to it. */
  open(given: Readonly<Record<string, unknown>>, context: StoreContext): SessionStore
}

function storeType<T extends OptionTable>(
  options: T,
  open: (given: Values<T>, context: StoreContext) => SessionStore,
): StoreType {
  return { options, open: (given, context) => open(given as Values<T>, context) }
}

const isBeaker = ({ format }: StoreContext) => format !== 'sessd'

const redis = (cluster: boolean) => async () => {
  const { redisStore, options, beakerKeys } = await import('../session/stores/redis.js')
  return storeType(options, ({ url, redis_prefix, redis_ca }, context) => {
    const { timeout, clock } = context
    const names = isBeaker(context) ? beakerKeys : { prefix: 'sessd:' }
    const keys = redis_prefix === undefined ? names : { ...names, prefix: redis_prefix }
    return redisStore({ url, cluster, ca: redis_ca, keys, timeout, clock })
  })
}

const database = async () => {
  const { databaseStore, options } = await import('../session/stores/database.js')
  return storeType(options, (given, context) => {
    const { timeout, clock, lifetime } = context
    return databaseStore({
      url: given.url,
      table: given.table_name,
      schema: given.schema_name,
      poolSize: given['sa.pool_size'],
      prepare: given.prepared_statements,
      fsync: given.fsync,
      beaker: isBeaker(context),
      lifetime,
      timeout,
      clock,
    })
  })
}

const types: Readonly<Record<string, () => Promise<StoreType>>> = {
  memory: async () => {
    const { memoryStore, options } = await import('../session/stores/memory.js')
    return storeType(options, ({ max_sessions }, { clock }) =>
      memoryStore({ clock, maxSessions: max_sessions }),
    )
  },
  file: async () => {
    const { fileStore, options } = await import('../session/stores/file.js')
    const { beakerLockOptions } = await import('../session/stores/file-flock.js')
    return storeType(options, (given, context) => {
      const { clock, lifetime, timeout } = context
      const directory = directoryOf('file', given.file_dir, given.data_dir)
      const { lock_dir: lockDirectory, fsync } = given
      const bare = isBeaker(context)
      const flock = beakerLockOptions(given, bare)
      return fileStore({ directory, lockDirectory, flock, fsync, bare, lifetime, timeout, clock })
    })
  },
  dbm: async () => {
    const { lmdbStore, options } = await import('../session/stores/lmdb.js')
    return storeType(options, (given, context) => {
      if (isBeaker(context)) {
        const reason = "Beaker's own dbm files can't be shared: take file, or a database"
        throw new OptionError('beaker.session.type', reason)
      }
      const directory = directoryOf('dbm', given.dbm_dir, given.data_dir)
      return lmdbStore({ directory, fsync: given.fsync, clock: context.clock })
    })
  },
  'ext:database': database,
  'ext:sqla': database,
  'ext:redis': redis(false),
  'ext:rediscluster': redis(true),
  'ext:memcached': async () => {
    const { memcachedStore, options, beakerKeys } = await import('../session/stores/memcached.js')
    const { memcachedFlags } = await import('../session/codecs/beaker-container.js')
    return storeType(options, (given, context) => {
      const { timeout, clock } = context
      const { url: servers, memcached_prefix, memcached_max_size: maxSize, memcache_module: module } = given
      const names = isBeaker(context) ? beakerKeys : { prefix: 'sessd:' }
      return memcachedStore({
        servers,
        keys: memcached_prefix === undefined ? names : { ...names, prefix: memcached_prefix },
        distribution: module === 'auto' ? undefined : module,
        ...(isBeaker(context) && { flagsFor: memcachedFlags }),
        maxSize,
        timeout,
        clock,
      })
    })
  },
  'ext:mongodb': async () => {
    const { mongodbStore, options } = await import('../session/stores/mongodb.js')
    return storeType(options, ({ url, mongodb_collection: collection }, context) => {
      const { timeout, clock } = context
      return mongodbStore({ url, collection, beaker: isBeaker(context), timeout, clock })
    })
  },
}

/** Names of Beaker's entry points, and what they stand for. */
const ALIASES: Readonly<Record<string, string>> = {
  database: 'ext:database',
  sqla: 'ext:sqla',
  memcached: 'ext:memcached',
}

/** All names that `type` may have, but for express:PACKAGE. */
export const TYPE_NAMES: readonly string[] = [
  ...Object.keys(types),
  'cookie',
  'chain',
  ...Object.keys(ALIASES),
]

export function isTypeName(name: string): boolean {
  return TYPE_NAMES.includes(name) || /^express:.+/.test(name) || name === 'ext:google'
}

/** The store type of a name. `type = cookie` is none. Rejects with OptionError for a name that there isn't. */
export async function findStoreType(name: string): Promise<StoreType> {
  const load = types[ALIASES[name] ?? name]
  if (load !== undefined) return load()
  if (name === 'chain') return chain()
  if (name.startsWith('express:')) return express(name.slice('express:'.length))
  if (name === 'ext:google') {
    const reason = 'the datastore of the first App Engine is gone: take ext:database, ext:redis or cookie'
    throw new OptionError('beaker.session.type', `ext:google: ${reason}`)
  }
  throw new OptionError('beaker.session.type', `no such type: "${name}"`)
}

/** The settings of all stores, by name: what one of them ignores may be meant for another. */
export async function allStoreSettings(): Promise<ReadonlySet<string>> {
  const all = await Promise.all([...Object.values(types), chain].map((load) => load()))
  return new Set(all.flatMap(({ options }) => Object.keys(options)))
}

/** The stores of a chain, each with its own settings from the same section. */
async function chain(): Promise<StoreType> {
  const { chainStore, options } = await import('../session/stores/chain.js')
  const names = Object.keys(types)
  const members = await Promise.all(names.map((name) => types[name]!()))
  const tables = Object.assign({}, ...members.map(({ options }) => optional(options)))
  return storeType({ ...tables, ...options } as typeof options, (given, context) => {
    const maxAge = given['chain.max_age'] * 1000
    const stores = given['chain.stores'].map((name) => {
      const member = members[names.indexOf(ALIASES[name] ?? name)]
      if (member !== undefined) return member.open(given, context)
      throw new OptionError(
        'beaker.session.chain.stores',
        `no such store: "${name}". There is: ${names.join(', ')}`,
      )
    })
    return chainStore(stores, { maxAge, clock: context.clock })
  })
}

/** In a chain nobody knows beforehand whose settings are needed: each store says itself what it lacks. */
function optional(table: OptionTable): OptionTable {
  return Object.fromEntries(
    Object.entries(table).map(([name, { required: _, ...option }]) => [name, option]),
  ) as OptionTable
}

/** Any store for express-session from npm. */
async function express(specifier: string): Promise<StoreType> {
  const { expressStore } = await import('../session/stores/express.js')
  return storeType({}, (_given, context) => {
    if (isBeaker(context)) {
      const reason = `express:${specifier} keeps rows of express-session: it needs format = sessd`
      throw new OptionError('beaker.session.format', reason)
    }
    const { directory: from, express: settings, timeout, clock } = context
    const source = { package: specifier, options: settings, from }
    return expressStore(source, { timeout, clock })
  })
}

function directoryOf(type: string, own: string | undefined, dataDir: string | undefined): string {
  if (own !== undefined) return own
  if (dataDir !== undefined) return join(dataDir, `container_${type}`)
  throw new OptionError('beaker.session.data_dir', `missing: type = ${type} needs a directory`)
}
