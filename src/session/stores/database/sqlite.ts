// Rows in a SQLite file, shared by all processes of one host. Loads answer at once; writes of one turn of the event loop
// are committed together. No lock is waited for with the event loop held up.

import type { MaybePromise } from '../../../protocol.js'
import { isId } from '../../id.js'
import { isPromise } from '../../maybe-promise.js'
import type { SaveOptions, SaveResult, SessionStore, StoredSession } from '../../store.js'
import { GroupCommit } from './group-commit.js'
import type { Layout } from './layout.js'
import { toLocalTime } from './local-time.js'
import { openConnection, type SqliteConnection } from './sqlite-connection.js'
import { findSqlite, isBusy, type OpenSqlite } from './sqlite-driver.js'

export interface SqliteStoreOptions {
  readonly layout: Layout
  /** null: in memory. */
  readonly path: string | null
  /** Whether a commit waits for the disk. */
  readonly fsync: boolean
  /** How long another process may keep the lock, in milliseconds. */
  readonly timeout: number
  readonly clock: () => number
  /** Where SQLite comes from; default: what is there. */
  readonly driver?: (() => OpenSqlite) | undefined
}

/** How often the file is looked at, to find out that it was removed or replaced, in milliseconds. */
const LOOK_AFTER = 1000

const SWEEP_BATCH = 200
const PAGE = 500
/** A row that was set aside is kept for a week. */
const ASIDE = 7 * 86_400_000

