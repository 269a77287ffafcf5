// PostgreSQL, by the package pg. Statements take arrays, one element per row, so that sessions which are loaded or saved
// at the same time share a round trip, a transaction and its wait for the disk.

import { Deadlines } from '../../deadlines.js'
import { importPeer } from '../optional-peer.js'
import { type Layout, quotedTable } from './layout.js'
import { bytesArray, textArray } from './postgres-arrays.js'
import { type Parameter, Statement } from './postgres-statement.js'
import { sslMode, tlsFor } from './postgres-tls.js'
import type { Diagnosis, LoadedRow, ServerSettings, SqlServer } from './server.js'
import { connectTimeout, readArguments } from './url.js'

interface Client {
  on(event: 'error', listener: () => void): void
  query(statement: Statement): unknown
}

interface Pool {
  on(event: 'error', listener: () => void): void
  on(event: 'connect', listener: (client: Client) => void): void
  /** `release` with an error throws the connection away. */
  connect(done: (error: Error | undefined, client: Client, release: (error?: Error) => void) => void): void
  end(): Promise<void>
}

interface PgPackage {
  readonly Pool: new (config: object) => Pool
}

const ARGUMENTS = [
  'host',
  'application_name',
  'connect_timeout',
  'options',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
] as const

/** The driver; rejects with a sentence that says what to install. */
export function importPg(): Promise<PgPackage> {
  return importPeer('ext:database with postgresql://', 'pg', async () => {
    const found: unknown = await import('pg')
    return found as PgPackage
  })
}

/** Throws OptionError for arguments that mean nothing. */
export function postgresServer({ target, layout, poolSize, timeout, prepare }: ServerSettings): SqlServer {
  const args = readArguments(target, ARGUMENTS, ['client_encoding'])
  const connecting = connectTimeout(args.connect_timeout) ?? timeout
  const mode = sslMode(args.sslmode)
  const host = target.host ?? args.host
  const port = target.port ?? 5432
  const statements = statementsFor(layout)
  const deadlines = new Deadlines(timeout)
  let opening: Promise<Pool> | undefined

  function pool(): Promise<Pool> {
    opening ??= open().catch((error: unknown) => {
      opening = undefined
      throw error
    })
    return opening
  }

  async function open(): Promise<Pool> {
    const { Pool } = await importPg()
    const pool = new Pool({
      host,
      port,
      user: target.user,
      password: target.password,
      database: target.database,
      application_name: args.application_name ?? 'sessd',
      options: args.options,
      ssl: await tlsFor(mode, args),
      max: poolSize,
      connectionTimeoutMillis: connecting,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      allowExitOnIdle: true,
    })
    // A connection that breaks while nobody uses it is replaced; without a listener the process would end.
    pool.on('error', () => {})
    // One that breaks in use tells its statement besides.
    pool.on('connect', (client) => client.on('error', () => {}))
    return pool
  }

  /**
   * Runs a statement on a connection of the pool. One that does not answer in time is thrown away, with its connection.
   * pg's query_timeout does so by a timer for each; where these overlap, they keep all statements and rows since the
   * last full collection in memory.
   */
  async function run(text: string, values?: readonly Parameter[], name?: string): Promise<Statement> {
    const from = await pool()
    let held: Statement | undefined
    let late: Error | undefined
    const work = new Promise<Statement>((resolve, reject) => {
      from.connect((error, client, release) => {
        if (error) return reject(error)
        if (late !== undefined) return release()
        const done = (error?: Error) => {
          release(error)
          if (error) reject(error)
          else resolve(statement)
        }
        const statement = new Statement({ text, values, name, done })
        held = statement
        client.query(statement)
      })
    })
    return deadlines.limit(work, () => {
      late = new Error(`no answer within ${timeout} ms`)
      held?.handleError(late)
      return late
    })
  }

  function query(name: keyof typeof statements, values: readonly Parameter[]): Promise<Statement> {
    return run(statements[name], values, prepare ? `sessd_${name}` : undefined)
  }

  async function count(name: keyof typeof statements, values: readonly Parameter[]): Promise<number> {
    return (await query(name, values)).count
  }

  async function idsOf(name: keyof typeof statements, values: readonly Parameter[]): Promise<string[]> {
    const { rows } = await query(name, values)
    return rows.map(([id]) => id!)
  }

  return {
    name:
      host?.startsWith('/') === true
        ? `PostgreSQL at ${host}`
        : `PostgreSQL at ${host ?? 'localhost'}:${port}`,
    batch: { load: 100, save: 100 },
    lanes: { load: 2, save: 2 },
    timeout,

    async load(ids) {
      const { rows } = await query('load', [textArray(ids)])
      return rows.map(
        ([id, payload, expiry]): LoadedRow => ({
          id: id!,
          payload: Buffer.from(payload ?? '', 'hex'),
          expiry,
        }),
      )
    },

    insert(rows, deadline) {
      const sorted = inOrder(rows)
      const columns = [
        textArray(sorted.map(({ id }) => id)),
        bytesArray(sorted.map(({ payload }) => payload)),
        textArray(sorted.map(({ expiry }) => expiry)),
      ]
      if (layout.created !== undefined) columns.push(textArray(sorted.map(({ created }) => created)))
      return idsOf('insert', [...columns, String(deadline)])
    },

    replace(rows, deadline) {
      const sorted = inOrder(rows)
      return idsOf('replace', [
        textArray(sorted.map(({ id }) => id)),
        bytesArray(sorted.map(({ expected }) => expected)),
        bytesArray(sorted.map(({ payload }) => payload)),
        textArray(sorted.map(({ expiry }) => expiry)),
        String(deadline),
      ])
    },

    touch(rows, deadline) {
      const sorted = inOrder(rows)
      const expiries = sorted.map(({ expiry }) => expiry)
      return idsOf('touch', [textArray(sorted.map(({ id }) => id)), textArray(expiries), String(deadline)])
    },

    remove: async (id, deadline) => (await count('remove', [id, String(deadline)])) === 1,
    removeDead: async (id, deadline) => void (await count('removeDead', [id, String(deadline)])),
    sweep: (deadline, limit) => count('sweep', [String(deadline), String(limit)]),
    idsAfter: (id, deadline, limit) => idsOf('idsAfter', [id, String(deadline), String(limit)]),

    async rename(id, newId, expiry) {
      await count('removeAny', [newId])
      await count('rename', [id, newId, String(expiry)])
    },

    async createTable() {
      try {
        await run(tableFor(layout))
      } catch (error) {
        if (!MADE_BY_OTHERS.has(codeOf(error))) throw error
      }
    },

    diagnose,

    async close() {
      await opening?.then(
        (pool) => pool.end(),
        () => {},
      )
    },
  }
}

