import { expect, test } from 'vitest'
import {
  type DriverSource,
  findSqlite,
  isBusy,
  rowFinder,
  type SqliteStatement,
} from '../../../../src/session/stores/database/sqlite-driver.js'

/** A Node with some packages installed; opening tells which was taken. */
function source(node: string, packages: Record<string, string>, builtin = false): DriverSource {
  const made = (name: string) =>
    class {
      readonly name = name
      exec() {}
      prepare(): never {
        throw new Error('not here')
      }
      close() {}
    }
  return {
    node,
    builtin: (name) => (builtin && name === 'node:sqlite' ? { DatabaseSync: made(name) } : undefined),
    require(name) {
      const [base = '', file] = name.split('/')
      const version = packages[base]
      if (version === undefined) {
        throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' })
      }
      if (version === 'broken') throw new Error('invalid ELF header')
      return file === 'package.json' ? { version } : made(base)
    },
  }
}

const taken = (from: DriverSource) => (findSqlite(from)('file') as unknown as { name: string }).name

test.each<[string, string, Record<string, string>, boolean, string]>([
  ["Node's own comes first", '24.1.0', { 'better-sqlite3': '13.2.0', libsql: '0.5.29' }, true, 'node:sqlite'],
  [
    'else better-sqlite3',
    '22.4.0',
    { 'better-sqlite3': '13.2.0', libsql: '0.5.29' },
    false,
    'better-sqlite3',
  ],
  ['an older one also on Node 20', '20.19.0', { 'better-sqlite3': '12.11.1' }, false, 'better-sqlite3'],
  [
    'one that would crash is not loaded',
    '20.19.0',
    { 'better-sqlite3': '13.0.0', libsql: '0.5' },
    false,
    'libsql',
  ],
  ['else libsql', '20.19.0', { libsql: '0.5.29' }, false, 'libsql'],
])('%s', (_title, node, packages, builtin, expected) => {
  expect(taken(source(node, packages, builtin))).toBe(expected)
})

test('says what to install', () => {
  expect(() => findSqlite(source('20.19.0', {}))).toThrow(
    new Error(
      'ext:database with sqlite:// needs Node 22.13 or later, or the package libsql or better-sqlite3: ' +
        'npm install libsql',
    ),
  )
  expect(() => findSqlite(source('20.19.0', { 'better-sqlite3': '13.2.0' }))).toThrow(
    new Error(
      'ext:database with sqlite:// needs Node 22.13 or later, or the package libsql (better-sqlite3 13 crashes ' +
        'Node 20): npm install libsql',
    ),
  )
})

test('does not hide that a driver is broken', () => {
  expect(() => findSqlite(source('20.19.0', { libsql: 'broken' }))).toThrow('invalid ELF header')
})

test.each<[unknown, boolean]>([
  [{ code: 'SQLITE_BUSY' }, true],
  [{ code: 'SQLITE_BUSY_RECOVERY' }, true],
  [{ code: 'ERR_SQLITE_ERROR', errcode: 5 }, true],
  [{ code: 'ERR_SQLITE_ERROR', errcode: 261 }, true],
  [{ code: 'ERR_SQLITE_ERROR', errcode: 13 }, false],
  [{ code: 'SQLITE_FULL' }, false],
  [new Error('SQLITE_BUSY'), false],
])('%j says whether another process has the lock: %s', (error, expected) => {
  expect(isBusy(error)).toBe(expected)
})

test.each<[string, Partial<SqliteStatement>]>([
  ['libsql and better-sqlite3', { raw() {} }],
  ['a Node that can give arrays', { setReturnArrays() {} }],
  ['an older Node', {}],
])('finds rows as arrays: %s', (_title, methods) => {
  let isArray = false
  const statement: SqliteStatement = {
    run: () => ({ changes: 0 }),
    get: (id) => (id === 'none' ? undefined : isArray ? [7, 'x'] : { expiry: 7, payload: 'x' }),
    all: () => [],
  }
  for (const name of Object.keys(methods)) Object.assign(statement, { [name]: () => (isArray = true) })
  const find = rowFinder(statement)
  expect(find('some', 1)).toEqual([7, 'x'])
  expect(find('none', 1)).toBeUndefined()
  expect(isArray).toBe(Object.keys(methods).length > 0)
})
