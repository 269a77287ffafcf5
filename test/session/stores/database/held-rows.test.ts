import { spawnSync } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { SessionStore, StoredSession } from '../../../../src/session/store.js'
import { findSqlite, type SqliteDatabase } from '../../../../src/session/stores/database/sqlite-driver.js'
import { compile } from '../../../support/compile.js'
import { countedSqlite } from '../../../support/counted-sqlite.js'
import { untilItWorks } from '../../../support/tcp.js'

const ROOT = join(import.meta.dirname, '../../../..')
const LATER = 9_000_000_000_000
const KEEP = { expiresAt: LATER, expected: null }

function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-held-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'sessions.db')
}

/** A store, and how often it has asked SQLite for a row. */
function open(path: string, clock?: () => number) {
  const counted = countedSqlite(path, clock)
  onTestFinished(() => counted.store.close?.())
  return counted
}

/** A store with some rows that it holds by now. */
async function openWarm(path: string, clock?: () => number) {
  const { store, asked } = open(path, clock)
  for (const id of ['a', 'b', 'c', 'd', 'e']) await put(store, id, id)
  for (const id of ['a', 'b', 'c', 'd', 'e']) read(store, id)
  for (const id of ['a', 'b', 'c', 'd', 'e']) read(store, id)
  asked.rows = 0
  return { store, asked }
}

async function put(store: SessionStore, id: string, text: string): Promise<void> {
  const row = await store.load(id)
  const expected = row === null ? null : row.revision
  expect(await store.save(id, Buffer.from(text), { expiresAt: LATER, expected })).toMatchObject({
    saved: true,
  })
}

function loaded(store: SessionStore, id: string): StoredSession | null {
  const row = store.load(id)
  if (row instanceof Promise) throw new Error('a promise')
  return row
}

/** The text of a row, loaded at once; null: there is none. */
function read(store: SessionStore, id: string): string | null {
  const row = loaded(store, id)
  return row === null ? null : Buffer.from(row.payload).toString()
}

/** Another connection to the same file, which is another program to SQLite. */
function openBeside(path: string): SqliteDatabase {
  const database = findSqlite()(path)
  onTestFinished(() => void database.close())
  return database
}

function setTo(id: string, text: string): string {
  return `UPDATE sessd_sessions SET payload = CAST('${text}' AS BLOB) WHERE id = '${id}'`
}

/** Runs SQL in another process; answers how many changes SQLite has counted then. */
function inAnotherProcess(path: string, sql: string, ...more: string[]): number {
  const program = compile('test/session/stores/database/sqlite-child.ts')
  symlinkSync(join(ROOT, 'node_modules'), join(program, '../../../../../node_modules'))
  const env = { ...process.env, NODE_NO_WARNINGS: '1' }
  const { stdout, stderr } = spawnSync(process.execPath, [program, path, sql, ...more], { env })
  expect(String(stderr)).toBe('')
  return Number(String(stdout))
}

test('asks SQLite once for a row that nobody changes', async () => {
  const { store, asked } = await openWarm(temporaryFile())
  for (let time = 0; time < 100; time++) expect(read(store, 'a')).toBe('a')
  expect(asked.rows).toBe(0)
})

test('asks SQLite each time before a commit of its own was seen', async () => {
  const path = temporaryFile()
  await openWarm(path)
  const { store, asked } = open(path)
  for (let time = 0; time < 10; time++) read(store, 'a')
  expect(asked.rows).toBe(10)
})

test('shows what it has saved, touched and deleted itself, without asking', async () => {
  const { store, asked } = await openWarm(temporaryFile())
  await Promise.all([put(store, 'a', 'one'), store.touch?.('b', 5000), put(store, 'n', 'new')])
  expect([read(store, 'a'), read(store, 'b'), read(store, 'c'), read(store, 'n')]).toEqual([
    ...['one', 'b', 'c', 'new'],
  ])
  expect(store.load('b')).toMatchObject({ expiresAt: 5000 })
  // To find out that there is no n.
  expect(asked.rows).toBe(1)
  await Promise.all([store.delete('a'), store.setAside?.('c')])
  expect([read(store, 'a'), read(store, 'b'), read(store, 'c')]).toEqual([null, 'b', null])
})

