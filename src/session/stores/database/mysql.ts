// MySQL and MariaDB, by the package mysql2. Loads of many rows share a statement; saves go one by one, because an UPDATE
// does not tell here which rows it changed.

import { readFile } from 'node:fs/promises'
import { OptionError } from '../../../config/errors.js'
import { Deadlines } from '../../deadlines.js'
import { importPeer } from '../optional-peer.js'
import { type Layout, quotedTable } from './layout.js'
import type { Diagnosis, LoadedRow, ServerSettings, SqlServer } from './server.js'
import { connectTimeout, readArguments } from './url.js'

type Callback<T> = (error: unknown, value: T) => void

interface Connection {
  readonly stream: { destroy(error?: Error): unknown; once(event: 'close', listener: () => void): unknown }
  on(event: 'error', listener: () => void): void
  execute(sql: string, values: readonly unknown[], done: Callback<unknown>): unknown
  query(sql: string, values: readonly unknown[], done: Callback<unknown>): unknown
  release(): void
  destroy(): void
}

interface Pool {
  on(event: 'connection', listener: (connection: Connection) => void): void
  getConnection(done: Callback<Connection>): void
  end(done: () => void): void
}

interface MysqlPackage {
  createPool(options: object): Pool
}

const ARGUMENTS = [
  'unix_socket',
  'connect_timeout',
  'ssl_ca',
  'ssl_cert',
  'ssl_key',
  'ssl_check_hostname',
] as const

/** What Python says about text: rows are bytes. */
const IGNORED = ['charset', 'use_unicode', 'binary_prefix']

/** The driver; rejects with a sentence that says what to install. */
export function importMysql(): Promise<MysqlPackage> {
  return importPeer('ext:database with mysql://', 'mysql2', async () => {
    const found: unknown = await import('mysql2')
    return found as MysqlPackage
  })
}

