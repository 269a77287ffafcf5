// A MongoDB collection by the package mongodb: connected when first used. The driver keeps and renews connections by
// itself; what it may wait for is limited here.

import { OptionError } from '../../config/errors.js'
import { Deadlines } from '../deadlines.js'
import { importPeer } from './optional-peer.js'

export interface MongoDocument {
  readonly _id: string
  readonly [field: string]: unknown
}

/** What is used of the driver's collection. */
export interface MongoCollection {
  findOne(filter: object): Promise<MongoDocument | null>
  find(filter: object, options: object): MongoCursor
  updateOne(
    filter: object,
    update: object,
    options?: object,
  ): Promise<{ readonly matchedCount: number; readonly upsertedCount: number }>
  replaceOne(filter: object, document: object, options: object): Promise<unknown>
  deleteOne(filter: object): Promise<{ readonly deletedCount: number }>
  deleteMany(filter: object): Promise<{ readonly deletedCount: number }>
  createIndex(keys: object, options: object): Promise<unknown>
}

export interface MongoCursor {
  next(): Promise<MongoDocument | null>
  toArray(): Promise<MongoDocument[]>
  close(): Promise<unknown>
}

export interface MongoSettings {
  readonly url: string
  readonly collection: string
  /** A field of dates after which the server removes a document; undefined: there is none. */
  readonly ttl: string | undefined
  /** How long `run` may take, in milliseconds. */
  readonly timeout: number
}

interface Client {
  db(): { collection(name: string): unknown }
  close(): Promise<unknown>
}

export interface MongoAccess {
  /** Runs `work`. Rejects, also with what the server calls an error, naming the server. */
  run<R>(work: (rows: MongoCollection) => Promise<R>): Promise<R>
  /** Waits for what is under way, then hangs up. `run` rejects from now on. */
  close(): Promise<void>
}

/** The package; rejects with a sentence that says what to install. */
export function importMongodb() {
  return importPeer('ext:mongodb', 'mongodb', () => import('mongodb'))
}

/** Throws OptionError for an url that names no database. */
export function mongoAccess({ url, collection, ttl, timeout }: MongoSettings): MongoAccess {
  const hosts = hostsOf(url)
  const deadlines = new Deadlines(timeout)
  let client: Client | undefined
  let opening: Promise<MongoCollection> | undefined
  let closing: Promise<void> | undefined

  async function open(): Promise<MongoCollection> {
    const { MongoClient } = await importMongodb()
    // Somewhat longer than we wait: the driver gives up for itself, and says the less of the two.
    const patience = timeout + 500
    const made: Client = new MongoClient(url, {
      promoteBuffers: true,
      serverSelectionTimeoutMS: patience,
      connectTimeoutMS: patience,
      socketTimeoutMS: patience,
      waitQueueTimeoutMS: patience,
      appName: 'sessd',
    })
    client = made
    try {
      const rows = made.db().collection(collection) as MongoCollection
      if (ttl !== undefined) await rows.createIndex({ [ttl]: 1 }, { expireAfterSeconds: 0 })
      return rows
    } catch (error) {
      opening = undefined
      void made.close().catch(() => {})
      throw error
    }
  }

  /** Details of the driver's errors, which may name ids, go no further. */
  function named(error: unknown): Error {
    const { message, code } = error as { message: string; code?: unknown }
    const renamed = new Error(`MongoDB at ${hosts}: ${message}`)
    return code === undefined ? renamed : Object.assign(renamed, { code })
  }

  async function close(): Promise<void> {
    await deadlines.idle()
    await opening?.catch(() => {})
    const ended = client?.close() ?? Promise.resolve()
    await deadlines.limit(ended, () => new Error('no answer')).catch(() => {})
  }

  return {
    async run(work) {
      if (closing !== undefined) throw new Error('the MongoDB store is closed')
      opening ??= open()
      try {
        return await deadlines.limit(opening.then(work), () => new Error(`no answer within ${timeout} ms`))
      } catch (error) {
        throw named(error)
      }
    },

    close() {
      closing ??= close()
      return closing
    },
  }
}

/** The hosts in an url, for messages; nothing of user and password. */
function hostsOf(url: string): string {
  const hosts = /^mongodb(?:\+srv)?:\/\/(?:[^@/]*@)?([^@/?]+)\/[^@/?]+(?:\?|$)/.exec(url.trim())?.[1]
  if (hosts !== undefined) return hosts
  throw new OptionError(
    'url',
    'expected mongodb://user:password@host:27017/database or mongodb+srv://…, with %40 for @, %3A for : and %2F for ' +
      '/ in user and password',
  )
}