test('shows what several writes of one moment have made of a row', async () => {
  const { store } = await openWarm(temporaryFile())
  await Promise.all([
    store.touch?.('a', 5000),
    store.delete('a'),
    store.save('a', Buffer.from('again'), KEEP),
  ])
  expect(read(store, 'a')).toBe('again')
  const replacing = (id: string) => ({ expiresAt: LATER, expected: loaded(store, id)!.revision })
  await Promise.all([store.save('b', Buffer.from('more'), replacing('b')), store.touch?.('b', 6000)])
  expect(store.load('b')).toMatchObject({ expiresAt: 6000 })
  expect(read(store, 'b')).toBe('more')
  await Promise.all([store.save('c', Buffer.from('last'), replacing('c')), store.delete('c')])
  expect(read(store, 'c')).toBe(null)
})

test('shows at once what somebody else has changed, added and removed', async () => {
  const path = temporaryFile()
  const { store, asked } = await openWarm(path)
  const beside = openBeside(path)
  for (let time = 0; time < 5; time++) {
    beside.exec(setTo('a', `theirs ${time}`))
    expect(read(store, 'a')).toBe(`theirs ${time}`)
    expect(read(store, 'a')).toBe(`theirs ${time}`)
    asked.rows = 0
    for (let more = 0; more < 5; more++) expect(read(store, 'a')).toBe(`theirs ${time}`)
    expect(asked.rows).toBe(0)
    beside.exec('UPDATE sessd_sessions SET expires_at = 7000')
    expect(store.load('a')).toMatchObject({ expiresAt: 7000 })
    await put(store, 'b', `ours ${time}`)
    expect([read(store, 'a'), read(store, 'b')]).toEqual([`theirs ${time}`, `ours ${time}`])
  }
  beside.exec("DELETE FROM sessd_sessions WHERE id = 'a'")
  expect(read(store, 'a')).toBe(null)
  beside.exec("INSERT INTO sessd_sessions VALUES ('a', x'4242', 9000)")
  expect(read(store, 'a')).toBe('BB')
})

test('shows what another process has changed', async () => {
  const path = temporaryFile()
  const { store } = await openWarm(path)
  inAnotherProcess(path, setTo('a', 'theirs'))
  expect([read(store, 'a'), read(store, 'b')]).toEqual(['theirs', 'b'])
})

test('shows what somebody has changed just before and just after a commit of its own', async () => {
  const path = temporaryFile()
  const { store } = await openWarm(path)
  const beside = openBeside(path)
  for (let time = 0; time < 20; time++) {
    const saving = put(store, 'b', `ours ${time}`)
    beside.exec(setTo('a', `before ${time}`))
    await saving
    expect(read(store, 'a')).toBe(`before ${time}`)
    await put(store, 'b', `more ${time}`)
    beside.exec(setTo('a', `after ${time}`))
    expect(read(store, 'a')).toBe(`after ${time}`)
  }
})

test('shows what somebody has changed between a commit of its own and what it makes of it', async () => {
  const path = temporaryFile()
  const { store, asked } = await openWarm(path)
  const beside = openBeside(path)
  let time = 0
  asked.onCommit = () => beside.exec(setTo('a', `theirs ${++time}`))
  while (time < 10) {
    await put(store, 'b', `ours ${time}`)
    expect([read(store, 'a'), read(store, 'b')]).toEqual([`theirs ${time}`, `ours ${time - 1}`])
    expect([read(store, 'a'), read(store, 'b')]).toEqual([`theirs ${time}`, `ours ${time - 1}`])
  }
})

