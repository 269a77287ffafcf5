// Which SQLite: Node's own where it has one, else better-sqlite3 or libsql, whichever the user installed. All three are
// synchronous, and loaded when a database is first opened.

import { createRequire } from 'node:module'

export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

/** Takes at least two parameters, or one that is text: a lone object would mean named ones. */
export interface SqliteStatement {
  run(...parameters: readonly SqliteValue[]): { readonly changes: number | bigint }
  get(...parameters: readonly SqliteValue[]): unknown
  all(...parameters: readonly SqliteValue[]): readonly unknown[]
  /** libsql, better-sqlite3: rows are arrays from now on. */
  raw?(): unknown
  /** Newer versions of node:sqlite: the same. */
  setReturnArrays?(enabled: boolean): unknown
}

export type SqliteValue = string | number | Uint8Array

export type OpenSqlite = (path: string) => SqliteDatabase

type SqliteClass = new (path: string) => SqliteDatabase

/** Where drivers come from; tests bring their own. */
export interface DriverSource {
  /** The running Node, as in `20.19.0`. */
  readonly node: string
  /** A module of Node, or undefined. */
  builtin(name: string): unknown
  /** A package, as `require` does. */
  require(name: string): unknown
}

const here: DriverSource = {
  node: process.versions.node,
  builtin: (name) => process.getBuiltinModule(name),
  require: createRequire(import.meta.url),
}

/** Finds a driver. Throws an error that says what to install. */
export function findSqlite(source: DriverSource = here): OpenSqlite {
  const builtin = source.builtin('node:sqlite') as { DatabaseSync: SqliteClass } | undefined
  if (builtin !== undefined) return (path) => new builtin.DatabaseSync(path)
  const major = majorOf(packageVersion(source, 'better-sqlite3'))
  const crashes = major !== undefined && major >= 13 && majorOf(source.node)! < 22
  for (const name of crashes ? ['libsql'] : ['better-sqlite3', 'libsql']) {
    const Database = optional(() => source.require(name)) as SqliteClass | undefined
    if (Database !== undefined) return (path) => new Database(path)
  }
  throw new Error(
    `ext:database with sqlite:// needs Node 22.13 or later, or the package libsql${
      crashes ? ` (better-sqlite3 ${major} crashes Node ${majorOf(source.node)})` : ' or better-sqlite3'
    }: npm install libsql`,
  )
}

function packageVersion(source: DriverSource, name: string): string | undefined {
  const found = optional(() => source.require(`${name}/package.json`)) as { version?: unknown } | undefined
  return typeof found?.version === 'string' ? found.version : undefined
}

function majorOf(version: string | undefined): number | undefined {
  return version === undefined ? undefined : Number.parseInt(version, 10)
}

/** What `load` gives; undefined when it is not installed. */
function optional(load: () => unknown): unknown {
  try {
    return load()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

/** What finds one row, as the array of its columns: an object with their names is made again for every row, and dear. */
export function rowFinder(
  statement: SqliteStatement,
): (...parameters: readonly SqliteValue[]) => readonly unknown[] | undefined {
  if (statement.raw !== undefined) statement.raw()
  else statement.setReturnArrays?.(true)
  return (...parameters) => {
    const row = statement.get(...parameters) as object | undefined
    return row === undefined || Array.isArray(row) ? row : Object.values(row)
  }
}

/** Whether another process holds a lock that would be needed. Nothing has been done then. */
export function isBusy(error: unknown): boolean {
  // node:sqlite tells the number, the others its name; extended codes keep the plain one in the lowest byte.
  const { errcode, code } = error as { errcode?: unknown; code?: unknown }
  if (typeof errcode === 'number') return (errcode & 0xff) === 5
  return typeof code === 'string' && code.startsWith('SQLITE_BUSY')
}
