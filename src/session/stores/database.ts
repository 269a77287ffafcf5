// Rows in a SQL database: SQLite, PostgreSQL, MySQL or MariaDB, in a table of our own or in Beaker's. The table is made
// when it is missing, and the driver is loaded when the store is first used.

import { resolve } from 'node:path'
import * as type from '../../config/converters.js'
import { OptionError } from '../../config/errors.js'
import { type OptionTable, option } from '../../config/options.js'
import { type Clock, systemClock } from '../clock.js'
import type { SessionStore } from '../store.js'
import { beakerLayout, sessdLayout } from './database/layout.js'
import { importMysql, mysqlServer } from './database/mysql.js'
import { importPg, postgresServer } from './database/postgres.js'
import { serverStore } from './database/server-store.js'
import { sqliteStore } from './database/sqlite.js'
import { parseDatabaseUrl, readArguments } from './database/url.js'

const ignored = (doc: string, reason: string) =>
  option({ type: type.text, default: undefined, doc, ignored: reason })

export const options = {
  url: option({
    type: type.text,
    default: undefined,
    required: true,
    secret: true,
    aliases: ['sa.url'],
    doc: 'Where the database is: sqlite:////path/of/file, postgresql://user:password@host/database or mysql://…',
  }),
  table_name: option({
    type: type.text,
    default: undefined,
    doc: "The table. Without it: sessd_sessions, or, in Beaker's formats, beaker_cache.",
  }),
  schema_name: option({
    type: type.text,
    default: undefined,
    doc: 'The schema of the table (MySQL: its database). Without it: where the connection looks first.',
  }),
  'sa.pool_size': option({
    type: type.integer(1, 1000),
    default: 10,
    doc: 'PostgreSQL, MySQL: how many connections a process has at most.',
  }),
  prepared_statements: option({
    type: type.boolean,
    default: true,
    doc: 'PostgreSQL, MySQL: whether statements are prepared once per connection; false behind a pooler that forbids it.',
  }),
  fsync: option({
    type: type.boolean,
    default: false,
    doc: 'SQLite: whether a save waits until the disk has it. Servers have settings of their own for that.',
  }),
  optimistic: ignored('Whether a save compares what it replaces.', 'every save does'),
  sa_opts: ignored('A dictionary for SQLAlchemy.', 'it can only be given in Python'),
  'sa.max_overflow': ignored('Connections beyond the pool.', 'sa.pool_size is the limit'),
  'sa.pool_timeout': ignored(
    'How long to wait for a connection.',
    'store_timeout limits the whole operation',
  ),
  'sa.pool_recycle': ignored(
    'How old connections may be.',
    'one that was lost is replaced when it is noticed',
  ),
  'sa.pool_pre_ping': ignored(
    'Whether connections are tried first.',
    'what was lost is noticed, and loads are repeated',
  ),
  'sa.echo': ignored(
    'Whether statements are logged.',
    'statements hold session ids, which never reach a log',
  ),
} as const satisfies OptionTable

export interface DatabaseStoreOptions {
  /**
   * As SQLAlchemy writes it: `sqlite:///relative/path`, `sqlite:////absolute/path`, `sqlite://` (in memory),
   * `postgresql://user:password@host:5432/database`, `mysql://user:password@host:3306/database`.
   */
  readonly url: string
  /** Default: `sessd_sessions`, or Beaker's `beaker_cache`. */
  readonly table?: string | undefined
  readonly schema?: string | undefined
  /** Whether rows lie as Beaker's ext:database and ext:sqla lay them. Needs `lifetime`. Default: no. */
  readonly beaker?: boolean | undefined
  /** In Beaker's table: how long a row lives after it was last written, in milliseconds; null (the default): for ever. */
  readonly lifetime?: number | null | undefined
  /** Servers: connections per process, at most. Default: 10. */
  readonly poolSize?: number | undefined
  /** Servers: whether statements are prepared once per connection. Default: yes. */
  readonly prepare?: boolean | undefined
  /** SQLite: whether a save waits until the disk has it. Default: no. */
  readonly fsync?: boolean | undefined
  /** How long an operation may take (SQLite: how long another process may hold the lock), in milliseconds. Default: 2000. */
  readonly timeout?: number | undefined
  readonly clock?: Clock | undefined
}

/**
 * Makes a store. Nothing is opened or connected before it is used; what can't be reached rejects, and is tried again
 * later. Throws OptionError for an url, a table or a schema that is none.
 */
export function databaseStore(given: DatabaseStoreOptions): SessionStore {
  const { clock = systemClock, timeout = 2000, lifetime = null } = given
  const target = parseDatabaseUrl(given.url)
  const layout = given.beaker === true ? beakerLayout(given, lifetime, clock) : sessdLayout(given)
  if (target.dialect === 'sqlite') {
    const args = readArguments(target, ['timeout'], ['check_same_thread'])
    const path = target.path === null ? null : resolve(target.path)
    const { fsync = false } = given
    return sqliteStore({ layout, path, fsync, clock, timeout: lockTimeout(args.timeout) ?? timeout })
  }
  const { poolSize = 10, prepare = true } = given
  const settings = { target, layout, timeout, poolSize, prepare }
  const server = target.dialect === 'mysql' ? mysqlServer(settings) : postgresServer(settings)
  return serverStore(server, layout, clock)
}

/**
 * Imports the driver for the server of an url, and connects to nothing; null: there is none, it is a file of this host.
 * Rejects with a sentence that says what to install.
 */
export function importDriver(url: string): Promise<unknown> | null {
  const { dialect } = parseDatabaseUrl(url)
  if (dialect === 'sqlite') return null
  return dialect === 'mysql' ? importMysql() : importPg()
}

/** Python's `timeout`, in seconds and their parts, as milliseconds. */
function lockTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,6}(\.\d{1,9})?$/.test(text))
    throw new OptionError('url', 'timeout: expected a number of seconds')
  return Number(text) * 1000
}
