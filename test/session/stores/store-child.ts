// What the other processes of store-processes.test.ts do: `node store-child.js STORE TASK ...`, with a store as in
// `lmdb:/some/directory`, or the url of a database. One line per result.

import { writeSync } from 'node:fs'
import type { SessionStore } from '../../../src/session/store.js'
import { databaseStore } from '../../../src/session/stores/database.js'
import { lmdbStore } from '../../../src/session/stores/lmdb.js'

const [where = '', task = '', ...rest] = process.argv.slice(2)
const fsync = process.env.FSYNC === '1'

const tasks: Readonly<Record<string, (store: SessionStore) => Promise<void>>> = {
  /** `count TIMES ID...`: adds one to the number in each row, so many times. */
  async count(store) {
    const [times = '0', ...ids] = rest
    for (let time = 0; time < Number(times); time++) {
      await Promise.all(ids.map((id) => addOne(store, id)))
    }
  },

  /** `insert TIMES`: tries to be the first with each of so many ids; prints those that it was first with. */
  async insert(store) {
    for (let index = 0; index < Number(rest[0]); index++) {
      const mine = Buffer.from(`${process.pid}`)
      const result = await store.save(`row${index}`, mine, { expiresAt: null, expected: null })
      if (result.saved) print(`row${index}`)
      else if (result.current === null) print(`nobody had row${index}`)
    }
  },

  /** `write ID...`: adds one to the number in each row, for ever; prints the id when that is stored. */
  async write(store) {
    await Promise.all(
      rest.map(async (id) => {
        for (;;) {
          await addOne(store, id)
          print(id)
        }
      }),
    )
  },

  /** `fill ID`: inserts rows until one is refused; prints the error, how many can be loaded, and whether one can go. */
  async fill(store) {
    const [id = ''] = rest
    const row = Buffer.alloc(4000, 'x')
    let count = 0
    let refused: unknown
    while (refused === undefined && count < 1000) {
      try {
        await store.save(`row${count}`, row, { expiresAt: null, expected: null })
        count++
      } catch (error) {
        refused = error
      }
    }
    print(String(refused))
    let loaded = 0
    for (let index = 0; index < count; index++) if ((await store.load(`row${index}`)) !== null) loaded++
    print(loaded === count ? 'all that was stored is there' : `${loaded} of ${count}`)
    print(String(Buffer.from((await store.load(id))!.payload)))
  },
}

async function addOne(store: SessionStore, id: string): Promise<void> {
  for (;;) {
    const row = await store.load(id)
    const count = row === null ? 0 : Number(Buffer.from(row.payload).toString())
    const result = await store.save(id, Buffer.from(`${count + 1}`), {
      expiresAt: null,
      expected: row === null ? null : row.revision,
    })
    if (result.saved) return
  }
}

/** At once: what was printed has happened, also if this process is killed next. */
function print(line: string): void {
  writeSync(1, `${line}\n`)
}

const store = where.startsWith('lmdb:')
  ? lmdbStore({ directory: where.slice(5), fsync })
  : databaseStore({ url: where, fsync, timeout: 20_000 })
await tasks[task]!(store)
await store.close?.()
