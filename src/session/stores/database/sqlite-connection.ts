// One connection to a SQLite file, with every statement that the store needs. Writes happen between `begin` and
// `commit` alone: taking the lock is then the only thing that can fail because another process has it.

import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { HeldRows } from './held-rows.js'
import { type Layout, quotedTable } from './layout.js'
import { type OpenSqlite, rowFinder, type SqliteDatabase, type SqliteStatement } from './sqlite-driver.js'
import { WalState } from './wal-state.js'

export interface SqliteConnection {
  readonly statements: Statements
  /** What is known of rows without asking. To be told of every row that a statement changes. */
  readonly rows: HeldRows
  /** Takes the lock of writers at once, or throws. */
  begin(): void
  commit(): void
  /** Gives up what was written since `begin`. Throws nothing. */
  rollback(): void
  /** Whether the file is no longer the one that was opened: removed, or put in its place. */
  isMoved(): boolean
  close(): void
}

export interface Statements {
  /** id, payload as known -> expiry, payload; NULL for one that is still as known: bytes for JavaScript are dear to make. */
  load(id: string, known: Uint8Array): readonly unknown[] | undefined
  /** id, payload, expiry, (created,) deadline: inserts, or takes the place of a dead row. */
  readonly insert: SqliteStatement
  /** payload, expiry, id, expected payload, deadline */
  readonly replace: SqliteStatement
  /** expiry, id, deadline */
  readonly touch: SqliteStatement
  /** id, deadline */
  readonly remove: SqliteStatement
  /** id, deadline */
  readonly removeDead: SqliteStatement
  /** deadline, limit */
  readonly sweep: SqliteStatement
  /** id, deadline, limit -> id, in order */
  readonly idsAfter: SqliteStatement
  /** new id, expiry, id */
  readonly rename: SqliteStatement
  /** table -> type, sql of what belongs to it */
  readonly parts: SqliteStatement
}

export interface SqliteSettings {
  readonly layout: Layout
  /** null: in memory. */
  readonly path: string | null
  readonly fsync: boolean
}

/** Opens the file, which is made when it is missing, and so are its directory and the table. */
export function openConnection(open: OpenSqlite, settings: SqliteSettings): SqliteConnection {
  const { layout, path, fsync } = settings
  if (path !== null) prepareFile(path)
  const database = open(path ?? ':memory:')
  try {
    // Waiting in SQLite would hold up the event loop.
    database.exec('PRAGMA busy_timeout = 0')
    database.exec('PRAGMA journal_mode = WAL')
    database.exec(`PRAGMA synchronous = ${fsync ? 'FULL' : 'NORMAL'}`)
    createTable(database, layout)
    const statements = statementsFor(database, layout)
    const rows = new HeldRows(new WalState(path, () => isPlain(statements.parts.all(layout.table))))
    return connectionOn(database, statements, rows, path)
  } catch (error) {
    closeQuietly(database)
    throw error
  }
}

/** Only we may read what is in a session: SQLite itself would let everybody. */
function prepareFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  if (statSync(path, { throwIfNoEntry: false }) === undefined) closeSync(openSync(path, 'a', 0o600))
}

function connectionOn(
  database: SqliteDatabase,
  statements: Statements,
  rows: HeldRows,
  path: string | null,
): SqliteConnection {
  const inode = path === null ? undefined : statSync(path).ino
  return {
    statements,
    rows,
    begin() {
      database.exec('BEGIN IMMEDIATE')
      rows.begin()
    },
    commit() {
      database.exec('COMMIT')
      rows.commit()
    },
    rollback() {
      rows.rollback()
      try {
        database.exec('ROLLBACK')
      } catch {
        // SQLite has done so already, as it does when the disk is full.
      }
    },
    isMoved: () => path !== null && statSync(path, { throwIfNoEntry: false })?.ino !== inode,
    close() {
      closeQuietly(database)
      rows.close()
    },
  }
}

function closeQuietly(database: SqliteDatabase): void {
  try {
    database.close()
  } catch {
    // A file that is broken or gone: there is nothing left to be saved.
  }
}

