// Stores one behind the other, the nearest first. The last one alone decides: every change is a compare-and-set there.
// The others keep copies, for at most `maxAge`; so long a session that was ended by another process may still be read
// here. What is ended by this process is over at once, and nothing that is over comes back: the last store knows.

import * as type from '../../config/converters.js'
import { OptionError } from '../../config/errors.js'
import { type OptionTable, option } from '../../config/options.js'
import type { MaybePromise } from '../../protocol.js'
import { type Clock, systemClock } from '../clock.js'
import { after, isPromise } from '../maybe-promise.js'
import type { SaveResult, SessionStore, StoredSession } from '../store.js'
import { type NearStats, NearStore } from './chain-near.js'

const names: type.Converter<readonly string[]> = {
  expected: 'at least two stores, the nearest first, as in memory, ext:redis',
  parse(text) {
    const found = text.split(/[\s,]+/).filter((name) => name !== '')
    return names.accepts(found) ? found : undefined
  },
  accepts: (value): value is readonly string[] =>
    type.words.accepts(value) && value.length > 1 && new Set(value).size === value.length,
}

export const options = {
  'chain.stores': option({
    type: names,
    default: undefined,
    required: true,
    doc: 'The stores, the nearest first, as in memory, ext:redis. The last one decides; the others keep copies.',
  }),
  'chain.max_age': option({
    type: type.duration(1),
    default: 1,
    unit: 'seconds',
    doc: 'How long a copy is believed: so long a session that another process ended may still be read here.',
  }),
} as const satisfies OptionTable

export interface ChainOptions {
  /** How long a copy is believed without asking the last store, in milliseconds. */
  readonly maxAge: number
  readonly clock?: Clock | undefined
}

/** What happened since the chain was made. */
export interface ChainStats {
  /** Of each store but the last, nearest first. */
  readonly near: readonly NearStats[]
}

export interface ChainStore extends SessionStore {
  stats(): ChainStats
}

/** What is going on with a row, as long as something is. */
interface Traffic {
  users: number
  /** How many have changed it, or are about to: what was read of it before must not become a copy. */
  changes: number
}

/** Puts stores in a chain, which closes them. Throws OptionError for less than two. */
export function chainStore(
  stores: readonly SessionStore[],
  { maxAge, clock = systemClock }: ChainOptions,
): ChainStore {
  const last = stores.at(-1)
  if (last === undefined || stores.length < 2)
    throw new OptionError('chain.stores', `expected ${names.expected}`)
  if (!(maxAge > 0)) throw new OptionError('chain.max_age', 'expected a time above 0')
  const near = stores.slice(0, -1).map((store) => new NearStore(store, { maxAge, clock }))
  const traffic = new Map<string, Traffic>()

  function enter(id: string): Traffic {
    const found = traffic.get(id) ?? { users: 0, changes: 0 }
    found.users++
    traffic.set(id, found)
    return found
  }

  function leave(id: string, mine: Traffic): void {
    if (--mine.users === 0) traffic.delete(id)
  }

  /** Resolves when all nearer than `level` have done it. */
  function nearer(level: number, work: (store: NearStore) => MaybePromise<void>): MaybePromise<void> {
    const waiting = near.slice(0, level).map(work).filter(isPromise)
    if (waiting.length > 0) return Promise.all(waiting).then(() => undefined)
  }

  const dropAll = (id: string) => nearer(near.length, (store) => store.drop(id))

  /** Asks all but the nearest. */
  async function loadFar(id: string): Promise<StoredSession | null> {
    const mine = enter(id)
    try {
      for (const [level, store] of near.entries()) {
        const copy = level === 0 ? null : await store.load(id)
        if (copy === null) continue
        await fill(mine, level, id, copy.row, copy.until)
        return copy.row
      }
      const row = await last!.load(id)
      if (row !== null) await fill(mine, near.length, id, row)
      return row
    } finally {
      leave(id, mine)
    }
  }

  /** Copies what was found to the stores that are nearer, unless it has changed meanwhile. */
  async function fill(mine: Traffic, level: number, id: string, row: StoredSession, until?: number) {
    if (mine.changes > 0) return
    await nearer(level, (store) => store.put(id, row, until))
    if (mine.changes > 0) await dropAll(id)
  }

  /** Changes a row of the last store; copies are gone before and during that, whatever comes of it. */
  async function change<R>(
    id: string,
    work: () => MaybePromise<R>,
    copyAfter: (result: R) => StoredSession | null,
  ): Promise<R> {
    const mine = enter(id)
    mine.changes++
    try {
      await dropAll(id)
      const result = await work()
      const row = copyAfter(result)
      if (row !== null && mine.changes === 1) await nearer(near.length, (store) => store.put(id, row))
      if (row === null || mine.changes > 1) await dropAll(id)
      return result
    } finally {
      leave(id, mine)
    }
  }

  const chain: ChainStore = {
    scope: last.scope,

    load: (id) => after(near[0]!.load(id), (copy) => copy?.row ?? loadFar(id)),

    save(id, payload, options) {
      return change<SaveResult>(
        id,
        () => last.save(id, payload, options),
        (result) =>
          result.saved ? { payload, revision: result.revision, expiresAt: options.expiresAt } : null,
      )
    },

    delete: (id) =>
      change(
        id,
        () => last.delete(id),
        () => null,
      ),

    ...(last.touch !== undefined && {
      touch: (id: string, expiresAt: number | null) =>
        change(
          id,
          () => last.touch!(id, expiresAt),
          () => null,
        ),
    }),

    ...(last.sweep !== undefined && { sweep: (limit: number) => last.sweep!(limit) }),

    ...(last.ids !== undefined && { ids: () => last.ids!() }),

    ...(last.setAside !== undefined && {
      setAside: (id: string) =>
        change(
          id,
          () => last.setAside!(id),
          () => null,
        ),
    }),

    ...(last.shardOf !== undefined && { shardOf: (id: string) => last.shardOf!(id) }),

    ...(last.ping !== undefined && { ping: () => last.ping!() }),

    async close() {
      await Promise.all([...near.map((store) => store.close()), last.close?.()])
    },

    stats: () => ({ near: near.map((store) => store.stats()) }),
  }
  return chain
}
