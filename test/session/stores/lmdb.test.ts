import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { describe, expect, it, onTestFinished, test } from 'vitest'
import { type LmdbStoreOptions, lmdbStore } from '../../../src/session/stores/lmdb.js'
import { storeConformance } from '../../../src/session/testing.js'
import { compile } from '../../support/compile.js'
import { untilItWorks } from '../../support/tcp.js'

const forever = { expiresAt: null, expected: null }

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-lmdb-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A store that is closed after the test. */
function open(directory: string, more: Partial<LmdbStoreOptions> = {}) {
  const store = lmdbStore({ directory, ...more })
  onTestFinished(() => store.close?.())
  return store
}

const variants: [string, Partial<LmdbStoreOptions>][] = [
  ['LMDB conforms', {}],
  ['LMDB that waits for the disk conforms', { fsync: true }],
]
describe.each(variants)('%s', (_title, variant) => {
  let directory: string
  const reopen = (clock: () => number) => lmdbStore({ directory, clock, ...variant })
  storeConformance({
    describe,
    it,
    open(clock) {
      directory = join(temporaryDirectory(), 'sessions.d')
      return reopen(clock)
    },
    reopen,
  })
})

test('loads at once when it is open, without a promise', async () => {
  const store = open(temporaryDirectory())
  await store.save('abc', Buffer.from('row'), forever)
  expect(store.load('abc')).toMatchObject({ payload: Buffer.from('row'), expiresAt: null })
  expect(store.load('abd')).toBe(null)
})

test('opens nothing before it is used, then makes a directory for its owner alone', async () => {
  const directory = join(temporaryDirectory(), 'some', 'where')
  const store = open(directory)
  expect(existsSync(directory)).toBe(false)
  await store.save('abc', Buffer.from('row'), forever)
  expect(statSync(directory).mode & 0o777).toBe(0o700)
  expect(existsSync(join(directory, 'data.mdb'))).toBe(true)
})

test('grows with what is in it', async () => {
  const directory = temporaryDirectory()
  const [store, other] = [open(directory), open(directory)]
  const large = Buffer.alloc(500_000, 'x')
  for (let index = 0; index < 40; index++) {
    await store.save(`id${index}`, large, forever)
    expect((await other.load(`id${index}`))?.payload.length).toBe(large.length)
  }
})

test('sweeps a little at a time, and gets round all the same', async () => {
  let now = 1000
  const store = open(temporaryDirectory(), { clock: () => now })
  const saves = Array.from({ length: 1000 }, (_, index) =>
    store.save(`id${index}`, Buffer.from('row'), { expiresAt: index % 2 ? 2000 : 3000, expected: null }),
  )
  await Promise.all(saves)
  now = 2000
  const counts = []
  for (let call = 0; call < 8; call++) counts.push(await store.sweep?.(80))
  expect(counts).toEqual([80, 80, 80, 80, 80, 80, 20, 0])
  now = 3000
  expect(await store.sweep?.(1000)).toBe(500)
})

test('keeps a row that was set aside for a week, for somebody to look at', async () => {
  const directory = temporaryDirectory()
  let now = 1000
  const store = open(directory, { clock: () => now })
  await store.save('broken', Buffer.from('what is it'), forever)
  await store.setAside?.('broken')
  const database = openLmdb({ path: directory, encoding: 'binary', useVersions: true })
  onTestFinished(() => database.close())
  database.resetReadTxn()
  expect(String(database.get('broken.corrupt')).slice(8)).toBe('what is it')
  now += 7 * 86_400_000
  expect(await store.sweep?.(10)).toBe(1)
  database.resetReadTxn()
  expect(database.get('broken.corrupt')).toBe(undefined)
})

test('makes the file anew when it has vanished', async () => {
  const directory = join(temporaryDirectory(), 'sessions')
  const store = open(directory)
  await store.save('abc', Buffer.from('row'), forever)
  rmSync(directory, { recursive: true })
  await untilItWorks(async () => {
    await store.ping?.()
    if (!existsSync(directory)) throw new Error('not yet')
  })
  expect(await store.load('abc')).toBe(null)
  expect(await store.save('abc', Buffer.from('new'), forever)).toMatchObject({ saved: true })
})

test('opens at once where a process ended without closing, and takes away what that left', async () => {
  const path = compile('src/session/stores/lmdb.ts')
  symlinkSync(join(import.meta.dirname, '../../../node_modules'), join(path, '../../../../node_modules'))
  const directory = temporaryDirectory()
  const script = `
    import { lmdbStore } from ${JSON.stringify(path)}
    const store = lmdbStore({ directory: ${JSON.stringify(directory)} })
    await store.save('abc', Buffer.from('row'), { expiresAt: null, expected: null })`
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script])
  expect(status).toBe(0)
  const left = readdirSync(join(directory, 'lock'))
  expect(left.filter((name) => name.endsWith('.lock'))).toEqual(['opening.lock'])
  const store = open(directory)
  expect(await store.load('abc')).toMatchObject({ payload: Buffer.from('row') })
  expect(readdirSync(join(directory, 'lock')).filter((name) => left.includes(name))).toEqual([])
})

test('rejects while the directory can not be made, and goes on when it can', async () => {
  const blocked = join(temporaryDirectory(), 'blocked')
  writeFileSync(blocked, '')
  const store = open(join(blocked, 'sessions'))
  await expect(store.load('abc')).rejects.toThrow(`LMDB in ${blocked}/sessions: ENOTDIR: not a directory`)
  rmSync(blocked)
  expect(await store.save('abc', Buffer.from('row'), forever)).toMatchObject({ saved: true })
})

test('refuses to share a directory, in one process, with a store that waits for the disk when it does not', async () => {
  const directory = temporaryDirectory()
  const first = open(directory, { fsync: true })
  await first.save('abc', Buffer.from('row'), forever)
  await expect(open(directory).load('abc')).rejects.toThrow(
    new Error(`LMDB in ${directory}: it is open in this process already, with fsync = true`),
  )
  await expect(open(directory, { fsync: true }).load('abc')).resolves.toMatchObject({
    payload: Buffer.from('row'),
  })
})

test('rejects a file that is no database', async () => {
  const directory = temporaryDirectory()
  writeFileSync(join(directory, 'data.mdb'), 'This is no database. '.repeat(1000))
  await expect(open(directory).load('abc')).rejects.toThrow(
    new Error(`LMDB in ${directory}: data.mdb is no LMDB file`),
  )
})

test('says nothing more once it is closed', async () => {
  const store = lmdbStore({ directory: temporaryDirectory() })
  const saving = store.save('abc', Buffer.from('row'), forever)
  await store.close?.()
  expect(await saving).toMatchObject({ saved: true })
  expect(() => store.load('abc')).toThrow(new Error('the dbm store is closed'))
})
