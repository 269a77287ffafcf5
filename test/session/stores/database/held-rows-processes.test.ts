import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import type { SessionStore } from '../../../../src/session/store.js'
import { findSqlite } from '../../../../src/session/stores/database/sqlite-driver.js'
import { compile } from '../../../support/compile.js'
import { countedSqlite } from '../../../support/counted-sqlite.js'

const ROOT = join(import.meta.dirname, '../../../..')
const IDS = ['a', 'b', 'c', 'd']

/** The program of the writers: each adds one to the number in each row, for ever, and says so when it is stored. */
function writers(file: string, onStored: (id: string) => void) {
  const program = compile('test/session/stores/store-child.ts')
  symlinkSync(join(ROOT, 'node_modules'), join(program, '../../../../node_modules'))
  return () => {
    const child = spawn(process.execPath, [program, `sqlite:///${file}`, 'write', ...IDS], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    createInterface(child.stdout).on('line', onStored)
    return child
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await closed
}

async function numberIn(store: SessionStore, id: string): Promise<number> {
  const row = await store.load(id)
  return row === null ? 0 : Number(Buffer.from(row.payload).toString())
}

test('shows no row from before a change that another process was told is stored', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-held-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'sessions.db')
  const { store, asked } = countedSqlite(file)
  await store.save('ours', Buffer.from('0'), { expiresAt: null, expected: null })
  const beside = findSqlite()(file)
  onTestFinished(() => void beside.close())

  const told = new Map(IDS.map((id) => [id, 0]))
  const last = new Map(IDS.map((id) => [id, 0]))
  const stale: string[] = []
  let stored = 0
  let loads = 0
  const look = async (id: string) => {
    const known = Math.max(told.get(id)!, last.get(id)!)
    const number = await numberIn(store, id)
    loads++
    if (number < known) stale.push(`${id} is ${number} after it was ${known}`)
    last.set(id, Math.max(number, last.get(id)!))
  }
  const start = writers(file, (id) => {
    stored++
    told.set(id, told.get(id)! + 1)
    void look(id)
  })
  let [one, two] = [start(), start()]
  let ours = 0
  for (let turn = 1; stored < 2000; turn++) {
    for (let time = 0; time < 20; time++) await Promise.all(IDS.map(look))
    if (turn % 20 === 0) {
      expect(await numberIn(store, 'ours')).toBe(ours)
      const row = await store.load('ours')
      const how = { expiresAt: null, expected: row!.revision }
      expect(await store.save('ours', Buffer.from(`${++ours}`), how)).toMatchObject({ saved: true })
    }
    if (turn % 50 === 0) checkpoint(['PASSIVE', 'RESTART', 'TRUNCATE'][turn % 3]!)
    if (turn % 300 === 0) {
      one.kill('SIGKILL')
      ;[one, two] = [two, start()]
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all([one, two].map(stop))
  expect(stale).toEqual([])
  expect(ours).toBeGreaterThan(0)
  // Or else this has shown nothing.
  expect(loads - asked.rows).toBeGreaterThan(1000)
  await store.close?.()

  function checkpoint(mode: string): void {
    try {
      beside.prepare(`PRAGMA wal_checkpoint(${mode})`).all()
    } catch {
      // A writer has the lock.
    }
  }
})
