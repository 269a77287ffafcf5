// The sessions of one store as an operator sees them: rows, looked at one by one and ended by name.

import type { SessionAdmin, SessionSummary } from '../protocol.js'
import type { Clock } from './clock.js'
import { type Codec, CorruptSession, type Document, ForeignSession } from './codec.js'
import { isId } from './id.js'
import { type Lifetime, lastAccess } from './lifetime.js'
import { isLockRow } from './locks.js'
import { isVacant } from './settings.js'
import type { SessionStore, StoredSession } from './store.js'
import { isUserRow } from './user-index.js'
import type { Users } from './users.js'

export interface AdminOptions<E> {
  readonly name: string
  /** The store itself, not one that hashes ids: what it lists can be asked for. */
  readonly store: SessionStore
  readonly codec: Codec<E>
  readonly settings: Lifetime
  readonly clock: Clock
  readonly users: Users | undefined
}

/** Rows that one step of a purge removes at most. */
const STEP = 500

export function sessionAdmin<E>(options: AdminOptions<E>): SessionAdmin {
  const { name, store, codec, settings, clock, users } = options

  function read(stored: StoredSession): { document: Document<E> | null; problem?: string } {
    try {
      return { document: codec.decode(stored.payload) }
    } catch (error) {
      if (error instanceof ForeignSession) {
        return { document: (error.readable as Document<E> | undefined) ?? null, problem: error.message }
      }
      if (error instanceof CorruptSession) return { document: null, problem: error.message }
      throw error
    }
  }

  function summarize(id: string, stored: StoredSession): SessionSummary & { document: Document<E> | null } {
    const { document, problem } = read(stored)
    return {
      id,
      created: document?.created ?? null,
      accessed: document === null ? null : lastAccess(settings, document, stored, clock()),
      expiresAt: stored.expiresAt,
      ...(document?.user === undefined ? {} : { user: document.user }),
      bytes: stored.payload.length,
      ...(problem === undefined ? {} : { problem }),
      document,
    }
  }

  async function* list(): AsyncGenerator<SessionSummary> {
    for await (const id of store.ids!()) {
      const stored = isUserRow(id) || isLockRow(id) ? null : await store.load(id)
      if (stored === null) continue
      const { document, ...summary } = summarize(id, stored)
      if (document === null || !isVacant(document)) yield summary
    }
  }

  async function purge(onStep: (removed: number) => void): Promise<number> {
    let sum = 0
    for (let removed = STEP; removed >= STEP; ) {
      removed = await store.sweep!(STEP)
      sum += removed
      onStep(sum)
    }
    return sum
  }

  return {
    name,
    scope: store.scope,
    async show(id) {
      const stored = isId(id) ? await store.load(id) : null
      if (stored === null) return null
      const { document, ...summary } = summarize(id, stored)
      const values = [...(document?.values ?? [])].map(([key, value]) => [key, codec.thaw(value)] as const)
      return { ...summary, data: Object.fromEntries(values) }
    },
    async revoke(id) {
      return isId(id) && (await store.delete(id))
    },
    ...(users && { revokeUser: (user: string) => users.revokeAll(user) }),
    ...(store.ids && { list }),
    ...(store.sweep && { purge }),
  }
}
