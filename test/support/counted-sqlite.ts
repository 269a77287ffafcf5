// A store in a SQLite file that counts how often it asks SQLite for a row.

import { sessdLayout } from '../../src/session/stores/database/layout.js'
import { sqliteStore } from '../../src/session/stores/database/sqlite.js'
import {
  findSqlite,
  type SqliteDatabase,
  type SqliteStatement,
} from '../../src/session/stores/database/sqlite-driver.js'

interface Asked {
  /** How often; may be set back. */
  rows: number
  /** Called once a transaction is committed, before anybody hears of it. */
  onCommit: (() => void) | undefined
}

/** The store is to be closed by whoever made it. */
export function countedSqlite(path: string, clock: () => number = () => 1000) {
  const asked: Asked = { rows: 0, onCommit: undefined }
  const driver = () => {
    const open = findSqlite()
    return (path: string) => counting(open(path), asked)
  }
  const store = sqliteStore({ layout: sessdLayout({}), path, fsync: false, timeout: 20_000, clock, driver })
  return { store, asked }
}

function counting(database: SqliteDatabase, asked: Asked): SqliteDatabase {
  return {
    exec(sql) {
      database.exec(sql)
      if (sql === 'COMMIT') asked.onCommit?.()
    },
    close: () => database.close(),
    prepare(sql) {
      const statement = database.prepare(sql)
      // The one statement that loads a row compares it with what is known.
      if (!sql.includes('CASE')) return statement
      const { raw, setReturnArrays } = statement
      return {
        run: statement.run.bind(statement),
        all: statement.all.bind(statement),
        get(...parameters) {
          asked.rows++
          return statement.get(...parameters)
        },
        ...(raw && { raw: raw.bind(statement) }),
        ...(setReturnArrays && { setReturnArrays: setReturnArrays.bind(statement) }),
      } satisfies SqliteStatement
    },
  }
}