/** Always in the same order, so that two batches can't wait for each other's rows. */
function inOrder<R extends { readonly id: string }>(rows: readonly R[]): R[] {
  return [...rows].sort((a, b) => (a.id < b.id ? -1 : 1))
}

function statementsFor(layout: Layout) {
  const { id, payload, expiry, created } = layout
  const table = quotedTable(layout, '"')
  const time = created === undefined ? 'bigint' : 'timestamp'
  // As text, whatever DateStyle says.
  const expiryText = created === undefined ? expiry : `to_char(${expiry}, 'YYYY-MM-DD HH24:MI:SS.US')`
  const columns = [id, payload, expiry, ...(created === undefined ? [] : [created])]
  const types = ['text', 'bytea', time, ...(created === undefined ? [] : [time])]
  const arrays = types.map((type, index) => `$${index + 1}::${type}[]`)
  const taken = columns.slice(1).map((column) => `${column} = excluded.${column}`)
  const dead = `SELECT ${id} FROM ${table} WHERE ${expiry} <= $1::${time} LIMIT $2 FOR UPDATE SKIP LOCKED`
  return {
    // As hexadecimal digits, whatever bytea_output says.
    load: `SELECT ${id}, encode(${payload}, 'hex'), ${expiryText} FROM ${table} WHERE ${id} = ANY($1::text[])`,
    insert:
      `INSERT INTO ${table} AS old (${columns}) SELECT * FROM unnest(${arrays}) ` +
      `ON CONFLICT (${id}) DO UPDATE SET ${taken} WHERE old.${expiry} <= $${columns.length + 1}::${time} ` +
      `RETURNING ${id}`,
    replace:
      `UPDATE ${table} AS old SET ${payload} = new.payload, ${expiry} = new.expiry ` +
      `FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::${time}[]) AS new (id, expected, payload, expiry) ` +
      `WHERE old.${id} = new.id AND old.${payload} = new.expected AND old.${expiry} > $5::${time} ` +
      `RETURNING old.${id}`,
    touch:
      `UPDATE ${table} AS old SET ${expiry} = new.expiry FROM unnest($1::text[], $2::${time}[]) AS new (id, expiry) ` +
      `WHERE old.${id} = new.id AND old.${expiry} > $3::${time} RETURNING old.${id}`,
    remove: `DELETE FROM ${table} WHERE ${id} = $1 AND ${expiry} > $2::${time}`,
    removeDead: `DELETE FROM ${table} WHERE ${id} = $1 AND ${expiry} <= $2::${time}`,
    removeAny: `DELETE FROM ${table} WHERE ${id} = $1`,
    sweep: `DELETE FROM ${table} WHERE ${id} IN (${dead})`,
    idsAfter: `SELECT ${id} FROM ${table} WHERE ${id} > $1 AND ${expiry} > $2::${time} ORDER BY ${id} LIMIT $3`,
    rename: `UPDATE ${table} SET ${id} = $2, ${expiry} = $3::${time} WHERE ${id} = $1`,
  }
}

function tableFor(layout: Layout): string {
  const { table, id, payload, expiry, created } = layout
  const name = quotedTable(layout, '"')
  const columns =
    created === undefined
      ? `${id} VARCHAR(160) COLLATE "C" PRIMARY KEY, ${payload} BYTEA NOT NULL, ${expiry} BIGINT NOT NULL`
      : `id SERIAL PRIMARY KEY, ${id} VARCHAR(255) NOT NULL UNIQUE, ${expiry} TIMESTAMP NOT NULL, ` +
        `${created} TIMESTAMP NOT NULL, ${payload} BYTEA NOT NULL`
  const index = `"${table}_${expiry}"`
  return `CREATE TABLE ${name} (${columns}); CREATE INDEX ${index} ON ${name} (${expiry})`
}

/** duplicate_table, unique_violation (in the catalogue, when two make it at the same moment), duplicate_object */
const MADE_BY_OTHERS = new Set(['42P07', '23505', '42710'])

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code)
}

function diagnose(error: unknown): Diagnosis {
  const code = codeOf(error)
  if (code === '42P01') return 'no-table'
  // serialization_failure, deadlock_detected
  if (code === '40001' || code === '40P01') return 'collision'
  // admin_shutdown, crash_shutdown
  if (['ECONNRESET', 'EPIPE', '57P01', '57P02'].includes(code)) return 'lost'
  const { message } = error as Error
  return message === 'Connection terminated unexpectedly' ? 'lost' : LATE.has(message) ? 'late' : 'other'
}

/** What pg's pool says; it gives no code. */
const LATE = new Set([
  'timeout exceeded when trying to connect',
  'Connection terminated due to connection timeout',
])
