// What another process does to a SQLite file in held-rows.test.ts: `node sqlite-child.js FILE SQL [die]`. Prints how many
// changes the index of the write-ahead log, if there is one, counts afterwards; with `die` it leaves that index as a writer does that is
// killed between its two copies.

import { existsSync, openSync, readSync, writeSync } from 'node:fs'
import { findSqlite } from '../../../../src/session/stores/database/sqlite-driver.js'

const [path = '', sql = '', task] = process.argv.slice(2)

const database = findSqlite()(path)
database.exec(sql)
if (existsSync(`${path}-shm`)) {
  // Never closed: that would drop SQLite's locks.
  const index = openSync(`${path}-shm`, 'r+')
  const words = new Uint32Array(12)
  readSync(index, words, 0, words.byteLength, 0)
  writeSync(1, `${words[2]}\n`)
  if (task === 'die') {
    writeSync(index, new Uint8Array(4).fill(7), 0, 4, 8)
    process.kill(process.pid, 'SIGKILL')
  }
}
