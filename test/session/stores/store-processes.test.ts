import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { SessionStore } from '../../../src/session/store.js'
import { databaseStore } from '../../../src/session/stores/database.js'
import { lmdbStore } from '../../../src/session/stores/lmdb.js'
import { compile } from '../../support/compile.js'
import { describeWith } from '../../support/servers.js'
import {
  MARIADB,
  POSTGRES,
  type SqlTestServer,
  startMariadb,
  startPostgres,
} from '../../support/sql-servers.js'

const ROOT = join(import.meta.dirname, '../../..')

/** The program of the other processes, which finds the packages of this project. */
function program(): string {
  const path = compile('test/session/stores/store-child.ts')
  symlinkSync(join(ROOT, 'node_modules'), join(path, '../../../../node_modules'))
  return path
}

function launch(
  path: string,
  args: readonly string[],
  env: Record<string, string> = {},
  prefix: string[] = [],
) {
  const [command = '', ...rest] = [...prefix, process.execPath, path, ...args]
  const warnings = { NODE_NO_WARNINGS: '1' }
  return spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...warnings, ...env },
  })
}

/** Runs a task to its end; answers the lines that it printed. */
async function run(path: string, args: readonly string[], prefix: string[] = []): Promise<string[]> {
  const child = launch(path, args, {}, prefix)
  const exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
  const errors: string[] = []
  child.stderr.on('data', (chunk) => errors.push(String(chunk)))
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) lines.push(line)
  expect([await exit, (await exit) === 0 ? '' : errors.join('')]).toEqual([0, ''])
  return lines
}

/** Starts writers, and kills all of them when so much was stored; answers what they were told is stored, per id. */
async function writeUntilKilled(
  path: string,
  args: readonly string[],
  { writers, stored, fsync }: { writers: number; stored: number; fsync: boolean },
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  let count = 0
  const children = Array.from({ length: writers }, () => launch(path, args, { FSYNC: fsync ? '1' : '0' }))
  await Promise.all(
    children.map(async (child: ChildProcess) => {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      for await (const id of createInterface(child.stdout!)) {
        counts.set(id, (counts.get(id) ?? 0) + 1)
        if (++count === stored) for (const each of children) each.kill('SIGKILL')
      }
      await gone
    }),
  )
  return counts
}

/** Starts a writer; `stores(n)` resolves when it has stored so many more from now on. */
function startWriter(path: string, args: readonly string[]) {
  const child = launch(path, args)
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface(child.stdout)
  const stores = (count: number) =>
    new Promise<void>((resolve) => {
      const listen = () => {
        if (--count > 0) return
        lines.off('line', listen)
        resolve()
      }
      lines.on('line', listen)
    })
  return { child, stores }
}

