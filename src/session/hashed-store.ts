// `hash_ids`: the store knows sessions by the SHA-256 of their id. Who can read the store (a backup, a replica) learns
// what is in the sessions, but can't make the cookie of one even with the secret.

import { createHash } from 'node:crypto'
import type { SessionStore } from './store.js'

/** The same store under hashed ids. `ids` gives hashes. */
export function hashedStore(store: SessionStore): SessionStore {
  const key = (id: string) => createHash('sha256').update(id).digest('hex')
  const { touch, sweep, ids, setAside, ping, close } = store
  return {
    scope: store.scope,
    load: (id) => store.load(key(id)),
    save: (id, payload, options) => store.save(key(id), payload, options),
    delete: (id) => store.delete(key(id)),
    ...(touch && { touch: (id: string, expiresAt: number | null) => touch.call(store, key(id), expiresAt) }),
    ...(sweep && { sweep: sweep.bind(store) }),
    ...(ids && { ids: ids.bind(store) }),
    ...(setAside && { setAside: (id: string) => setAside.call(store, key(id)) }),
    ...(ping && { ping: ping.bind(store) }),
    ...(close && { close: close.bind(store) }),
  }
}
