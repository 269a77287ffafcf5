import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { OptionError } from '../../../src/config/errors.js'
import { findSqlite, type SqliteDatabase } from '../../../src/session/stores/database/sqlite-driver.js'
import { type DatabaseStoreOptions, databaseStore } from '../../../src/session/stores/database.js'
import { storeConformance } from '../../../src/session/testing.js'
import { untilItWorks } from '../../support/tcp.js'

const forever = { expiresAt: null, expected: null }

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-sqlite-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A store on a file, closed after the test. */
function open(file: string, more: Partial<DatabaseStoreOptions> = {}) {
  const store = databaseStore({ url: `sqlite:///${file}`, ...more })
  onTestFinished(() => store.close?.())
  return store
}

/** The file itself, as another program has it open. */
function openBeside(file: string): SqliteDatabase {
  const database = findSqlite()(file)
  onTestFinished(() => void database.close())
  return database
}

/** What a query finds, without what drivers add. */
function all(database: SqliteDatabase, sql: string): Record<string, unknown>[] {
  return database
    .prepare(sql)
    .all()
    .map((row) => ({ ...(row as Record<string, unknown>), _metadata: undefined }))
}

const variants: [string, Partial<DatabaseStoreOptions>][] = [
  ['a SQLite file conforms', {}],
  ["Beaker's table in a SQLite file conforms", { beaker: true, lifetime: 1_800_000 }],
  ['a SQLite file that waits for the disk conforms', { fsync: true, schema: 'main', table: 'rows' }],
]
describe.each(variants)('%s', (_title, variant) => {
  let file: string
  const reopen = (clock: () => number) => databaseStore({ url: `sqlite:///${file}`, clock, ...variant })
  storeConformance({
    describe,
    it,
    open(clock) {
      file = join(temporaryDirectory(), 'sessions.db')
      return reopen(clock)
    },
    reopen,
  })
})

describe('SQLite in memory conforms', () => {
  storeConformance({ describe, it, open: (clock) => databaseStore({ url: 'sqlite://', clock }) })
})

describe('a table that ext:sqla has made conforms', () => {
  storeConformance({
    describe,
    it,
    open(clock) {
      const file = join(temporaryDirectory(), 'sessions.db')
      const database = findSqlite()(file)
      database.exec(
        'CREATE TABLE beaker_cache (namespace VARCHAR(255) NOT NULL, accessed DATETIME NOT NULL, ' +
          'created DATETIME NOT NULL, data BLOB NOT NULL, PRIMARY KEY (namespace))',
      )
      database.close()
      return databaseStore({ url: `sqlite:///${file}`, clock, beaker: true, lifetime: 1_800_000 })
    },
  })
})

test('loads at once, without a promise', async () => {
  const store = open(join(temporaryDirectory(), 'sessions.db'))
  await store.save('abc', Buffer.from('row'), forever)
  expect(store.load('abc')).toMatchObject({ expiresAt: null })
  expect(store.load('abd')).toBe(null)
})

test('opens nothing before it is used, then makes what is missing, for its owner alone', async () => {
  const directory = join(temporaryDirectory(), 'some', 'where')
  const file = join(directory, 'sessions.db')
  const store = open(file)
  expect(existsSync(directory)).toBe(false)
  await store.save('abc', Buffer.from('row'), forever)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  for (const name of [file, `${file}-wal`, `${file}-shm`]) expect(statSync(name).mode & 0o777).toBe(0o600)
})

test('says in its scope who shares it', () => {
  expect(databaseStore({ url: 'sqlite://' }).scope).toBe('process')
  expect(databaseStore({ url: 'sqlite:///sessions.db' }).scope).toBe('host')
  expect(databaseStore({ url: 'mysql://localhost/test' }).scope).toBe('network')
})

test('commits what is saved in one turn of the event loop together', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = open(file)
  await store.ping?.()
  const beside = openBeside(file)
  const seen = new Set<unknown>()
  const look = () => {
    const [row] = all(beside, 'SELECT count(*) AS rows FROM sessd_sessions')
    seen.add(row?.rows)
  }
  const saves = Array.from({ length: 50 }, async (_, index) => {
    await store.save(`id${index}`, Buffer.from('row'), forever)
    look()
  })
  look()
  await Promise.all(saves)
  expect([...seen]).toEqual([0, 50])
})

test('shows what it saves to nobody before it is committed', async () => {
  const store = open(join(temporaryDirectory(), 'sessions.db'))
  const saving = store.save('abc', Buffer.from('row'), forever)
  expect(store.load('abc')).toBe(null)
  await saving
  expect(store.load('abc')).not.toBe(null)
})

