import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FileLocks } from '../../../src/session/stores/file-lock.js'

let directory: string
let locks: FileLocks

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'sessd-locks-')), 'lock')
  locks = new FileLocks(directory)
})

afterEach(async () => {
  vi.useRealTimers()
  await locks.close()
  rmSync(join(directory, '..'), { recursive: true })
})

/** The parts of an owner's name: ours, changed. */
function ownerLike(change: { pid?: number; start?: string; host?: string }): string {
  const [pid, start, host] = locks.owner.split('.')
  return [change.pid ?? pid, change.start ?? start, change.host ?? host, '0123abcd'].join('.')
}

function leaveLock(name: string, owner: string): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, `${name}.lock`), owner)
}

/** A pid that was in use a moment ago, and is not now. */
const deadPid = () => spawnSync(process.execPath, ['--version']).pid

/** When a process began, as proc(5) says. */
const startOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')[19]!

function makeGate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

const held = () => readdirSync(directory).filter((name) => name.endsWith('.lock'))

test('work is done at once when nobody else is at it, and leaves no lock', () => {
  expect(
    locks.hold('abc', () => {
      expect(held()).toEqual(['abc.lock'])
      return 1
    }),
  ).toBe(1)
  expect(() =>
    locks.hold('abc', () => {
      throw new Error('broken')
    }),
  ).toThrow('broken')
  expect(held()).toEqual([])
})

test('work on one id waits for its turn, also behind work that fails', async () => {
  const order: string[] = []
  const gate = makeGate()
  const first = locks.hold('abc', async () => {
    order.push('first')
    await gate.opened
    throw new Error('broken')
  })
  const second = locks.hold('abc', () => order.push('second'))
  locks.hold('def', () => order.push('other'))
  gate.open()
  await expect(first).rejects.toThrow('broken')
  await second
  expect(order).toEqual(['first', 'other', 'second'])
  expect(locks.hold('abc', () => 'at once again')).toBe('at once again')
})

test('another holder is waited for, and tryHold does not', async () => {
  const other = new FileLocks(directory)
  const gate = makeGate()
  const first = other.hold('abc', () => gate.opened)
  expect(locks.tryHold('abc', () => 'mine')).toBe(undefined)
  let isDone = false
  const second = Promise.resolve(locks.hold('abc', () => 'mine')).finally(() => {
    isDone = true
  })
  expect(locks.tryHold('def', () => 'free')).toBe('free')
  expect(isDone).toBe(false)
  gate.open()
  await first
  expect(await second).toBe('mine')
  await other.close()
})

test('who waits too long is told for whom', async () => {
  const hasty = new FileLocks(directory, { patience: 0 })
  const gate = makeGate()
  const first = locks.hold('abc', () => gate.opened)
  await expect(hasty.hold('abc', () => 'mine')).rejects.toThrow(
    new Error(`no turn at a session in ${directory} for 0 s: process ${process.pid} is at work on it`),
  )
  gate.open()
  await first
})

test('the lock of a dead process is broken at once', () => {
  leaveLock('abc', ownerLike({ pid: deadPid() }))
  expect(locks.hold('abc', () => 'mine')).toBe('mine')
  expect(held()).toEqual([])
})

test('the lock of a dead process is broken at once although its pid is in use again', () => {
  leaveLock('abc', ownerLike({ pid: process.ppid, start: '1' }))
  expect(locks.hold('abc', () => 'mine')).toBe('mine')
  leaveLock('abc', ownerLike({ start: '1' }))
  expect(locks.hold('abc', () => 'mine')).toBe('mine')
})

test('the lock of a process that died while it broke another lock is broken too', () => {
  const dead = ownerLike({ pid: deadPid() })
  for (const name of ['abc', 'abc.break', 'abc.break.break']) leaveLock(name, dead)
  expect(locks.hold('abc', () => 'mine')).toBe('mine')
  expect(held()).toEqual([])
})

test.each([
  ['a process that lives', () => ownerLike({ pid: process.ppid, start: startOf(process.ppid) })],
  ['another thread of this process', () => ownerLike({})],
  ['a process of another host', () => ownerLike({ pid: deadPid(), host: 'fedcba98' })],
  ['somebody unknown', () => 'nobody knows'],
  ['nobody', () => ''],
])('the lock of %s is respected', (_, owner) => {
  leaveLock('abc', owner())
  expect(locks.tryHold('abc', () => 'mine')).toBe(undefined)
  locks.prepare()
  expect(held()).toEqual(['abc.lock'])
})

test.each([
  ['another thread of this process', () => ownerLike({})],
  ['a process of another host', () => ownerLike({ host: 'fedcba98' })],
  ['somebody unknown', () => 'nobody knows'],
  ['nobody', () => ''],
])('the lock of %s is broken after a minute of silence', (_, owner) => {
  leaveLock('abc', owner())
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
  expect(locks.tryHold('abc', () => 'mine')).toBe('mine')
})

test('locks and cards of dead processes are swept, those of the living stay', async () => {
  const living = new FileLocks(directory)
  living.prepare()
  const dead = ownerLike({ pid: deadPid() })
  writeFileSync(join(directory, `${dead}.owner`), dead)
  leaveLock('abc', dead)
  leaveLock('def', ownerLike({ host: 'fedcba98' }))
  writeFileSync(join(directory, 'README'), 'not ours')
  locks.prepare()
  expect(readdirSync(directory).sort()).toEqual(
    [`${living.owner}.owner`, `${locks.owner}.owner`, 'README', 'def.lock'].sort(),
  )
  await living.close()
})

test('goes on when its directory was removed', () => {
  expect(locks.hold('abc', () => 1)).toBe(1)
  rmSync(directory, { recursive: true })
  expect(locks.hold('abc', () => 2)).toBe(2)
  rmSync(directory, { recursive: true })
  expect(locks.tryHold('abc', () => 3)).toBe(3)
})