/** Throws OptionError for arguments that mean nothing. */
export function mysqlServer({ target, layout, poolSize, timeout, prepare }: ServerSettings): SqlServer {
  const args = readArguments(target, ARGUMENTS, IGNORED)
  const connecting = connectTimeout(args.connect_timeout) ?? timeout
  if (target.database === undefined && layout.schema === undefined) {
    throw new OptionError('url', 'expected a database, as in mysql://user:password@host:3306/database')
  }
  const { host = 'localhost', port = 3306 } = target
  const deadlines = new Deadlines(timeout)
  const statements = statementsFor(layout)
  const connections = new Set<Connection>()
  let opening: Promise<Pool> | undefined

  function pool(): Promise<Pool> {
    opening ??= open().catch((error: unknown) => {
      opening = undefined
      throw error
    })
    return opening
  }

  async function open(): Promise<Pool> {
    const { createPool } = await importMysql()
    const pool = createPool({
      ...(args.unix_socket === undefined ? { host, port } : { socketPath: args.unix_socket }),
      user: target.user,
      password: target.password,
      database: target.database,
      ssl: await tlsFor(args),
      connectionLimit: poolSize,
      connectTimeout: connecting,
      // Saving the bytes that are there already has to count as done.
      flags: ['FOUND_ROWS'],
      dateStrings: true,
      charset: 'utf8mb4',
    })
    pool.on('connection', (connection) => {
      connections.add(connection)
      connection.stream.once('close', () => connections.delete(connection))
      // One that breaks while nobody uses it is replaced; without a listener the process would end.
      connection.on('error', () => {})
      // Rows are never cut to fit.
      connection.query("SET SESSION sql_mode = 'STRICT_ALL_TABLES'", [], () => {})
    })
    return pool
  }

  /** Runs a statement on a connection of the pool. One that does not answer in time is thrown away. */
  async function run(sql: string, values: readonly unknown[]): Promise<unknown> {
    const from = await pool()
    let held: Connection | undefined
    let late: Error | undefined
    const work = new Promise<unknown>((resolve, reject) => {
      from.getConnection((error, connection) => {
        if (error) return reject(error)
        if (late !== undefined) return connection.release()
        held = connection
        const done: Callback<unknown> = (error, result) => {
          held = undefined
          if (READ_ONLY.has(numberOf(error))) connection.destroy()
          else connection.release()
          if (error) reject(error)
          else resolve(result)
        }
        if (prepare) connection.execute(sql, values, done)
        else connection.query(sql, values, done)
      })
    })
    return deadlines.limit(work, () => {
      late = new Error(`no answer within ${timeout} ms`)
      held?.stream.destroy(late)
      return late
    })
  }

  async function count(sql: string, values: readonly unknown[]): Promise<number> {
    const { affectedRows } = (await run(sql, values)) as { affectedRows: number }
    return affectedRows
  }

  async function insert(
    row: { id: string; payload: Buffer; expiry: unknown; created: string },
    deadline: unknown,
  ) {
    const values = [row.id, row.payload, row.expiry, ...(layout.created === undefined ? [] : [row.created])]
    // Twice: a dead row in the way is removed in between.
    for (let attempt = 1; ; attempt++) {
      try {
        return (await count(statements.insert, values)) === 1
      } catch (error) {
        if (numberOf(error) !== DUPLICATE) throw error
        if (attempt === 2 || (await count(statements.removeDead, [row.id, deadline])) === 0) return false
      }
    }
  }

  return {
    name: `MySQL at ${args.unix_socket ?? `${host}:${port}`}`,
    batch: { load: 64, save: 1 },
    lanes: { load: 2, save: poolSize },
    timeout,

    async load(ids) {
      // As few different statements as possible: the last id fills up to a power of two.
      const size = 2 ** Math.ceil(Math.log2(ids.length))
      const filled = [...ids, ...Array<string>(size - ids.length).fill(ids.at(-1)!)]
      return (await run(`${statements.load}(${filled.map(() => '?')})`, filled)) as readonly LoadedRow[]
    },

    async insert([row], deadline) {
      return row !== undefined && (await insert(row, deadline)) ? [row.id] : []
    },

    async replace([row], deadline) {
      if (row === undefined) return []
      const { id, expected, payload, expiry } = row
      const replaced = await count(statements.replace, [payload, expiry, id, expected, deadline])
      return replaced === 1 ? [id] : []
    },

    async touch([row], deadline) {
      if (row === undefined) return []
      const touched = await count(statements.touch, [row.expiry, row.id, deadline])
      return touched === 1 ? [row.id] : []
    },

    remove: async (id, deadline) => (await count(statements.remove, [id, deadline])) === 1,
    removeDead: async (id, deadline) => void (await count(statements.removeDead, [id, deadline])),
    sweep: (deadline, limit) => count(statements.sweep + Math.trunc(limit), [deadline]),

    async idsAfter(id, deadline, limit) {
      const rows = await run(statements.idsAfter + Math.trunc(limit), [id, deadline])
      return (rows as readonly { id: string }[]).map(({ id }) => id)
    },

    async rename(id, newId, expiry) {
      await count(statements.removeAny, [newId])
      try {
        await count(statements.rename, [newId, expiry, id])
      } catch (error) {
        if (numberOf(error) !== DUPLICATE) throw error
        // Somebody else has just put it there.
        await count(statements.removeAny, [id])
      }
    },

    createTable: async () => void (await run(tableFor(layout), [])),

    diagnose,

    async close() {
      const pool = await opening?.catch(() => undefined)
      if (pool === undefined) return
      const ended = new Promise<void>((resolve) => pool.end(() => resolve()))
      await deadlines.limit(ended, () => new Error('no answer')).catch(() => {})
      for (const { stream } of connections) stream.destroy()
    },
  }
}

/** ER_DUP_ENTRY; its message holds the id, and so must not leave this file. */
const DUPLICATE = 1062

