// The stores that people use with express-session, with the settings of their own READMEs.

import { settings } from './peer.mjs'

const { store, location } = settings

const stores = {
  memory: async ({ MemoryStore }) => new MemoryStore(),
  async file(session) {
    const { default: fileStore } = await import('session-file-store')
    const Store = fileStore(session)
    return new Store({ path: location, retries: 0, reapInterval: -1, logFn: () => {} })
  },
  async redis() {
    const [{ RedisStore }, { createClient }] = await Promise.all([import('connect-redis'), import('redis')])
    const client = createClient({ url: location })
    await client.connect()
    return new RedisStore({ client })
  },
  async sqlite(session) {
    const [{ default: sqliteStore }, { default: Database }] = await Promise.all([
      import('better-sqlite3-session-store'),
      import('libsql'),
    ])
    const client = new Database(`${location}/sessions.db`)
    client.pragma('journal_mode = WAL')
    client.pragma('synchronous = NORMAL')
    const Store = sqliteStore(session)
    return new Store({ client, expired: { clear: false } })
  },
  async postgres(session) {
    const { default: pgSimple } = await import('connect-pg-simple')
    const Store = pgSimple(session)
    return new Store({ conString: location, createTableIfMissing: true, pruneSessionInterval: false })
  },
}

/** The store that the bench asked for. */
export function expressStore(session) {
  return stores[store](session)
}
