// The stores that a file can name, by their names in Beaker where it has them. Each is imported when it is named, and
// brings its own table of settings.

import { join } from 'node:path'
import { OptionError } from '../config/errors.js'
import type { OptionTable, Values } from '../config/options.js'
import { nearest } from '../config/suggest.js'
import type { SessionStore } from '../session/store.js'
import { needs, type StoreContext, type StoreType, storeType, tryPlace } from './session-store-type.js'

const isBeaker = ({ format }: StoreContext) => format !== 'sessd'

const redis = (cluster: boolean) => async () => {
  const { redisStore, options, beakerKeys } = await import('../session/stores/redis.js')
  const { importRedis } = await import('../session/stores/redis-open.js')
  const make = ({ url, redis_prefix, redis_ca }: Values<typeof options>, context: StoreContext) => {
    const { timeout, clock } = context
    const names = isBeaker(context) ? beakerKeys : { prefix: 'sessd:' }
    const keys = redis_prefix === undefined ? names : { ...names, prefix: redis_prefix }
    return redisStore({ url, cluster, ca: redis_ca, keys, timeout, clock })
  }
  return storeType(options, make, () => [needs(importRedis)])
}

const database = async () => {
  const { databaseStore, importDriver, options } = await import('../session/stores/database.js')
  const make = (given: Values<typeof options>, context: StoreContext) => {
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
  }
  return storeType(options, make, (store, { url }) => {
    const driver = importDriver(url)
    return [driver === null ? tryPlace(store, 'url') : needs(() => driver)]
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
    const make = (given: Values<typeof options>, context: StoreContext) => {
      const { clock, lifetime, timeout } = context
      const directory = directoryOf('file', given.file_dir, given.data_dir)
      const { lock_dir: lockDirectory, fsync } = given
      const bare = isBeaker(context)
      const flock = beakerLockOptions(given, bare)
      return fileStore({ directory, lockDirectory, flock, fsync, bare, lifetime, timeout, clock })
    }
    return storeType(options, make, (store, { file_dir }) => [
      tryPlace(store, file_dir === undefined ? 'data_dir' : 'file_dir'),
    ])
  },
  dbm: async () => {
    const { lmdbStore, options } = await import('../session/stores/lmdb.js')
    const { importLmdb } = await import('../session/stores/lmdb-environment.js')
    const make = (given: Values<typeof options>, context: StoreContext) => {
      if (isBeaker(context)) {
        const reason = "Beaker's own dbm files can't be shared: take file, or a database"
        throw new OptionError('beaker.session.type', reason)
      }
      const directory = directoryOf('dbm', given.dbm_dir, given.data_dir)
      return lmdbStore({ directory, fsync: given.fsync, clock: context.clock })
    }
    return storeType(options, make, (store, { dbm_dir }) => [
      needs(importLmdb),
      tryPlace(store, dbm_dir === undefined ? 'data_dir' : 'dbm_dir'),
    ])
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
    const { importMongodb } = await import('../session/stores/mongodb-collection.js')
    const make = (given: Values<typeof options>, context: StoreContext) => {
      const { url, mongodb_collection: collection } = given
      const { timeout, clock } = context
      return mongodbStore({ url, collection, beaker: isBeaker(context), timeout, clock })
    }
    return storeType(options, make, () => [needs(importMongodb)])
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

/** What people call a store that has another name here. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  lmdb: 'dbm',
  mongo: 'ext:mongodb',
  mysql: 'ext:database',
  postgres: 'ext:database',
  postgresql: 'ext:database',
  sqlite: 'ext:database',
  valkey: 'ext:redis',
}

/** ` Did you mean "ext:redis"?` for a name that there isn't, or nothing: ready to be put after a full stop. */
export function hint(name: string): string {
  const bare = name.toLowerCase().replace(/^(ext|express)[:.]?/, '')
  const other = Object.hasOwn(OTHER_NAMES, bare) ? OTHER_NAMES[bare] : undefined
  const found = other ?? TYPE_NAMES.find((known) => known === `ext:${bare}`) ?? nearest(name, TYPE_NAMES)
  return found === undefined ? '' : ` Did you mean "${found}"?`
}

export function isTypeName(name: string): boolean {
  return TYPE_NAMES.includes(name) || /^express:[^#\s]/.test(name) || name === 'ext:google'
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
  return {
    options: { ...tables, ...options },
    async open(given, context) {
      const settings = given as Values<typeof options>
      const asked = settings['chain.stores'].map((name) => {
        const member = members[names.indexOf(ALIASES[name] ?? name)]
        if (member !== undefined) return member
        throw new OptionError(
          IN_CHAIN,
          `no such store: "${name}".${hint(name)} There is: ${names.join(', ')}`,
        )
      })
      const stores: SessionStore[] = []
      try {
        for (const member of asked) stores.push(await member.open(given, context))
      } catch (error) {
        await Promise.allSettled(stores.map((store) => store.close?.()))
        throw error instanceof OptionError && error.key === 'beaker.session.type'
          ? new OptionError(IN_CHAIN, error.reason, { cause: error })
          : error
      }
      return chainStore(stores, { maxAge: settings['chain.max_age'] * 1000, clock: context.clock })
    },
  }
}

/** Where a chain names its members, each with what would be its `type` alone. */
const IN_CHAIN = 'beaker.session.chain.stores'

/** In a chain nobody knows beforehand whose settings are needed: each store says itself what it lacks. */
function optional(table: OptionTable): OptionTable {
  return Object.fromEntries(
    Object.entries(table).map(([name, { required: _, ...option }]) => [name, option]),
  ) as OptionTable
}

/** Any store for express-session from npm. */
async function express(specifier: string): Promise<StoreType> {
  const { expressStore, importExpressStore } = await import('../session/stores/express.js')
  return {
    options: {},
    async open(_given, context) {
      if (isBeaker(context)) {
        const reason = `express:${specifier} keeps rows of express-session: it needs format = sessd`
        throw new OptionError('beaker.session.format', reason)
      }
      const { directory: from, express: settings, timeout, clock } = context
      try {
        const store = await importExpressStore({ package: specifier, options: settings, from })
        return expressStore(store, { timeout, clock, closes: true })
      } catch (error) {
        throw new OptionError('beaker.session.type', (error as Error).message, { cause: error })
      }
    },
  }
}

function directoryOf(type: string, own: string | undefined, dataDir: string | undefined): string {
  if (own !== undefined) return own
  if (dataDir !== undefined) return join(dataDir, `container_${type}`)
  throw new OptionError('beaker.session.data_dir', `missing: type = ${type} needs a directory`)
}