/** What a server says that was the primary once. The address may lead to another one by now. */
const READ_ONLY = new Set<unknown>([1290, 1792, 1836])

function numberOf(error: unknown): unknown {
  return (error as { errno?: unknown } | null)?.errno
}

function statementsFor(layout: Layout) {
  const { id, payload, expiry, created } = layout
  const table = quotedTable(layout, '`')
  const columns = [id, payload, expiry, ...(created === undefined ? [] : [created])]
  return {
    load: `SELECT ${id} AS id, ${payload} AS payload, ${expiry} AS expiry FROM ${table} WHERE ${id} IN `,
    insert: `INSERT INTO ${table} (${columns}) VALUES (${columns.map(() => '?')})`,
    replace:
      `UPDATE ${table} SET ${payload} = ?, ${expiry} = ? ` +
      `WHERE ${id} = ? AND ${payload} = ? AND ${expiry} > ?`,
    touch: `UPDATE ${table} SET ${expiry} = ? WHERE ${id} = ? AND ${expiry} > ?`,
    remove: `DELETE FROM ${table} WHERE ${id} = ? AND ${expiry} > ?`,
    removeDead: `DELETE FROM ${table} WHERE ${id} = ? AND ${expiry} <= ?`,
    removeAny: `DELETE FROM ${table} WHERE ${id} = ?`,
    sweep: `DELETE FROM ${table} WHERE ${expiry} <= ? ORDER BY ${expiry} LIMIT `,
    idsAfter: `SELECT ${id} AS id FROM ${table} WHERE ${id} > ? AND ${expiry} > ? ORDER BY ${id} LIMIT `,
    rename: `UPDATE ${table} SET ${id} = ?, ${expiry} = ? WHERE ${id} = ?`,
  }
}

function tableFor(layout: Layout): string {
  const { id, payload, expiry, created } = layout
  // Ids differ in case, and MySQL's usual collations don't care.
  const text = (size: number) => `VARCHAR(${size}) CHARACTER SET ascii COLLATE ascii_bin NOT NULL`
  const columns =
    created === undefined
      ? `${id} ${text(160)} PRIMARY KEY, ${payload} LONGBLOB NOT NULL, ${expiry} BIGINT NOT NULL`
      : `id INTEGER NOT NULL AUTO_INCREMENT PRIMARY KEY, ${id} ${text(255)} UNIQUE, ` +
        `${expiry} DATETIME(6) NOT NULL, ${created} DATETIME(6) NOT NULL, ${payload} LONGBLOB NOT NULL`
  return `CREATE TABLE IF NOT EXISTS ${quotedTable(layout, '`')} (${columns}, KEY (${expiry})) ENGINE = InnoDB`
}

const LOST = new Set<unknown>(['PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'EPIPE'])

function diagnose(error: unknown): Diagnosis {
  const number = numberOf(error)
  // ER_NO_SUCH_TABLE; ER_LOCK_DEADLOCK; ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED
  if (number === 1146) return 'no-table'
  if (number === 1213) return 'collision'
  if (number === 1053 || number === 1927) return 'lost'
  const { code } = error as { code?: unknown }
  return code === 'ETIMEDOUT' ? 'late' : LOST.has(code) ? 'lost' : 'other'
}

type TlsFiles = Readonly<Record<'ssl_ca' | 'ssl_cert' | 'ssl_key' | 'ssl_check_hostname', string | undefined>>

async function tlsFor({
  ssl_ca,
  ssl_cert,
  ssl_key,
  ssl_check_hostname,
}: TlsFiles): Promise<object | undefined> {
  if (ssl_ca === undefined && ssl_cert === undefined && ssl_check_hostname === undefined) return undefined
  const [ca, cert, key] = await Promise.all([ssl_ca, ssl_cert, ssl_key].map((path) => path && readFile(path)))
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    verifyIdentity: ssl_check_hostname !== 'false',
  }
}
