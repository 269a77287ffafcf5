// What the other processes of file-processes.test.ts do: `node file-child.js TASK DIRECTORY ...`. One line per result.

import { writeSync } from 'node:fs'
import type { SessionStore } from '../../../src/session/store.js'
import { fileStore } from '../../../src/session/stores/file.js'

const [task, directory = '', ...rest] = process.argv.slice(2)

const tasks: Readonly<Record<string, (store: SessionStore) => Promise<void>>> = {
  /** `count ID TIMES`: adds one to the number in a row, so many times. */
  async count(store) {
    const [id = '', times = '0'] = rest
    for (let time = 0; time < Number(times); time++) await addOne(store, id)
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
    for (;;) {
      for (const id of rest) {
        await addOne(store, id)
        print(id)
      }
    }
  },

  /** `replace ID SIZE`: replaces a row by a larger one; prints the error, and what is in the row then. */
  async replace(store) {
    const [id = '', size = '0'] = rest
    const row = await store.load(id)
    const large = Buffer.alloc(Number(size), 'x')
    await complain(() => store.save(id, large, { expiresAt: null, expected: row!.revision }))
    await complain(() => store.save('fresh', large, { expiresAt: null, expected: null }))
    print(String((await store.load(id))?.payload))
  },

  /** `forbidden LIVE EXPIRED`: does everything as a user who may only read. */
  async forbidden(store) {
    const [live = '', expired = ''] = rest
    if (process.getuid?.() === 0) process.setuid?.(65534)
    const row = await store.load(live)
    print(`live ${row?.payload}`)
    print(`expired ${await store.load(expired)}`)
    await complain(() => store.save(live, Buffer.from('x'), { expiresAt: null, expected: row!.revision }))
    await complain(() => store.save('fresh', Buffer.from('x'), { expiresAt: null, expected: null }))
    await complain(() => store.delete(live))
    await complain(() => store.touch!(live, null))
    await complain(() => store.setAside!(live))
    await complain(() => store.sweep!(10))
    await complain(() => store.ping!())
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

async function complain(work: () => unknown): Promise<void> {
  try {
    await work()
    print('no error')
  } catch (error) {
    print(`${(error as NodeJS.ErrnoException).code}: ${(error as Error).message}`)
  }
}

/** At once: what was printed has happened, also if this process is killed next. */
function print(line: string): void {
  writeSync(1, `${line}\n`)
}

const store = fileStore({ directory, fsync: process.env.FSYNC === '1' })
await tasks[task ?? '']!(store)
await store.close?.()
