// PostgreSQL, by the package pg. Statements take arrays, one element per row, so that sessions which are loaded or saved
// at the same time share a round trip, a transaction and its wait for the disk.

import { readFile } from 'node:fs/promises'
import { OptionError } from '../../../config/errors.js'
import { importPeer } from '../optional-peer.js'
import { type Layout, quotedTable } from './layout.js'
import type { Diagnosis, LoadedRow, ServerSettings, SqlServer } from './server.js'
import { connectTimeout, readArguments } from './url.js'

interface Pool {
  on(event: 'error', listener: () => void): void
  query(query: { name?: string | undefined; text: string; values?: readonly unknown[] }): Promise<{
    readonly rows: readonly unknown[]
    readonly rowCount: number | null
  }>
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
      query_timeout: timeout,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      allowExitOnIdle: true,
    })
    // A connection that breaks while nobody uses it is replaced; without a listener the process would end.
    pool.on('error', () => {})
    return pool
  }

  async function query(name: keyof typeof statements, values: readonly unknown[]) {
    const text = statements[name]
    const connection = await pool()
    return connection.query({ name: prepare ? `sessd_${name}` : undefined, text, values })
  }

  async function count(name: keyof typeof statements, values: readonly unknown[]): Promise<number> {
    return (await query(name, values)).rowCount ?? 0
  }

  async function idsOf(
    name: keyof typeof statements,
    values: readonly unknown[],
  ): Promise<readonly string[]> {
    const { rows } = await query(name, values)
    return (rows as readonly { id: string }[]).map(({ id }) => id)
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
      const { rows } = await query('load', [ids])
      return rows as readonly LoadedRow[]
    },

    insert(rows, deadline) {
      const sorted = inOrder(rows)
      const columns = [sorted.map(idOf), sorted.map(payloadOf), sorted.map(expiryOf)]
      if (layout.created !== undefined) columns.push(sorted.map(({ created }) => created))
      return idsOf('insert', [...columns, deadline])
    },

    replace(rows, deadline) {
      const sorted = inOrder(rows)
      const expected = sorted.map((row) => row.expected)
      return idsOf('replace', [
        sorted.map(idOf),
        expected,
        sorted.map(payloadOf),
        sorted.map(expiryOf),
        deadline,
      ])
    },

    touch(rows, deadline) {
      const sorted = inOrder(rows)
      return idsOf('touch', [sorted.map(idOf), sorted.map(expiryOf), deadline])
    },

    remove: async (id, deadline) => (await count('remove', [id, deadline])) === 1,
    removeDead: async (id, deadline) => void (await count('removeDead', [id, deadline])),
    sweep: (deadline, limit) => count('sweep', [deadline, limit]),
    idsAfter: (id, deadline, limit) => idsOf('idsAfter', [id, deadline, limit]),

    async rename(id, newId, expiry) {
      await count('removeAny', [newId])
      await count('rename', [id, newId, expiry])
    },

    async createTable() {
      const connection = await pool()
      try {
        await connection.query({ text: tableFor(layout) })
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

const idOf = ({ id }: { readonly id: string }): unknown => id
const payloadOf = ({ payload }: { readonly payload: Buffer }): unknown => payload
const expiryOf = ({ expiry }: { readonly expiry: unknown }): unknown => expiry

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
    load: `SELECT ${id} AS id, ${payload} AS payload, ${expiryText} AS expiry FROM ${table} WHERE ${id} = ANY($1::text[])`,
    insert:
      `INSERT INTO ${table} AS old (${columns}) SELECT * FROM unnest(${arrays}) ` +
      `ON CONFLICT (${id}) DO UPDATE SET ${taken} WHERE old.${expiry} <= $${columns.length + 1}::${time} ` +
      `RETURNING ${id} AS id`,
    replace:
      `UPDATE ${table} AS old SET ${payload} = new.payload, ${expiry} = new.expiry ` +
      `FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::${time}[]) AS new (id, expected, payload, expiry) ` +
      `WHERE old.${id} = new.id AND old.${payload} = new.expected AND old.${expiry} > $5::${time} ` +
      `RETURNING old.${id} AS id`,
    touch:
      `UPDATE ${table} AS old SET ${expiry} = new.expiry FROM unnest($1::text[], $2::${time}[]) AS new (id, expiry) ` +
      `WHERE old.${id} = new.id AND old.${expiry} > $3::${time} RETURNING old.${id} AS id`,
    remove: `DELETE FROM ${table} WHERE ${id} = $1 AND ${expiry} > $2::${time}`,
    removeDead: `DELETE FROM ${table} WHERE ${id} = $1 AND ${expiry} <= $2::${time}`,
    removeAny: `DELETE FROM ${table} WHERE ${id} = $1`,
    sweep: `DELETE FROM ${table} WHERE ${id} IN (${dead})`,
    idsAfter: `SELECT ${id} AS id FROM ${table} WHERE ${id} > $1 AND ${expiry} > $2::${time} ORDER BY ${id} LIMIT $3`,
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

/** What pg and its pool say; they give no code. */
const LATE = new Set([
  'Query read timeout',
  'timeout exceeded when trying to connect',
  'Connection terminated due to connection timeout',
])

type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full'

/** As libpq names them; what it calls `allow` and `prefer` promises nothing. */
function sslMode(text: string | undefined): SslMode {
  if (text === undefined || text === 'allow' || text === 'prefer') return 'disable'
  if (text === 'disable' || text === 'require' || text === 'verify-ca' || text === 'verify-full') return text
  throw new OptionError('url', 'sslmode: expected disable, require, verify-ca or verify-full')
}

async function tlsFor(
  mode: SslMode,
  files: { sslrootcert: string | undefined; sslcert: string | undefined; sslkey: string | undefined },
): Promise<object | false> {
  if (mode === 'disable') return false
  const [ca, cert, key] = await Promise.all(
    [files.sslrootcert, files.sslcert, files.sslkey].map((path) => path && readFile(path)),
  )
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    // libpq's rule: with a root certificate at hand, `require` checks against it.
    rejectUnauthorized: mode !== 'require' || ca !== undefined,
    ...(mode !== 'verify-full' && { checkServerIdentity: () => undefined }),
  }
}