test('tells who comes second what the first one of the same moment has written', async () => {
  const { store } = await openWarm(temporaryFile())
  const { revision } = loaded(store, 'a')!
  const how = { expiresAt: LATER, expected: revision }
  const [first, second] = await Promise.all([
    store.save('a', Buffer.from('first'), how),
    store.save('a', Buffer.from('second'), how),
  ])
  expect(first.saved).toBe(true)
  expect(!second.saved && String(second.current && Buffer.from(second.current.payload))).toBe('first')
})

test('takes nothing for stored that was given up', async () => {
  const path = temporaryFile()
  const { store } = await openWarm(path)
  openBeside(path).exec(
    'CREATE TRIGGER small BEFORE UPDATE ON sessd_sessions WHEN length(NEW.payload) > 10 ' +
      "BEGIN SELECT RAISE(ABORT, 'too large'); END",
  )
  const { revision } = (await store.load('a'))!
  const large = { expiresAt: LATER, expected: revision }
  await expect(store.save('a', Buffer.from('far too large'), large)).rejects.toThrow('too large')
  expect(read(store, 'a')).toBe('a')
})

test.each(['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'])(
  'shows the right rows around a %s checkpoint',
  async (mode) => {
    const path = temporaryFile()
    const { store, asked } = await openWarm(path)
    const beside = openBeside(path)
    for (let time = 0; time < 3; time++) {
      beside.prepare(`PRAGMA wal_checkpoint(${mode})`).all()
      expect([read(store, 'a'), read(store, 'b')]).toEqual([time === 0 ? 'a' : 'theirs', 'b'])
      beside.exec(setTo('a', 'theirs'))
      expect([read(store, 'a'), read(store, 'b')]).toEqual(['theirs', 'b'])
      beside.prepare(`PRAGMA wal_checkpoint(${mode})`).all()
      await put(store, 'c', `ours ${time}`)
      expect([read(store, 'a'), read(store, 'b'), read(store, 'c')]).toEqual(['theirs', 'b', `ours ${time}`])
    }
    await put(store, 'd', 'd')
    for (let time = 0; time < 3; time++) read(store, 'a')
    asked.rows = 0
    read(store, 'a')
    expect(asked.rows).toBe(0)
  },
)

test('asks for all rows again after a sweep, which names none', async () => {
  let now = 1000
  const { store } = await openWarm(temporaryFile(), () => now)
  await store.touch?.('a', 2000)
  expect(read(store, 'a')).toBe('a')
  now = 3000
  expect(await store.sweep?.(100)).toBe(1)
  now = 1000
  expect([read(store, 'a'), read(store, 'b')]).toEqual([null, 'b'])
})

test('takes nothing for the row that it knows where another program has put nothing', async () => {
  const path = temporaryFile()
  openBeside(path).exec(
    'CREATE TABLE sessd_sessions (id TEXT NOT NULL PRIMARY KEY, payload BLOB, expires_at INTEGER NOT NULL)',
  )
  const { store } = await openWarm(path)
  expect(read(store, 'a')).toBe('a')
  openBeside(path).exec("UPDATE sessd_sessions SET payload = NULL WHERE id = 'a'")
  expect(read(store, 'a')).toBe('')
})

test('serves no row that has died while it was held', async () => {
  let now = 1000
  const { store } = await openWarm(temporaryFile(), () => now)
  await store.touch?.('a', 2000)
  now = 2000
  expect(await store.load('a')).toBe(null)
})

test.each([
  ['a trigger', "CREATE TRIGGER more AFTER UPDATE ON sessd_sessions WHEN NEW.id = 'b' BEGIN %; END"],
  [
    'a trigger on the table in capitals',
    "CREATE TRIGGER more AFTER UPDATE ON SESSD_SESSIONS WHEN NEW.id = 'b' BEGIN %; END",
  ],
])('shows what %s makes of its own saves', async (_title, trigger) => {
  const path = temporaryFile()
  const { store } = await openWarm(path)
  openBeside(path).exec(trigger.replace('%', setTo('a', 'changed by a trigger')))
  for (let time = 0; time < 3; time++) {
    for (const id of ['a', 'a', 'a']) read(store, id)
    await put(store, 'b', `ours ${time}`)
    expect(read(store, 'a')).toBe('changed by a trigger')
    openBeside(path).exec(setTo('a', 'a'))
  }
})

