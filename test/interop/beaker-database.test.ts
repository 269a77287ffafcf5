// One row in a SQLite file, and two who use it: Beaker with SQLAlchemy, and the store.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findSqlite } from '../../src/session/stores/database/sqlite-driver.js'
import { databaseStore } from '../../src/session/stores/database.js'

const PYTHON = '/usr/bin/python3'
const probe = spawnSync(PYTHON, ['-c', 'import beaker, sqlalchemy'])
const isThere = probe.status === 0
if (!isThere && process.env.CI === 'true')
  throw new Error('python3-beaker or python3-sqlalchemy is not installed')

const LIFETIME = 1_800_000

/** `pickle.dumps({'session': text}, 2)` */
function pickle(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return Buffer.concat([
    Buffer.from('\x80\x02}X\x07\0\0\0sessionX', 'latin1'),
    length,
    Buffer.from(`${text}s.`),
  ])
}

function open(more: { file?: string; table?: string } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-beaker-'))
  const { file = join(directory, 'sessions.db'), table = 'beaker_cache' } = more
  const url = `sqlite:///${file}`
  const store = databaseStore({ url, table, beaker: true, lifetime: LIFETIME })
  onTestFinished(async () => {
    await store.close?.()
    rmSync(directory, { recursive: true, force: true })
  })
  const beaker = (...args: string[]) => {
    const script = join(import.meta.dirname, 'beaker_database.py')
    const { status, stdout, stderr } = spawnSync(PYTHON, [script, url, table, ...args], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return stdout.trim()
  }
  return { store, beaker, file }
}

const columnsOf = (file: string, table: string) => {
  const database = findSqlite()(file)
  const info = database.prepare(`SELECT name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY name`)
  const columns = info.all(table).map((row) => Object.values(row as object).slice(0, 4))
  database.close()
  return columns
}

describe.skipIf(!isThere)("Beaker's ext:database and ours", () => {
  test('read each other, whoever made the table', async () => {
    const { store, beaker } = open()
    beaker('write', 'made-by-python', 'one')
    const row = await store.load('made-by-python')
    expect(row!.expiresAt! - Date.now()).toBeGreaterThan(LIFETIME - 60_000)
    expect(row!.expiresAt! - Date.now()).toBeLessThanOrEqual(LIFETIME)
    const saved = await store.save('made-by-python', pickle('two'), {
      expiresAt: Date.now() + LIFETIME,
      expected: row!.revision,
    })
    expect(saved.saved).toBe(true)
    expect(beaker('read', 'made-by-python')).toBe('two')

    const other = open()
    await other.store.save('made-by-us', pickle('one'), { expiresAt: Date.now() + LIFETIME, expected: null })
    expect(other.beaker('read', 'made-by-us')).toBe('one')
    other.beaker('write', 'made-by-us', 'two')
    expect(Buffer.from((await other.store.load('made-by-us'))!.payload).toString('latin1')).toContain('two')
  })

  test('see what the other wrote in between', async () => {
    const { store, beaker } = open()
    const first = await store.save('abc', pickle('ours'), { expiresAt: null, expected: null })
    beaker('write', 'abc', 'theirs')
    const expected = first.saved ? first.revision : null
    const late = await store.save('abc', pickle('again'), { expiresAt: null, expected })
    expect(late.saved || Buffer.from(late.current!.payload).toString('latin1')).toContain('theirs')
    expect(beaker('read', 'abc')).toBe('theirs')
  })

  test('end a session for the other as well', async () => {
    const { store, beaker } = open({ table: 'Sessions' })
    beaker('write', 'abc', 'one')
    expect(await store.delete('abc')).toBe(true)
    expect(beaker('read', 'abc')).toBe('nothing')
  })

  test('make the same table', async () => {
    const ours = open()
    await ours.store.ping?.()
    const theirs = open()
    theirs.beaker('write', 'abc', 'one')
    expect(columnsOf(ours.file, 'beaker_cache')).toEqual(columnsOf(theirs.file, 'beaker_cache'))
  })
})
