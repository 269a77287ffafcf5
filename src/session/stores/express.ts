// Rows in any store made for express-session. Such stores know no compare-and-set: it is done here, for this process
// alone, so that two processes on one of them may lose each other's changes. Sessions that express-session stored there
// are read as they are, and become ours when they are first saved.

import { type Clock, systemClock } from '../clock.js'
import { isId } from '../id.js'
import type { SaveResult, SessionStore } from '../store.js'
import { Turns } from '../turns.js'
import { canList, ExpressCalls, type ExpressStore } from './express-calls.js'
import { type ExpressPackage, importExpressStore } from './express-package.js'
import {
  type Adopt,
  type Found,
  readSession,
  revisionOf,
  sessionFor,
  touchedForeign,
  withExpiry,
} from './express-row.js'
import { requireId } from './row-keys.js'

export type { ExpressStore } from './express-calls.js'
export { type ExpressPackage, importExpressStore } from './express-package.js'
export type { Adopt } from './express-row.js'

export interface ExpressStoreOptions {
  /** How long a call of the store may take, in milliseconds: some never call back. Default: 2000. */
  readonly timeout?: number | undefined
  /** How a session of express-session's becomes a row. Default: the native format, with keys as data. */
  readonly adopt?: Adopt | undefined
  /** Whether the store is closed with this one. Default: only one that was made of a package. */
  readonly closes?: boolean | undefined
  readonly clock?: Clock | undefined
}

/**
 * Makes a store of a store for express-session, which the app closes; or of a package that has one, which is imported
 * when first used, and closed.
 */
export function expressStore(
  source: ExpressStore | ExpressPackage,
  {
    timeout = 2000,
    clock = systemClock,
    adopt = nativeRow(clock),
    closes = isPackage(source),
  }: ExpressStoreOptions = {},
): SessionStore {
  const turns = new Turns()
  let opened: Promise<{ store: ExpressStore; calls: ExpressCalls }> | undefined
  let closing: Promise<void> | undefined

  const callsOf = (store: ExpressStore) => ({ store, calls: new ExpressCalls(store, timeout) })

  async function open(): Promise<ExpressCalls> {
    opened ??= isPackage(source) ? importExpressStore(source).then(callsOf) : Promise.resolve(callsOf(source))
    try {
      return (await opened).calls
    } catch (error) {
      opened = undefined
      throw error
    }
  }

  // One that is there already may lose its server at any time, and says so only once.
  if (!isPackage(source)) void open()

  function requireOpen(): void {
    if (closing !== undefined) throw new Error('the express store is closed')
  }

  async function read(id: string): Promise<Found | null> {
    return readSession(await (await open()).get(id), adopt)
  }

  function isLive({ stored: { expiresAt } }: Found): boolean {
    return expiresAt === null || expiresAt > clock()
  }

  async function findLive(id: string): Promise<Found | null> {
    const found = await read(id)
    return found !== null && isLive(found) ? found : null
  }

  /** One at a time per row, so that nobody comes between a look and a change. */
  async function inTurn<R>(id: string, work: (calls: ExpressCalls) => Promise<R>): Promise<R> {
    requireId(id)
    requireOpen()
    return turns.run(id, async () => work(await open()))
  }

  function removeExpired(id: string): Promise<void> {
    return inTurn(id, async (calls) => {
      const found = await read(id)
      if (found !== null && !isLive(found)) await calls.destroy(id)
    })
  }

  /**
   * express-session does this with each request; nothing of ours keeps a row of its alive before it is saved. In turn,
   * because some stores read and write the whole row for it.
   */
  function keepAlive(id: string): Promise<void> {
    return inTurn(id, async (calls) => {
      const found = await findLive(id)
      if (found?.isForeign === true) await calls.touch(id, touchedForeign(found.session))
    })
  }

  async function* listIds(): AsyncGenerator<string> {
    requireOpen()
    const calls = await open()
    for (const id of await calls.ids()) if (isId(id) && (await findLive(id)) !== null) yield id
  }

  async function close(): Promise<void> {
    await turns.idle()
    const last = await opened?.catch(() => undefined)
    await last?.calls.close()
    if (closes) await last?.store.close?.()
  }

  return {
    scope: 'process',

    async load(id) {
      requireId(id)
      requireOpen()
      const found = await read(id)
      if (found === null) return null
      if (isLive(found)) {
        if (found.isForeign) keepAlive(id).catch(() => {})
        return found.stored
      }
      await removeExpired(id)
      return null
    },

    save(id, payload, { expiresAt, expected }) {
      return inTurn<SaveResult>(id, async (calls) => {
        const found = await findLive(id)
        if ((found?.stored.revision ?? null) !== expected) {
          return { saved: false, current: found?.stored ?? null }
        }
        const session = sessionFor(payload, expiresAt, clock())
        await calls.set(id, session)
        return { saved: true, revision: revisionOf(session) }
      })
    },

    delete(id) {
      return inTurn(id, async (calls) => {
        const found = await findLive(id)
        await calls.destroy(id)
        return found !== null
      })
    },

    touch(id, expiresAt) {
      return inTurn(id, async (calls) => {
        const found = await findLive(id)
        if (found === null) return false
        if (found.isForeign) await calls.touch(id, touchedForeign(found.session))
        else await calls.set(id, withExpiry(found.session, expiresAt, clock()))
        return true
      })
    },

    ...((isPackage(source) || canList(source)) && { ids: listIds }),

    async ping() {
      requireOpen()
      await (await open()).get('sessd-ping')
    },

    close() {
      closing ??= close()
      return closing
    },
  }
}

function isPackage(source: ExpressStore | ExpressPackage): source is ExpressPackage {
  return 'package' in source && typeof source.package === 'string'
}

/** A row of codecs/sessd.ts, as of now: express-session keeps no times. */
function nativeRow(clock: Clock): Adopt {
  return (data) => {
    const now = clock()
    return Buffer.from(JSON.stringify({ sessd: 1, created: now, accessed: now, data }))
  }
}