/** Makes a store; nothing is opened before it is used. What SQLite refuses rejects, naming the file. */
export function sqliteStore(given: SqliteStoreOptions): SessionStore {
  const { layout, path, timeout, clock, driver = findSqlite } = given
  const name = path === null ? 'SQLite' : `SQLite file ${path}`
  const writes = new GroupCommit<SqliteConnection>({
    connection,
    isBusy,
    onError: broken,
    patience: timeout,
  })
  let open: SqliteConnection | undefined
  let openSqlite: OpenSqlite | undefined
  let lookedAt = 0
  let closing: Promise<void> | undefined

  function connection(): SqliteConnection {
    const now = performance.now()
    if (open !== undefined && now - lookedAt > LOOK_AFTER) {
      lookedAt = now
      if (open.isMoved()) drop()
      else open.rows.checkFiles()
    }
    if (open !== undefined) return open
    openSqlite ??= driver()
    open = openConnection(openSqlite, given)
    lookedAt = now
    return open
  }

  function drop(): void {
    open?.close()
    open = undefined
  }

  function checkOpen(): void {
    if (closing !== undefined) throw new Error('the database store is closed')
  }

  /** What is in memory would be lost with the connection; what is in a file is safer without one that failed. */
  function broken(error: unknown): Error {
    if (path !== null) drop()
    const { message, code } = error as NodeJS.ErrnoException
    return Object.assign(new Error(`${name}: ${message}`), code === undefined ? {} : { code })
  }

  function write<R>(work: (connection: SqliteConnection) => R): Promise<R> {
    checkOpen()
    return writes.add(work)
  }

  /** At once, or, when another process just does something rare to the file (recovery), after the writes. */
  function read<R>(work: (connection: SqliteConnection) => R): MaybePromise<R> {
    checkOpen()
    try {
      return work(connection())
    } catch (error) {
      const reason = broken(error)
      if (isBusy(error)) return write(work)
      throw reason
    }
  }

  function loadRow({ statements, rows }: SqliteConnection, id: string): StoredSession | null {
    return rows.load(id, (guess) => {
      const row = statements.load(id, guess)
      if (row === undefined) return null
      const [expiry, found] = row
      const payload =
        found === null ? guess : found instanceof Uint8Array ? found : Buffer.from(String(found))
      return { payload, revision: payload, expiresAt: layout.fromExpiry(expiry) }
    })
  }

  function isLive({ expiresAt }: StoredSession): boolean {
    return expiresAt === null || expiresAt > clock()
  }

  function loadLive(connection: SqliteConnection, id: string): StoredSession | null {
    const row = loadRow(connection, id)
    return row !== null && isLive(row) ? row : null
  }

  async function removeExpired(id: string): Promise<null> {
    try {
      await write((connection) => removeDead(connection, id))
    } catch {
      // A reader that can't tidy up still gets its answer.
    }
    return null
  }

  function removeDead({ statements, rows }: SqliteConnection, id: string): void {
    if (isOne(statements.removeDead.run(id, layout.deadline(clock())))) rows.write(id, null)
  }

  /** Expired or not: the row of this id. */
  function found(id: string, row: StoredSession | null): MaybePromise<StoredSession | null> {
    return row === null || isLive(row) ? row : removeExpired(id)
  }

  function save(
    connection: SqliteConnection,
    id: string,
    payload: Uint8Array,
    { expiresAt, expected }: SaveOptions,
  ): SaveResult {
    const { statements, rows } = connection
    const now = clock()
    const deadline = layout.deadline(now)
    const expiry = layout.toExpiry(expiresAt)
    const created = layout.created === undefined ? [] : [toLocalTime(now)]
    const saved =
      expected === null
        ? isOne(statements.insert.run(id, payload, expiry, ...created, deadline))
        : expected instanceof Uint8Array &&
          isOne(statements.replace.run(payload, expiry, id, expected, deadline))
    if (!saved) return { saved: false, current: loadLive(connection, id) }
    rows.write(id, { payload, revision: payload, expiresAt: layout.fromExpiry(expiry) })
    return { saved: true, revision: payload }
  }

  async function* listIds(): AsyncGenerator<string> {
    for (let last = ''; ; ) {
      const page = await read(({ statements }) =>
        statements.idsAfter.all(last, layout.deadline(clock()), PAGE),
      )
      const ids = (page as readonly { id: unknown }[]).map(({ id }) => String(id))
      yield* ids.filter(isId)
      if (ids.length < PAGE) return
      last = ids.at(-1)!
    }
  }

  async function close(): Promise<void> {
    await writes.idle()
    drop()
  }

  return {
    scope: path === null ? 'process' : 'host',

    load(id) {
      checkId(id)
      const row = read((connection) => loadRow(connection, id))
      return isPromise(row) ? row.then((row) => found(id, row)) : found(id, row)
    },

    save(id, payload, options) {
      checkId(id)
      return write((connection) => save(connection, id, payload, options))
    },

    delete(id) {
      checkId(id)
      return write((connection) => {
        const removed = isOne(connection.statements.remove.run(id, layout.deadline(clock())))
        if (removed) connection.rows.write(id, null)
        else removeDead(connection, id)
        return removed
      })
    },

    touch(id, expiresAt) {
      checkId(id)
      return write(({ statements, rows }) => {
        const expiry = layout.toExpiry(expiresAt)
        const touched = isOne(statements.touch.run(expiry, id, layout.deadline(clock())))
        if (touched) rows.touch(id, layout.fromExpiry(expiry))
        return touched
      })
    },

    async sweep(limit) {
      for (let removed = 0; ; ) {
        const batch = Math.min(limit - removed, SWEEP_BATCH)
        const changes = await write(({ statements, rows }) => {
          const count = Number(statements.sweep.run(layout.deadline(clock()), batch).changes)
          if (count > 0) rows.writeAny()
          return count
        })
        removed += changes
        if (changes < batch || removed >= limit) return removed
      }
    },

    ids: () => listIds(),

    async setAside(id) {
      checkId(id)
      await write(({ statements, rows }) => {
        const aside = `${id}.corrupt`
        if (!isOne(statements.rename.run(aside, layout.toExpiry(clock() + ASIDE), id))) return
        rows.write(id, null)
        rows.write(aside, null)
      })
    },

    async ping() {
      await write(({ statements }) => statements.load('ping', new Uint8Array()))
    },

    close() {
      closing ??= close()
      return closing
    },
  }
}

function isOne({ changes }: { readonly changes: number | bigint }): boolean {
  return Number(changes) === 1
}

function checkId(id: string): void {
  if (!isId(id)) throw new TypeError('session id: expected 1 to 128 of A-Z a-z 0-9 _ -')
}
