// The stores that benches run on, by the names of the INI. `location` is where the bench put it: a directory or a URL.

export const stores = {
  memory: { processes: [1] },
  file: { processes: [1, 2, 4], needs: 'directory' },
  cookie: { processes: [1] },
  dbm: { processes: [1, 2, 4], needs: 'directory' },
  sqlite: { processes: [1, 2, 4], needs: 'directory' },
  redis: { processes: [1, 2, 4], needs: 'redis' },
  memcached: { processes: [1, 2, 4], needs: 'memcached' },
  postgres: { processes: [1, 2, 4], needs: 'postgres' },
}

/** The settings of beakerSession for one store. */
export async function openStore(name, location) {
  switch (name) {
    case 'memory':
      return { type: 'memory' }
    case 'cookie':
      return { type: 'cookie' }
    case 'file':
      return { type: 'file', data_dir: location }
    case 'dbm': {
      const { lmdbStore } = await import('../dist/session/stores/lmdb.js')
      return { store: lmdbStore({ directory: location }) }
    }
    case 'sqlite': {
      const { databaseStore } = await import('../dist/session/stores/database.js')
      return { store: databaseStore({ url: `sqlite:///${location}/sessions.db` }) }
    }
    case 'postgres': {
      const { databaseStore } = await import('../dist/session/stores/database.js')
      return { store: databaseStore({ url: location }) }
    }
    case 'redis': {
      const { redisStore } = await import('../dist/session/stores/redis.js')
      return { store: redisStore({ url: location }) }
    }
    case 'memcached': {
      const { memcachedStore } = await import('../dist/session/stores/memcached.js')
      return { store: memcachedStore({ servers: location }) }
    }
    default:
      throw new Error(`no such store: ${name}`)
  }
}