test('shows one row where the table takes two ids for the same', async () => {
  const path = temporaryFile()
  openBeside(path).exec(
    'CREATE TABLE sessd_sessions (id TEXT COLLATE NOCASE PRIMARY KEY, payload BLOB, expires_at INTEGER)',
  )
  const { store } = await openWarm(path)
  await put(store, 'A', 'one')
  expect(read(store, 'a')).toBe('one')
})

test('shows the rows of a file that was put in place of the old one', async () => {
  const path = temporaryFile()
  const other = `${path}.new`
  const { store } = await openWarm(path)
  inAnotherProcess(
    other,
    'CREATE TABLE sessd_sessions (id TEXT PRIMARY KEY, payload BLOB, expires_at INTEGER);' +
      `INSERT INTO sessd_sessions VALUES ('a', CAST('of the new file' AS BLOB), ${LATER})`,
  )
  expect(read(store, 'a')).toBe('a')
  renameSync(other, path)
  for (const name of [`${path}-wal`, `${path}-shm`]) rmSync(name)
  await untilItWorks(async () => expect(read(store, 'a')).toBe('of the new file'))
  await put(store, 'a', 'and saved')
  expect(read(store, 'a')).toBe('and saved')
})

test('asks SQLite when the index was removed', async () => {
  const path = temporaryFile()
  const { store, asked } = await openWarm(path)
  rmSync(`${path}-shm`)
  await untilItWorks(async () => {
    read(store, 'a')
    expect(asked.rows).toBeGreaterThan(0)
  })
  await put(store, 'b', 'one')
  await put(store, 'b', 'two')
  asked.rows = 0
  for (let time = 0; time < 5; time++) expect(read(store, 'a')).toBe('a')
  expect(asked.rows).toBe(5)
})

test('asks SQLite when a writer has died while it wrote the header', async () => {
  const path = temporaryFile()
  const { store } = await openWarm(path)
  inAnotherProcess(path, setTo('a', 'theirs'), 'die')
  expect([read(store, 'a'), read(store, 'b')]).toEqual(['theirs', 'b'])
  for (let time = 0; time < 5; time++) {
    await put(store, 'c', `ours ${time}`)
    expect([read(store, 'a'), read(store, 'b'), read(store, 'c')]).toEqual(['theirs', 'b', `ours ${time}`])
  }
})

test('leaves SQLite its locks when one of several stores of a process is closed', async () => {
  const path = temporaryFile()
  const { store } = await openWarm(path)
  const before = inAnotherProcess(path, setTo('a', 'one'))
  for (let time = 1; time <= 3; time++) {
    const other = open(path).store
    await put(other, 'b', `other ${time}`)
    await other.close?.()
    // Without its locks the index would be made anew, and the count would begin at 0.
    expect(inAnotherProcess(path, setTo('a', `theirs ${time}`))).toBe(before + 2 * time)
    expect([read(store, 'a'), read(store, 'b')]).toEqual([`theirs ${time}`, `other ${time}`])
  }
})

test('leaves SQLite its locks when others in the process have the file open', async () => {
  const path = temporaryFile()
  const { store } = await openWarm(path)
  const beside = openBeside(path)
  beside.exec(setTo('a', 'one'))
  const before = inAnotherProcess(path, setTo('a', 'two'))
  await store.close?.()
  expect(inAnotherProcess(path, setTo('a', 'three'))).toBe(before + 1)
})

test('holds rows of a file that several stores of a process have open', async () => {
  const path = temporaryFile()
  const [one, two] = [await openWarm(path), open(path)]
  for (let time = 0; time < 5; time++) {
    await put(two.store, 'a', `two ${time}`)
    expect(read(one.store, 'a')).toBe(`two ${time}`)
    await put(one.store, 'b', `one ${time}`)
    expect(read(two.store, 'b')).toBe(`one ${time}`)
  }
})
