// Rows in a MongoDB collection, by the package mongodb, shared by every host that reaches it. Its TTL index removes dead
// rows about once a minute; who asks for one earlier is told that there is none.

import * as type from '../../config/converters.js'
import { type OptionTable, option } from '../../config/options.js'
import { type Clock, systemClock } from '../clock.js'
import type { SaveResult, SessionStore, StoredSession } from '../store.js'
import { type MongoCollection, mongoAccess } from './mongodb-collection.js'
import { type KeyNames, rowKeys } from './row-keys.js'

export const options = {
  url: option({
    type: type.text,
    default: undefined,
    required: true,
    secret: true,
    doc: 'Where MongoDB is, with a database: mongodb://user:password@host:27017/database or mongodb+srv://…',
  }),
  mongodb_collection: option({
    type: type.text,
    default: undefined,
    doc: "The collection. Without it: sessd_sessions, or, in Beaker's formats, backer_cache (sic).",
  }),
} as const satisfies OptionTable

export interface MongodbStoreOptions {
  /** `mongodb://user:password@host:27017/database`, with the driver's own parameters behind a question mark. */
  readonly url: string
  /** Default: `sessd_sessions`, or Beaker's `backer_cache`. */
  readonly collection?: string | undefined
  /** Whether documents are as Beaker's: `<id>:session`, `value`, `expiration`. Default: no. */
  readonly beaker?: boolean | undefined
  /** How long an operation may take, in milliseconds. Default: 2000. */
  readonly timeout?: number | undefined
  readonly clock?: Clock | undefined
}

/** How a row lies in a document. Beaker's say the time in epoch seconds, which no TTL index takes. */
interface Shape {
  readonly collection: string
  readonly keys: KeyNames
  readonly payload: string
  readonly expiry: string
  readonly hasTtl: boolean
  toExpiry(time: number): unknown
  fromExpiry(value: unknown): number | null
}

const sessdShape: Shape = {
  collection: 'sessd_sessions',
  keys: { prefix: '' },
  payload: 'payload',
  expiry: 'expiresAt',
  hasTtl: true,
  toExpiry: (time) => new Date(time),
  fromExpiry: (value) => (value instanceof Date ? value.getTime() : null),
}

const beakerShape: Shape = {
  collection: 'backer_cache',
  keys: { prefix: '', suffix: ':session' },
  payload: 'value',
  expiry: 'expiration',
  hasTtl: false,
  toExpiry: (time) => time / 1000,
  fromExpiry: (value) => (typeof value === 'number' ? Math.round(value * 1000) : null),
}

/** A row that was set aside is kept for a week. */
const ASIDE = 7 * 86_400_000
const SWEEP_BATCH = 1000
const DUPLICATE_KEY = 11_000