test('takes what somebody else wrote in between for another version, and shows it', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = open(file)
  const first = await store.save('abc', Buffer.from('ours'), forever)
  openBeside(file).exec("UPDATE sessd_sessions SET payload = CAST('theirs' AS BLOB)")
  const expected = first.saved ? first.revision : null
  const result = await store.save('abc', Buffer.from('again'), { expiresAt: null, expected })
  expect(result.saved || String(result.current && Buffer.from(result.current.payload))).toBe('theirs')
})

test('goes on with other work while another process has the file locked, and then saves', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = open(file, { timeout: 20_000 })
  await store.save('abc', Buffer.from('one'), forever)
  const beside = openBeside(file)
  beside.exec('BEGIN IMMEDIATE')
  let saved = false
  const saving = Promise.resolve(store.save('abd', Buffer.from('two'), forever)).then(() => {
    saved = true
  })
  for (let turns = 0; turns < 50; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    expect(store.load('abc')).not.toBe(null)
  }
  expect(saved).toBe(false)
  beside.exec('COMMIT')
  await saving
  expect(saved).toBe(true)
})

test('rejects what another process has kept from being saved for too long', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = open(file, { timeout: 50 })
  await store.ping?.()
  const beside = openBeside(file)
  beside.exec('BEGIN IMMEDIATE')
  const locked = new Error(`SQLite file ${file}: another process has had it locked for 50 ms`)
  await expect(store.save('abc', Buffer.from('row'), forever)).rejects.toThrow(locked)
  await expect(store.delete('abc')).rejects.toThrow(locked)
  beside.exec('COMMIT')
  expect(await store.save('abc', Buffer.from('row'), forever)).toMatchObject({ saved: true })
})

test('waits as long as the url says', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = open(`${file}?timeout=0.03&check_same_thread=false`)
  await store.ping?.()
  openBeside(file).exec('BEGIN IMMEDIATE')
  await expect(store.delete('abc')).rejects.toThrow(
    new Error(`SQLite file ${file}: another process has had it locked for 30 ms`),
  )
})

test('rejects a file that is no database, and goes on when there is one', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  writeFileSync(file, 'This is no database. '.repeat(100))
  const store = open(file)
  const broken = `SQLite file ${file}: file is not a database`
  expect(() => store.load('abc')).toThrow(broken)
  await expect(store.save('abc', Buffer.from('row'), forever)).rejects.toThrow(broken)
  rmSync(file)
  expect(await store.save('abc', Buffer.from('row'), forever)).toMatchObject({ saved: true })
})

test('rejects while the file can not be made, and goes on when it can', async () => {
  const directory = temporaryDirectory()
  const blocked = join(directory, 'blocked')
  writeFileSync(blocked, '')
  const store = open(join(blocked, 'sessions.db'))
  await expect(store.save('abc', Buffer.from('row'), forever)).rejects.toThrow(
    `SQLite file ${blocked}/sessions.db: `,
  )
  rmSync(blocked)
  mkdirSync(blocked)
  expect(await store.save('abc', Buffer.from('row'), forever)).toMatchObject({ saved: true })
})

test('makes the file anew when it has vanished', async () => {
  const directory = temporaryDirectory()
  const file = join(directory, 'sessions.db')
  const store = open(file)
  await store.save('abc', Buffer.from('row'), forever)
  rmSync(directory, { recursive: true })
  await untilItWorks(async () => {
    await store.ping?.()
    if (!existsSync(file)) throw new Error('not yet')
  })
  expect(await store.load('abc')).toBe(null)
  expect(await store.save('abc', Buffer.from('new'), forever)).toMatchObject({ saved: true })
  await store.close?.()
  expect(await open(file).load('abc')).not.toBe(null)
})

test('fails one save alone when another one of the same turn is refused', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = open(file)
  await store.ping?.()
  openBeside(file).exec(
    'CREATE TRIGGER small BEFORE INSERT ON sessd_sessions WHEN length(NEW.payload) > 10 ' +
      "BEGIN SELECT RAISE(ABORT, 'too large'); END",
  )
  const sizes = [1, 2, 20, 3, 30, 4]
  const saves = sizes.map((size) => store.save(`id${size}`, Buffer.alloc(size), forever))
  const results = await Promise.allSettled(saves)
  expect(results.map(({ status }) => status)).toEqual([
    ...['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
  ])
  expect(results[2]).toMatchObject({ reason: { message: `SQLite file ${file}: too large` } })
  for (const size of sizes) expect((await store.load(`id${size}`)) !== null).toBe(size <= 10)
})

