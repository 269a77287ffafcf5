// The stores that benches run on, by the names of the INI. `location` is where the bench put it: a directory or a URL.

export const stores = {
  memory: { processes: [1] },
  file: { processes: [1, 2, 4], needs: 'directory' },
  cookie: { processes: [1] },
  dbm: { processes: [1, 2, 4], needs: 'directory' },
  sqlite: { processes: [1, 2, 4], needs: 'directory' },
  redis: { processes: [1, 2, 4], needs: 'redis' },
  rediscluster: { processes: [1, 2, 4], needs: 'rediscluster' },
  memcached: { processes: [1, 2, 4], needs: 'memcached' },
  postgres: { processes: [1, 2, 4], needs: 'postgres' },
  mysql: { processes: [1, 2, 4], needs: 'mysql' },
  mongodb: { processes: [1, 2, 4], needs: 'mongodb' },
  // A near copy may be older than another process's change, and npm's stores compare nothing: one process each.
  chain: { processes: [1], needs: 'directory' },
  express: { processes: [1], needs: 'directory' },
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
    case 'postgres':
    case 'mysql': {
      const { databaseStore } = await import('../dist/session/stores/database.js')
      return { store: databaseStore({ url: location }) }
    }
    case 'redis':
    case 'rediscluster': {
      const { redisStore } = await import('../dist/session/stores/redis.js')
      return { store: redisStore({ url: location }) }
    }
    case 'memcached': {
      const { memcachedStore } = await import('../dist/session/stores/memcached.js')
      return { store: memcachedStore({ servers: location }) }
    }
    case 'mongodb': {
      const { mongodbStore } = await import('../dist/session/stores/mongodb.js')
      return { store: mongodbStore({ url: location }) }
    }
    case 'chain': {
      const { chainStore } = await import('../dist/session/stores/chain.js')
      const { fileStore } = await import('../dist/session/stores/file.js')
      const { memoryStore } = await import('../dist/session/stores/memory.js')
      return { store: chainStore([memoryStore(), fileStore({ directory: location })], { maxAge: 1000 }) }
    }
    case 'express': {
      const { expressStore } = await import('../dist/session/stores/express.js')
      const options = { path: location, reapInterval: -1 }
      return { store: expressStore({ package: 'session-file-store', options, from: import.meta.dirname }) }
    }
    default:
      throw new Error(`no such store: ${name}`)
  }
}
