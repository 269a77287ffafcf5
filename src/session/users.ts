// Whose sessions: binds sessions to users, lists a user's sessions, and ends them together.

import type { Clock } from './clock.js'
import type { Codec } from './codec.js'
import { type Lifetime, lastAccess } from './lifetime.js'
import { isVacant } from './settings.js'
import type { SessionStore } from './store.js'
import { type IndexEntry, UserIndex } from './user-index.js'

/** One session of a user. Times are epoch milliseconds. */
export interface UserSession {
  readonly id: string
  readonly created: number | null
  /** The access that was recorded last. */
  readonly lastSeen: number | null
  /** What the app said of the device when it bound the session. */
  readonly device?: string
}

export interface UsersOptions {
  /** Where sessions are. */
  readonly store: SessionStore
  /** Where the lists are: the same store, with ids as they are. */
  readonly index: SessionStore
  readonly codec: Codec<unknown>
  readonly settings: Lifetime
  readonly clock: Clock
  /** How many sessions a user may have; the oldest go first. undefined: any number. */
  readonly limit: number | undefined
}

export class Users {
  /** Told, and waited for, when revokeAll() has ended sessions. */
  revoked: ((ids: ReadonlySet<string>) => Promise<void>) | null = null
  readonly #options: UsersOptions
  readonly #index: UserIndex

  constructor(options: UsersOptions) {
    this.#options = options
    this.#index = new UserIndex(options.index, options.clock)
  }

  /** Writes down that the stored session `id` is the user's; with too many, ends the oldest. */
  async bind(user: string, entry: IndexEntry): Promise<void> {
    let surplus: readonly IndexEntry[] = []
    await this.#index.update(user, (entries) => {
      const all = [...entries.filter(({ id }) => id !== entry.id), entry]
      surplus = all.slice(0, Math.max(0, all.length - (this.#options.limit ?? all.length)))
      return all.slice(surplus.length)
    })
    for (const { id } of surplus) await this.#options.store.delete(id)
  }

  /** The session goes on under another id. */
  async move(user: string, from: string, to: string): Promise<void> {
    await this.#index.update(user, (entries) =>
      entries.map((entry) => (entry.id === from ? { ...entry, id: to } : entry)),
    )
  }

  async remove(user: string, ids: ReadonlySet<string>): Promise<void> {
    await this.#index.update(user, (entries) => {
      const left = entries.filter(({ id }) => !ids.has(id))
      return left.length === entries.length ? entries : left
    })
  }

  /** The user's live sessions, the one bound last first. Dead ones leave the list on the way. */
  async sessionsOf(user: string): Promise<readonly UserSession[]> {
    const entries = await this.#index.entries(user)
    const dead = new Set<string>()
    const live: UserSession[] = []
    for (const { id, device } of entries) {
      const found = await this.#look(id)
      if (found?.user !== user) dead.add(id)
      else live.push({ id, ...found.times, ...(device === undefined ? {} : { device }) })
    }
    if (dead.size > 0) await this.remove(user, dead)
    return live.reverse()
  }

  /** Ends all of a user's sessions, but for the one named; answers how many that were. */
  async revokeAll(user: string, except?: string): Promise<number> {
    const entries = await this.#index.entries(user)
    const doomed = new Set(entries.map(({ id }) => id).filter((id) => id !== except))
    let ended = 0
    for (const id of doomed) if (await this.#options.store.delete(id)) ended++
    if (doomed.size > 0) await this.remove(user, doomed)
    await this.revoked?.(doomed)
    return ended
  }

  async #look(
    id: string,
  ): Promise<{ user: string | undefined; times: Pick<UserSession, 'created' | 'lastSeen'> } | null> {
    const { store, codec, settings, clock } = this.#options
    const stored = await store.load(id)
    if (stored === null) return null
    const document = codec.decode(stored.payload)
    if (isVacant(document)) return null
    const lastSeen = lastAccess(settings, document, stored, clock())
    return { user: document.user, times: { created: document.created, lastSeen } }
  }
}
