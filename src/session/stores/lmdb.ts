// Rows in an LMDB environment, by the package lmdb: a directory shared by all processes of one host. Loads read mapped
// memory and answer at once; writes are done by a thread, several in one transaction. Beaker's own dbm files are
// another thing, and are not read.

import { resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import * as type from '../../config/converters.js'
import { type OptionTable, option } from '../../config/options.js'
import type { MaybePromise } from '../../protocol.js'
import { type Clock, systemClock } from '../clock.js'
import { isId } from '../id.js'
import { isPromise } from '../maybe-promise.js'
import type { Revision, SaveResult, SessionStore, StoredSession } from '../store.js'
import { type LmdbDatabase, type LmdbEntry, LmdbEnvironment } from './lmdb-environment.js'

export const options = {
  data_dir: option({
    type: type.text,
    default: undefined,
    doc: 'Sessions are in container_dbm in this directory.',
  }),
  dbm_dir: option({
    type: type.text,
    default: undefined,
    doc: 'Directory of the sessions themselves, in place of data_dir/container_dbm.',
  }),
  fsync: option({
    type: type.boolean,
    default: false,
    doc: 'Whether a save waits until the disk has it.',
  }),
  dbmmodule: option({
    type: type.text,
    default: undefined,
    doc: 'Which of the dbm modules of Python to take.',
    ignored: 'there is LMDB alone',
  }),
} as const satisfies OptionTable

export interface LmdbStoreOptions {
  /** Where `data.mdb` and `lock.mdb` are. Made when missing. */
  readonly directory: string
  /** Whether a save, and a delete, resolve only when the disk has them. Default: no; none breaks the file either way. */
  readonly fsync?: boolean | undefined
  readonly clock?: Clock | undefined
}

/** A row as it was read. Its version names this writing of it, and touching keeps it. */
interface Row extends StoredSession {
  readonly revision: number
}

/** Before the payload: when the row dies, as a double; Infinity: never. */
const HEADER = 8

const PAGE = 200
/** A row that was set aside is kept for a week. */
const ASIDE = 7 * 86_400_000

/** Makes a store on a directory. Nothing is opened before it is used. */
export function lmdbStore(given: LmdbStoreOptions): SessionStore {
  const { clock = systemClock, fsync = false } = given
  const directory = resolve(given.directory)
  const environment = new LmdbEnvironment(directory, fsync)
  let sweptTo = ''
  let closing: Promise<void> | undefined

  /** Runs `work`; errors get a message that names the directory. */
  function perform<R>(id: string | null, work: (database: LmdbDatabase) => MaybePromise<R>): MaybePromise<R> {
    if (closing !== undefined) throw new Error('the dbm store is closed')
    if (id !== null && !isId(id)) throw new TypeError('session id: expected 1 to 128 of A-Z a-z 0-9 _ -')
    try {
      const database = environment.get()
      const result = isPromise(database) ? database.then(work) : work(database)
      return isPromise(result) ? result.catch(fail) : result
    } catch (error) {
      return fail(error)
    }
  }

  async function fail(error: unknown): Promise<never> {
    const reason = await reasonOf(error)
    const { message, code } = reason as { message: string; code?: unknown }
    const renamed = new Error(`LMDB in ${directory}: ${message}`)
    throw code === undefined ? renamed : Object.assign(renamed, { code })
  }

  /** The row as others have left it by now, dead or not. */
  function read(database: LmdbDatabase, id: string): Row | null {
    database.resetReadTxn()
    const entry = database.getEntry(id)
    return entry === undefined ? null : decodeRow(entry)
  }

  function isLive({ expiresAt }: StoredSession): boolean {
    return expiresAt === null || expiresAt > clock()
  }

  async function insert(
    database: LmdbDatabase,
    id: string,
    payload: Uint8Array,
    expiresAt: number | null,
  ): Promise<SaveResult> {
    const revision = makeRevision()
    const value = encodeRow(payload, expiresAt)
    for (;;) {
      if (await database.put(id, value, revision, null)) break
      const current = read(database, id)
      if (current === null) continue
      if (isLive(current)) return { saved: false, current }
      if (await database.put(id, value, revision, current.revision)) break
    }
    return { saved: true, revision }
  }

  async function replace(
    database: LmdbDatabase,
    id: string,
    payload: Uint8Array,
    expiresAt: number | null,
    expected: Revision,
  ): Promise<SaveResult> {
    const current = read(database, id)
    if (current === null || !isLive(current)) return { saved: false, current: null }
    const revision = makeRevision()
    if (
      typeof expected === 'number' &&
      (await database.put(id, encodeRow(payload, expiresAt), revision, expected))
    ) {
      return { saved: true, revision }
    }
    const other = read(database, id)
    return { saved: false, current: other !== null && isLive(other) ? other : null }
  }

  /** Does something to a row, and again as long as others come in between. Answers false when there is none. */
  async function change(
    database: LmdbDatabase,
    id: string,
    work: (row: Row) => Promise<boolean>,
  ): Promise<boolean> {
    for (let row = read(database, id); row !== null; row = read(database, id)) {
      if (await work(row)) return isLive(row)
    }
    return false
  }

  function remove(database: LmdbDatabase, id: string): Promise<boolean> {
    return change(database, id, ({ revision }) => database.remove(id, revision))
  }

  /** Some rows that come after this id, in order. */
  function pageAfter(database: LmdbDatabase, id: string): { readonly id: string; readonly row: Row }[] {
    database.resetReadTxn()
    const range = { start: id, exclusiveStart: true, limit: PAGE, versions: true }
    return Array.from(database.getRange(range), (entry) => ({ id: String(entry.key), row: decodeRow(entry) }))
  }

  /** Goes on where the last call stopped, at most once round. */
  async function sweep(database: LmdbDatabase, limit: number): Promise<number> {
    const start = sweptTo
    let isSecondLap = false
    let removed = 0
    while (removed < limit) {
      const page = pageAfter(database, sweptTo)
      const dead = page.filter(({ row }) => !isLive(row)).slice(0, limit - removed)
      const results = await Promise.all(dead.map(({ id, row }) => database.remove(id, row.revision)))
      removed += results.filter((done) => done).length
      const isLast = page.length < PAGE
      sweptTo = (removed >= limit ? dead.at(-1)?.id : page.at(-1)?.id) ?? ''
      if (isSecondLap && (isLast || sweptTo >= start)) break
      if (isLast) {
        sweptTo = ''
        if (start === '') break
        isSecondLap = true
      }
      await turn()
    }
    return removed
  }

  async function* listIds(): AsyncGenerator<string> {
    for (let last = ''; ; ) {
      const page = await perform(null, (database) => pageAfter(database, last))
      for (const { id, row } of page) if (isLive(row) && isId(id)) yield id
      if (page.length < PAGE) return
      last = page.at(-1)!.id
    }
  }

  return {
    scope: 'host',

    load: (id) =>
      perform(id, (database) => {
        const row = read(database, id)
        if (row === null || isLive(row)) return row
        // A reader that can't tidy up still gets its answer.
        return remove(database, id).then(
          () => null,
          () => null,
        )
      }),

    save: (id, payload, { expiresAt, expected }) =>
      perform(id, (database) =>
        expected === null
          ? insert(database, id, payload, expiresAt)
          : replace(database, id, payload, expiresAt, expected),
      ),

    delete: (id) => perform(id, (database) => remove(database, id)),

    touch: (id, expiresAt) =>
      perform(id, (database) =>
        change(database, id, async (row) => {
          const { payload, revision } = row
          return !isLive(row) || database.put(id, encodeRow(payload, expiresAt), revision, revision)
        }),
      ),

    sweep: (limit) => perform(null, (database) => sweep(database, limit)),

    ids: () => listIds(),

    setAside: (id) =>
      perform(id, async (database) => {
        const row = read(database, id)
        if (row === null) return
        await database.put(`${id}.corrupt`, encodeRow(row.payload, clock() + ASIDE), row.revision)
        await remove(database, id)
      }),

    ping: () => perform(null, (database) => void read(database, 'ping')),

    close() {
      closing ??= environment.close()
      return closing
    },
  }
}

/** A failed commit says why in a promise of its own, which rejects: unheard, it would end the process. */
async function reasonOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { commitError?: Promise<never> }
  if (commitError === undefined) return error
  const why = commitError.catch((reason: unknown) => reason)
  return (await Promise.race([why, turn()])) ?? error
}

function decodeRow({ value, version }: LmdbEntry): Row {
  const time = value.length < HEADER ? Number.POSITIVE_INFINITY : value.readDoubleBE()
  return {
    payload: value.subarray(HEADER),
    revision: version,
    expiresAt: Number.isFinite(time) ? time : null,
  }
}

function encodeRow(payload: Uint8Array, expiresAt: number | null): Buffer {
  const value = Buffer.allocUnsafe(HEADER + payload.length)
  value.writeDoubleBE(expiresAt ?? Number.POSITIVE_INFINITY)
  value.set(payload, HEADER)
  return value
}

/** Not to be had again: a row that was deleted and made anew is another one. */
function makeRevision(): number {
  return 1 + Math.floor(Math.random() * 2 ** 52)
}