async function numberIn(store: SessionStore, id: string): Promise<number> {
  const row = await store.load(id)
  return row === null ? 0 : Number(Buffer.from(row.payload).toString())
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-stores-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

interface Shared {
  /** As the other processes are told. */
  readonly where: string
  readonly store: SessionStore
}

/** What every store keeps among processes. */
function sharingTests(share: () => Shared): void {
  test('processes that change one row at once lose nothing', async () => {
    const { where, store } = share()
    const path = program()
    const ids = ['one', 'two', 'three']
    await Promise.all(Array.from({ length: 3 }, () => run(path, [where, 'count', '20', ...ids])))
    expect(await Promise.all(ids.map((id) => numberIn(store, id)))).toEqual([60, 60, 60])
    await store.close?.()
  })

  test('one of many processes is first to insert an id', async () => {
    const { where, store } = share()
    const path = program()
    const processes = Array.from({ length: 3 }, () => run(path, [where, 'insert', '100']))
    const wins = (await Promise.all(processes)).flat()
    expect(wins.sort()).toEqual(Array.from({ length: 100 }, (_, index) => `row${index}`).sort())
    await store.close?.()
  })

  test('writers go on when one of them is killed, and new ones join them', async () => {
    const { where, store } = share()
    const path = program()
    const args = [where, 'write', 'u', 'v', 'w']
    const writers = Array.from({ length: 3 }, () => startWriter(path, args))
    await Promise.all(writers.map(({ stores }) => stores(10)))
    const [killed, ...others] = writers
    killed!.child.kill('SIGKILL')
    await Promise.all([startWriter(path, args), ...others].map(({ stores }) => stores(10)))
    await store.close?.()
  })

  test('writers killed at any moment lose nothing that they were told is stored', async () => {
    const { where, store } = share()
    const path = program()
    const ids = ['a', 'b', 'c', 'd', 'e', 'f']
    const told = new Map<string, number>()
    const writers = 3
    const rounds = 3
    for (let round = 1; round <= rounds; round++) {
      const fsync = round === 1
      const counts = await writeUntilKilled(path, [where, 'write', ...ids], { writers, stored: 200, fsync })
      for (const [id, count] of counts) told.set(id, (told.get(id) ?? 0) + count)
    }
    for (const id of ids) {
      // What was stored when its writer was killed, before it could say so.
      const untold = (await numberIn(store, id)) - (told.get(id) ?? 0)
      expect(untold).toBeGreaterThanOrEqual(0)
      expect(untold).toBeLessThanOrEqual(rounds * writers)
    }
    // Nobody is waited for who is gone.
    await Promise.all(ids.map((id) => store.delete(id)))
    await store.close?.()
  })
}

const full: [string, (directory: string) => Shared, RegExp][] = [
  [
    'SQLite',
    (directory) => {
      const url = `sqlite:///${directory}/sessions.db`
      return { where: url, store: databaseStore({ url }) }
    },
    /^Error: SQLite file .*sessions\.db: (database or disk is full|disk I\/O error)$/,
  ],
  [
    'LMDB',
    (directory) => ({
      where: `lmdb:${directory}/rows`,
      store: lmdbStore({ directory: `${directory}/rows` }),
    }),
    /^Error: LMDB in .*rows: File too large.*$/,
  ],
]

describe.each(full)('%s', (_name, make, refusal) => {
  describe('shared by processes', () => sharingTests(() => make(temporaryDirectory())))

  test('a disk that takes no more ends no process, and loses nothing that was stored', async () => {
    const { where, store } = make(temporaryDirectory())
    await store.save('old', Buffer.from('still here'), { expiresAt: null, expected: null })
    await store.close?.()
    const limited = ['sh', '-c', 'ulimit -f 1000; exec "$@"', 'sh']
    const [refused, loaded, old] = await run(program(), [where, 'fill', 'old'], limited)
    expect(refused).toMatch(refusal)
    expect([loaded, old]).toEqual(['all that was stored is there', 'still here'])
  })
})

const servers = [
  { name: 'PostgreSQL', programs: POSTGRES, start: startPostgres },
  { name: 'MariaDB', programs: MARIADB, start: startMariadb },
]

for (const { name, programs, start } of servers) {
  describeWith(programs, `${name}, shared by processes`, () => {
    let server: SqlTestServer
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server.stop())
    sharingTests(() => ({ where: server.url, store: databaseStore({ url: server.url, timeout: 20_000 }) }))

    test('a server that is killed has all that it said is stored', async () => {
      const path = program()
      const store = databaseStore({ url: server.url })
      const ids = ['k1', 'k2', 'k3', 'k4']
      const told = new Map<string, number>()
      let count = 0
      const child = launch(path, [server.url, 'write', ...ids])
      for await (const id of createInterface(child.stdout)) {
        told.set(id, (told.get(id) ?? 0) + 1)
        if (++count === 100) void server.kill()
      }
      await server.restart()
      for (const id of ids) {
        const untold = (await numberIn(store, id)) - (told.get(id) ?? 0)
        expect([0, 1]).toContain(untold)
      }
      await store.close?.()
    })
  })
}