function createTable(database: SqliteDatabase, layout: Layout): void {
  const { table, id, payload, expiry, created } = layout
  const index = quotedTable({ ...layout, table: `${table}_${expiry}` }, '"')
  const columns =
    created === undefined
      ? `${id} TEXT NOT NULL PRIMARY KEY, ${payload} BLOB NOT NULL, ${expiry} INTEGER NOT NULL`
      : `id INTEGER NOT NULL PRIMARY KEY, ${id} VARCHAR(255) NOT NULL UNIQUE, ${expiry} DATETIME NOT NULL, ` +
        `${created} DATETIME NOT NULL, ${payload} BLOB NOT NULL`
  const found = database
    .prepare(`SELECT 1 FROM ${catalogueOf(layout)} WHERE type = ? AND name = ?`)
    .get('table', table)
  // An index is made with the table alone: Beaker's own table is left as it is.
  if (found !== undefined) return
  database.exec('BEGIN IMMEDIATE')
  database.exec(`CREATE TABLE IF NOT EXISTS ${quotedTable(layout, '"')} (${columns})`)
  database.exec(`CREATE INDEX IF NOT EXISTS ${index} ON "${table}" (${expiry})`)
  database.exec('COMMIT')
}

/** Where SQLite keeps what it was told to make. */
function catalogueOf({ schema }: Layout): string {
  return schema === undefined ? 'sqlite_master' : `"${schema}".sqlite_master`
}

/**
 * Whether statements change just the rows that they name, to just what they say: there are no triggers, and the table
 * has nothing by which one row decides about another, or by which two ids are the same.
 */
function isPlain(parts: readonly unknown[]): boolean {
  return parts.every((part) => {
    const { type, sql } = part as { readonly type: unknown; readonly sql: unknown }
    if (type === 'index') return true
    return type === 'table' && !/\b(?:virtual|collate|references|conflict|as)\b/i.test(String(sql))
  })
}

function statementsFor(database: SqliteDatabase, layout: Layout): Statements {
  const { id, payload, expiry, created } = layout
  const table = quotedTable(layout, '"')
  const insertColumns = [id, payload, expiry, ...(created === undefined ? [] : [created])]
  const taken = insertColumns.slice(1).map((column) => `${column} = excluded.${column}`)
  const dead = `SELECT rowid FROM ${table} WHERE ${expiry} <= ? LIMIT ?`
  return {
    load: rowFinder(
      database.prepare(
        `SELECT ${expiry}, CASE WHEN ${payload} = ?2 THEN NULL ELSE coalesce(${payload}, '') END FROM ${table} WHERE ${id} = ?1`,
      ),
    ),
    insert: database.prepare(
      `INSERT INTO ${table} AS old (${insertColumns}) VALUES (${insertColumns.map(() => '?')}) ` +
        `ON CONFLICT (${id}) DO UPDATE SET ${taken} WHERE old.${expiry} <= ?`,
    ),
    replace: database.prepare(
      `UPDATE ${table} SET ${payload} = ?, ${expiry} = ? WHERE ${id} = ? AND ${payload} = ? AND ${expiry} > ?`,
    ),
    touch: database.prepare(`UPDATE ${table} SET ${expiry} = ? WHERE ${id} = ? AND ${expiry} > ?`),
    remove: database.prepare(`DELETE FROM ${table} WHERE ${id} = ? AND ${expiry} > ?`),
    removeDead: database.prepare(`DELETE FROM ${table} WHERE ${id} = ? AND ${expiry} <= ?`),
    sweep: database.prepare(`DELETE FROM ${table} WHERE rowid IN (${dead})`),
    idsAfter: database.prepare(
      `SELECT ${id} AS id FROM ${table} WHERE ${id} > ? AND ${expiry} > ? ORDER BY ${id} LIMIT ?`,
    ),
    rename: database.prepare(`UPDATE OR REPLACE ${table} SET ${id} = ?, ${expiry} = ? WHERE ${id} = ?`),
    parts: database.prepare(`SELECT type, sql FROM ${catalogueOf(layout)} WHERE lower(tbl_name) = lower(?)`),
  }
}
