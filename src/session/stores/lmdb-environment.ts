// An LMDB environment in a directory, by the package lmdb: opened when first used, and again when its file is no longer
// the one that was opened. What were written then would be in a file without a name.

import { closeSync, mkdirSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { MaybePromise } from '../../protocol.js'
import { LmdbGate } from './lmdb-gate.js'
import { importPeer } from './optional-peer.js'

export interface LmdbEntry {
  readonly value: Buffer
  readonly version: number
}

/** What is used of the package's database. A version comes with every value; writes may ask for the present one. */
export interface LmdbDatabase {
  getEntry(key: string): LmdbEntry | undefined
  getRange(range: object): Iterable<LmdbEntry & { readonly key: unknown }>
  /** `ifVersion`: only if the value has that version; null: only if there is none. Answers whether it was put. */
  put(key: string, value: Buffer, version: number, ifVersion?: number | null): Promise<boolean>
  /** Answers whether it was there, with that version. */
  remove(key: string, ifVersion: number): Promise<boolean>
  /** Reads see what others have committed by now, not what they had at the start of this turn of the event loop. */
  resetReadTxn(): void
  close(): Promise<unknown>
}

/** How often the file is looked at, in milliseconds. */
const LOOK_AFTER = 1000

/** The package; rejects with a sentence that says what to install. */
export function importLmdb() {
  return importPeer('dbm', 'lmdb', () => import('lmdb'))
}

export class LmdbEnvironment {
  /** Those that are open in this process. */
  static readonly #ours = new Set<LmdbEnvironment>()
  static {
    // A process that comes to its end closes what it left open, unasked: who opened meanwhile would get locks that are
    // no more.
    if (isMainThread) {
      process.on('exit', () => {
        for (const environment of LmdbEnvironment.#ours) environment.#gate.seal()
      })
    }
  }

  readonly #directory: string
  readonly #file: string
  readonly #fsync: boolean
  readonly #gate: LmdbGate
  #database: LmdbDatabase | undefined
  #inode: number | undefined
  #lookedAt = 0
  #opening: Promise<LmdbDatabase> | undefined

  /** `fsync`: whether what is written is promised only when the disk has it. */
  constructor(directory: string, fsync: boolean) {
    this.#directory = directory
    this.#file = join(directory, 'data.mdb')
    this.#fsync = fsync
    this.#gate = new LmdbGate(join(directory, 'lock'))
  }

  /** The database; a promise until it is open. */
  get(): MaybePromise<LmdbDatabase> {
    const database = this.#database
    const now = performance.now()
    if (database !== undefined && now - this.#lookedAt > LOOK_AFTER) {
      this.#lookedAt = now
      if (this.#inodeNow() !== this.#inode) {
        this.#database = undefined
        void this.#shut(database).catch(() => {})
      }
    }
    if (this.#database !== undefined) return this.#database
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {})
    const database = this.#database
    this.#database = undefined
    if (database !== undefined) await this.#shut(database)
    LmdbEnvironment.#ours.delete(this)
    await this.#gate.close()
  }

  #shut(database: LmdbDatabase): Promise<void> {
    return this.#gate.shut(() => closeInTime(database))
  }

  async #open(): Promise<LmdbDatabase> {
    const lmdb = await importLmdb()
    // Only we may read what is in a session.
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    return this.#gate.open(() => {
      this.#checkOthers()
      checkFile(this.#file)
      const database: unknown = lmdb.open(settings(this.#directory, this.#fsync))
      this.#database = gated(database as LmdbDatabase, this.#gate)
      LmdbEnvironment.#ours.add(this)
      this.#inode = this.#inodeNow()
      this.#lookedAt = performance.now()
      return this.#database
    })
  }

  /** LMDB opens a file once in a process: all that share it have what the first asked for. */
  #checkOthers(): void {
    for (const other of LmdbEnvironment.#ours) {
      if (other.#directory === this.#directory && other.#fsync !== this.#fsync) {
        throw new Error(`it is open in this process already, with fsync = ${other.#fsync}`)
      }
    }
  }

  #inodeNow(): number | undefined {
    return statSync(this.#file, { throwIfNoEntry: false })?.ino
  }
}

function settings(path: string, fsync: boolean) {
  return {
    path,
    noSubdir: false,
    encoding: 'binary',
    useVersions: true,
    cache: false,
    // Batches by turn have a promise that nobody gets: when the disk is full, its rejection would end the process.
    eventTurnBatching: false,
    // Flushing behind the commit takes a lock whose repair, after a holder was killed, loses transactions of others.
    overlappingSync: false,
    // The data of a commit are on the disk before it counts, in any case; with this, that it counts comes later.
    noMetaSync: !fsync,
  } as const
}

/** The same database, with writes that wait while a process opens it. */
function gated(database: LmdbDatabase, gate: LmdbGate): LmdbDatabase {
  return {
    getEntry: (key) => database.getEntry(key),
    getRange: (range) => database.getRange(range),
    put: (...args) => gate.write(() => database.put(...args)),
    remove: (...args) => gate.write(() => database.remove(...args)),
    resetReadTxn: () => database.resetReadTxn(),
    close: () => database.close(),
  }
}

/** In the first page, where LMDB says that it is one. */
const MAGIC = 0xbeefc0de
const MAGIC_AT = 24

/** LMDB maps what it finds: a file that is none would end the process. */
function checkFile(path: string): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return
  const start = new Uint32Array(1)
  const file = openSync(path, 'r')
  try {
    readSync(file, start, 0, start.byteLength, MAGIC_AT)
  } finally {
    closeSync(file)
  }
  if (start[0] !== MAGIC || size < 8192) throw new Error('data.mdb is no LMDB file')
}

/** How long closing may take: after a failed commit, or while another process has stopped in a commit, it never ends. */
const CLOSE_WITHIN = 1000

function closeInTime(database: LmdbDatabase): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CLOSE_WITHIN)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    database.close().then(done, done)
  })
}