/** Makes a store. Nothing is connected before it is used; what can't be reached rejects. Throws OptionError. */
export function mongodbStore(given: MongodbStoreOptions): SessionStore {
  const { clock = systemClock, timeout = 2000 } = given
  const shape = given.beaker === true ? beakerShape : sessdShape
  const { keyOf, idOf } = rowKeys(shape.keys)
  const access = mongoAccess({
    url: given.url,
    collection: given.collection ?? shape.collection,
    ttl: shape.hasTtl ? shape.expiry : undefined,
    timeout,
  })

  const dead = () => ({ $lte: shape.toExpiry(clock()) })
  /** Later than now, or never: null can't be compared with a time. */
  const live = () => ({ $not: dead() })

  function where(key: string, expiry: object, more: object = {}): object {
    return { _id: key, [shape.expiry]: expiry, ...more }
  }

  function fields(expiresAt: number | null, payload?: Uint8Array): object {
    const expiry = expiresAt === null ? null : shape.toExpiry(expiresAt)
    return {
      $set: {
        ...(payload !== undefined && { [shape.payload]: bufferOf(payload) }),
        [shape.expiry]: expiry,
      },
    }
  }

  async function loadKey(rows: MongoCollection, key: string): Promise<StoredSession | null> {
    const document = await rows.findOne({ _id: key })
    if (document === null) return null
    const payload = document[shape.payload]
    if (!(payload instanceof Uint8Array)) return null
    const expiresAt = shape.fromExpiry(document[shape.expiry])
    if (expiresAt === null || expiresAt > clock()) return { payload, revision: payload, expiresAt }
    // A reader that can't tidy up still gets its answer.
    await rows.deleteOne(where(key, dead())).catch(() => {})
    return null
  }

  async function insert(
    rows: MongoCollection,
    key: string,
    payload: Uint8Array,
    expiresAt: number | null,
  ): Promise<boolean> {
    try {
      // A live row is not what is looked for, and its id is taken: that is the conflict.
      const result = await rows.updateOne(where(key, dead()), fields(expiresAt, payload), { upsert: true })
      return result.matchedCount + result.upsertedCount === 1
    } catch (error) {
      if ((error as { code?: unknown }).code === DUPLICATE_KEY) return false
      throw error
    }
  }

  async function sweep(rows: MongoCollection, limit: number): Promise<number> {
    for (let removed = 0; ; ) {
      const batch = Math.min(limit - removed, SWEEP_BATCH)
      if (batch === 0) return removed
      const found = rows.find({ [shape.expiry]: dead() }, { projection: { _id: 1 }, limit: batch })
      const keys = (await found.toArray()).map(({ _id }) => _id)
      const { deletedCount } = await rows.deleteMany({ _id: { $in: keys }, [shape.expiry]: dead() })
      removed += deletedCount
      if (keys.length < batch) return removed
    }
  }

  async function* listIds(): AsyncGenerator<string> {
    const found = await access.run(async (rows) =>
      rows.find({ [shape.expiry]: live() }, { projection: { _id: 1 } }),
    )
    try {
      for (;;) {
        const document = await access.run(() => found.next())
        if (document === null) return
        const id = idOf(document._id)
        if (id !== undefined) yield id
      }
    } finally {
      await found.close().catch(() => {})
    }
  }

  async function setAside(rows: MongoCollection, key: string): Promise<void> {
    const document = await rows.findOne({ _id: key })
    if (document === null) return
    const { _id, ...rest } = document
    const aside = { ...rest, [shape.expiry]: shape.toExpiry(clock() + ASIDE) }
    await rows.replaceOne({ _id: `${key}.corrupt` }, aside, { upsert: true })
    await rows.deleteOne({ _id: key })
  }

  return {
    scope: 'network',

    async load(id) {
      const key = keyOf(id)
      return access.run((rows) => loadKey(rows, key))
    },

    async save(id, payload, { expiresAt, expected }): Promise<SaveResult> {
      const key = keyOf(id)
      return access.run(async (rows) => {
        const saved =
          expected === null
            ? await insert(rows, key, payload, expiresAt)
            : expected instanceof Uint8Array &&
              (await rows
                .updateOne(
                  where(key, live(), { [shape.payload]: bufferOf(expected) }),
                  fields(expiresAt, payload),
                )
                .then(({ matchedCount }) => matchedCount === 1))
        if (saved) return { saved: true, revision: payload }
        return { saved: false, current: await loadKey(rows, key) }
      })
    },

    async delete(id) {
      const key = keyOf(id)
      return access.run(async (rows) => {
        const { deletedCount } = await rows.deleteOne(where(key, live()))
        if (deletedCount === 0) await rows.deleteOne(where(key, dead()))
        return deletedCount === 1
      })
    },

    async touch(id, expiresAt) {
      const key = keyOf(id)
      const result = await access.run((rows) => rows.updateOne(where(key, live()), fields(expiresAt)))
      return result.matchedCount === 1
    },

    sweep: (limit) => access.run((rows) => sweep(rows, limit)),

    ids: () => listIds(),

    async setAside(id) {
      const key = keyOf(id)
      await access.run((rows) => setAside(rows, key))
    },

    ping: () => access.run(async (rows) => void (await rows.findOne({ _id: 'ping' }))),

    close: () => access.close(),
  }
}

/** The driver knows a Buffer to be bytes; of other arrays it makes a document. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