test('keeps a row that was set aside for a week, for somebody to look at', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = open(file, { clock: () => 1_000 })
  await store.save('broken', Buffer.from('what is it'), forever)
  await store.setAside?.('broken')
  expect(all(openBeside(file), 'SELECT id, expires_at, hex(payload) AS hex FROM sessd_sessions')).toEqual([
    {
      id: 'broken.corrupt',
      expires_at: 604_801_000,
      hex: Buffer.from('what is it').toString('hex').toUpperCase(),
    },
  ])
})

test('finds dead rows by an index', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  await open(file).ping?.()
  await open(file, { beaker: true, lifetime: 1000 }).ping?.()
  const plan = (table: string, column: string) =>
    all(openBeside(file), `EXPLAIN QUERY PLAN SELECT rowid FROM ${table} WHERE ${column} <= 1`)[0]?.detail
  expect(plan('sessd_sessions', 'expires_at')).toContain('USING COVERING INDEX sessd_sessions_expires_at')
  expect(plan('beaker_cache', 'accessed')).toContain('USING COVERING INDEX beaker_cache_accessed')
})

test('finishes what is being saved before it closes', async () => {
  const file = join(temporaryDirectory(), 'sessions.db')
  const store = databaseStore({ url: `sqlite:///${file}` })
  const saving = store.save('abc', Buffer.from('row'), forever)
  await store.close?.()
  expect(await saving).toMatchObject({ saved: true })
  expect(() => store.load('abc')).toThrow(new Error('the database store is closed'))
  expect(await open(file).load('abc')).not.toBe(null)
})

test.each<[string, Partial<DatabaseStoreOptions> & { url: string }, string]>([
  [
    'another database',
    { url: 'oracle://scott:tiger@host/db' },
    'url: expected sqlite:///relative/path, sqlite:////absolute/path, postgresql://user:password@host:5432/database ' +
      'or mysql://user:password@host:3306/database, got oracle://',
  ],
  [
    'no url at all',
    { url: 'sessions.db' },
    'url: expected sqlite:///relative/path, sqlite:////absolute/path, postgresql://user:password@host:5432/database ' +
      'or mysql://user:password@host:3306/database',
  ],
  [
    'two slashes',
    { url: 'sqlite://sessions.db' },
    'url: expected sqlite:///relative/path or sqlite:////absolute/path: three or four slashes',
  ],
  [
    'a password that is not escaped',
    { url: 'postgresql://user:p@ss@word@host/db' },
    'url: expected postgresql://user:password@host:port/database, with %40 for @, %3A for : and %2F for / in user ' +
      'and password',
  ],
  [
    'a port that is none',
    { url: 'mysql://u:geheim@host:70000/db' },
    'url: expected mysql://user:password@host:port/database, with %40 for @, %3A for : and %2F for / in user and ' +
      'password',
  ],
  [
    'MySQL without a database',
    { url: 'mysql://u:geheim@host' },
    'url: expected a database, as in mysql://user:password@host:3306/database',
  ],
  [
    'a misspelt argument',
    { url: 'postgresql://u:geheim@host/db?sslmod=require' },
    'url: postgresql has no argument sslmod here: expected host, application_name, connect_timeout, options, ' +
      'sslmode, sslrootcert, sslcert or sslkey',
  ],
  [
    'an argument given twice',
    { url: 'postgresql://u:geheim@host/db?sslmode=require&sslmode=disable' },
    'url: the argument sslmode is given twice',
  ],
  [
    'an unknown sslmode',
    { url: 'postgresql://u:geheim@host/db?sslmode=on' },
    'url: sslmode: expected disable, require, verify-ca or verify-full',
  ],
  [
    'a connect_timeout that is none',
    { url: 'mysql://u:geheim@host/db?connect_timeout=soon' },
    'url: connect_timeout: expected whole seconds',
  ],
  [
    'a timeout that is none',
    { url: 'sqlite:///x?timeout=soon' },
    'url: timeout: expected a number of seconds',
  ],
  [
    'a table that is none',
    { url: 'sqlite://', table: 'rows; DROP TABLE users' },
    'table_name: expected a name of at most 50 letters, digits and _, got "rows; DROP TABLE users"',
  ],
  [
    'a schema that is none',
    { url: 'sqlite://', schema: '"x"' },
    'schema_name: expected a name of at most 50 letters, digits and _, got "\\"x\\""',
  ],
])('refuses %s, and prints no password', (_title, given, message) => {
  const error = new OptionError(message.split(': ')[0]!, message.slice(message.indexOf(': ') + 2))
  expect(() => databaseStore(given)).toThrow(error)
})
