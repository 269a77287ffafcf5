import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeOwner } from '../../../src/session/stores/file-owner.js'
import { lmdbStore } from '../../../src/session/stores/lmdb.js'
import { LmdbGate } from '../../../src/session/stores/lmdb-gate.js'

let home: string
let directory: string
let gate: LmdbGate
/** As another process has it. */
let other: LmdbGate

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sessd-gate-'))
  directory = join(home, 'lock')
  gate = new LmdbGate(directory)
  other = new LmdbGate(directory)
})

afterEach(async () => {
  await Promise.all([gate.close(), other.close()])
  rmSync(home, { recursive: true })
})

/** Work that goes on until it is ended, and what was begun so far. */
function makeWork() {
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const begun: string[] = []
  const work = (name: string) => () => {
    begun.push(name)
    return ended
  }
  return { work, begun, end }
}

const marks = () => readdirSync(directory).filter((name) => name.endsWith('.lock'))

/** The name of a process that is gone. */
function deadOwner(): string {
  const { pid } = spawnSync(process.execPath, ['--version'])
  return makeOwner().replace(/^\d+/, String(pid))
}

test('writes at once, as many as come, and leaves nothing behind', async () => {
  const { work, begun, end } = makeWork()
  const writes = [gate.write(work('one')), gate.write(work('two')), other.write(work('other'))]
  expect(begun).toEqual(['one', 'two', 'other'])
  expect(marks()).toHaveLength(2)
  end()
  await Promise.all(writes)
  await expect(gate.write(() => Promise.reject(new Error('full')))).rejects.toThrow(new Error('full'))
  expect(marks()).toEqual([])
})

test('opens when the writers of all processes are done, and lets no new one in before that', async () => {
  const first = makeWork()
  const writes = [gate.write(first.work('')), other.write(first.work(''))]
  const { work, begun, end } = makeWork()
  const opening = gate.open(work('opening'))
  const later = [gate.write(work('late')), other.write(work('late'))]
  for (let round = 0; round < 5; round++) await turn()
  expect(begun).toEqual([])
  first.end()
  await Promise.all(writes)
  end()
  await Promise.all([opening, ...later])
  expect(begun).toEqual(['opening', 'late', 'late'])
  expect(marks()).toEqual([])
})

test('opens once at a time, and not while somebody closes', async () => {
  const first = makeWork()
  const closing = other.shut(first.work(''))
  const { work, begun, end } = makeWork()
  const openings = [gate.open(work('one')), other.open(work('two'))]
  for (let round = 0; round < 5; round++) await turn()
  expect(begun).toEqual([])
  first.end()
  await closing
  end()
  await Promise.all(openings)
  expect(begun.sort()).toEqual(['one', 'two'])
})

test('waits for no process that died as it wrote or opened', async () => {
  await gate.write(async () => {})
  const dead = deadOwner()
  writeFileSync(join(directory, `writing-${dead}.lock`), dead)
  writeFileSync(join(directory, 'opening.lock'), dead)
  expect(await gate.write(async () => 'written')).toBe('written')
  writeFileSync(join(directory, 'opening.lock'), dead)
  expect(await gate.open(() => 'opened')).toBe('opened')
  expect(marks()).toEqual([])
})

test('gives up when others go on for too long', async () => {
  const impatient = new LmdbGate(directory, 30)
  const { work, end } = makeWork()
  const writing = gate.write(work(''))
  await expect(impatient.open(() => {})).rejects.toThrow(
    new Error(`no end of writing for 0.03 s: process ${process.pid} is at it`),
  )
  const opening = gate.open(work(''))
  await expect(impatient.write(async () => {})).rejects.toThrow(
    new Error(`no turn at a session in ${directory} for 0.03 s: process ${process.pid} is at work on it`),
  )
  end()
  await Promise.all([writing, opening, impatient.close()])
})

test('a process that ends lets nobody open until it is gone', async () => {
  await gate.write(async () => {})
  gate.seal()
  const { work, begun, end } = makeWork()
  const opening = other.open(work('opening'))
  for (let round = 0; round < 5; round++) await turn()
  expect(begun).toEqual([])
  writeFileSync(join(directory, 'opening.lock'), deadOwner())
  end()
  await opening
  expect(begun).toEqual(['opening'])
})

test('an LMDB store opens when no process writes, and writes when no process opens', async () => {
  const { work, begun, end } = makeWork()
  const writing = other.write(work('writing'))
  const store = lmdbStore({ directory: home })
  const loading = Promise.resolve(store.load('abc')).then(() => begun.push('loaded'))
  for (let round = 0; round < 20; round++) await turn()
  expect(begun).toEqual(['writing'])
  end()
  await Promise.all([writing, loading])

  const second = makeWork()
  const opening = other.open(second.work('opening'))
  const saving = Promise.resolve(store.save('abc', Buffer.from('row'), { expiresAt: null, expected: null }))
  const saved = saving.then(() => second.begun.push('saved'))
  for (let round = 0; round < 20; round++) await turn()
  second.end()
  await Promise.all([opening, saved])
  expect(second.begun).toEqual(['opening', 'saved'])
  await store.close?.()
})
