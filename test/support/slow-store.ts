// A store that takes its time, as one on a network does: every operation ends some turns of the event loop later.

import { setImmediate as turn } from 'node:timers/promises'
import type { SessionStore } from '../../src/session/store.js'

export function slowStore(store: SessionStore, turns = 3): SessionStore {
  const wait = async () => {
    for (let i = 0; i < turns; i++) await turn()
  }
  return {
    scope: store.scope,
    async load(id) {
      const found = await store.load(id)
      await wait()
      return found
    },
    async save(id, payload, options) {
      await wait()
      return store.save(id, payload, options)
    },
    async delete(id) {
      await wait()
      return store.delete(id)
    },
    async touch(id, expiresAt) {
      await wait()
      return (await store.touch?.(id, expiresAt)) ?? false
    },
    close: () => store.close?.(),
  }
}
