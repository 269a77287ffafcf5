import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { findSqlite } from '../../../../src/session/stores/database/sqlite-driver.js'
import { WalHeader } from '../../../../src/session/stores/database/wal-header.js'

/** A database with one row, in write-ahead mode, with so many commits behind it. */
function open(commits: number) {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-wal-'))
  const file = join(directory, 'rows.db')
  const database = findSqlite()(file)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('CREATE TABLE rows (n INTEGER)')
  database.exec('INSERT INTO rows VALUES (0)')
  const index = openSync(`${file}-shm`, 'r')
  onTestFinished(() => {
    database.close()
    closeSync(index)
    rmSync(directory, { recursive: true })
  })
  const change = () => database.exec('UPDATE rows SET n = n + 1')
  const read = () => {
    const header = new WalHeader()
    readSync(index, header.bytes, 0, header.bytes.length, 0)
    return header
  }
  for (let count = 0; count < commits; count++) change()
  return { database, change, read }
}

test('a header is the same until somebody commits', () => {
  const { database, read } = open(3)
  const before = read()
  database.prepare('SELECT n FROM rows').all()
  database.exec('BEGIN IMMEDIATE')
  database.exec('UPDATE rows SET n = 7')
  expect(read().equals(before)).toBe(true)
  database.exec('ROLLBACK')
  expect(read().equals(before)).toBe(true)
  database.exec('UPDATE rows SET n = 7')
  expect(read().equals(before)).toBe(false)
})

test('one commit is told from none and from two', () => {
  const { change, read } = open(3)
  const before = read()
  expect(before.isOneCommitAfter(before)).toBe(false)
  change()
  const after = read()
  expect([before.isSound(), after.isSound(), after.isOneCommitAfter(before)]).toEqual([true, true, true])
  change()
  expect(read().isOneCommitAfter(before)).toBe(false)
  expect(before.isOneCommitAfter(after)).toBe(false)
})

test('as many commits as before, after a recovery, are not taken for one', () => {
  const { change, read } = open(3)
  const before = read()
  for (let count = 0; count < 8; count++) change()
  // Recovery sets the count to 0, and leaves the frames as they are.
  const recovered = read()
  const words = new Uint32Array(recovered.bytes.buffer)
  words[2] = new Uint32Array(before.bytes.buffer)[2]! + 1
  expect(recovered.isOneCommitAfter(before)).toBe(false)
})

test('a log that begins anew is not taken for one more commit', () => {
  const { database, change, read } = open(3)
  const before = read()
  database.prepare('PRAGMA wal_checkpoint(RESTART)').all()
  change()
  expect(read().isSound()).toBe(true)
  expect(read().isOneCommitAfter(before)).toBe(false)
})

test('the header of an empty log says nothing', () => {
  const { database, read } = open(3)
  database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all()
  expect(read().isSound()).toBe(false)
  expect(new WalHeader().isSound()).toBe(false)
})

test('no header with a byte that is not as it was written says anything', () => {
  const { read } = open(3)
  const header = read()
  for (let index = 0; index < 96; index++) {
    header.bytes[index]! ^= 1
    expect(header.isSound()).toBe(false)
    header.bytes[index]! ^= 1
  }
  // Both copies.
  for (let index = 0; index < 48; index++) {
    header.bytes[index]! ^= 1
    header.bytes[48 + index]! ^= 1
    expect(header.isSound()).toBe(false)
    header.bytes[index]! ^= 1
    header.bytes[48 + index]! ^= 1
  }
  expect(header.isSound()).toBe(true)
})
