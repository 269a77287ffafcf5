import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it, test, vi } from 'vitest'
import { type FileStoreOptions, fileStore } from '../../../src/session/stores/file.js'
import { storeConformance } from '../../../src/session/testing.js'

const LIFETIME = 1_800_000

let root = ''
const directory = () => join(root, 'sessions')

/** A store in a directory of its own. */
function open(options: Partial<FileStoreOptions> = {}) {
  // What a disk does with fsync can't be seen here; how long it takes can.
  const parent = options.fsync === true && existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  root = mkdtempSync(join(parent, 'sessd-file-'))
  return reopen(options)
}

const reopen = (options: Partial<FileStoreOptions> = {}) => fileStore({ directory: directory(), ...options })

afterEach(() => {
  vi.useRealTimers()
  if (root !== '') rmSync(root, { recursive: true, force: true })
})

describe.each<[string, Partial<FileStoreOptions>]>([
  ['the file store conforms', {}],
  ['the file store with bare files conforms', { bare: true, lifetime: LIFETIME }],
  ['the file store with fsync conforms', { fsync: true }],
])('%s', (_, options) => {
  storeConformance({
    describe,
    it,
    open: (clock) => open({ ...options, clock }),
    reopen: (clock) => reopen({ ...options, clock }),
  })
})

const path = (id: string) => join(directory(), id[0]!, id.slice(0, 2), `${id}.cache`)
const textOf = (row: { payload: Uint8Array } | null | undefined) =>
  row === null || row === undefined ? row : Buffer.from(row.payload).toString()

type Store = ReturnType<typeof fileStore>

async function insert(store: Store, id: string, payload = 'one', expiresAt: number | null = null) {
  const result = await store.save(id, Buffer.from(payload), { expiresAt, expected: null })
  if (!result.saved) throw new Error('there is a row of that id already')
  return result.revision
}

const modeOf = (file: string) => (statSync(file).mode & 0o777).toString(8)

test("files lie where Beaker's do, and are for their owner alone", async () => {
  const store = open()
  await insert(store, 'abcdef', '{"a":1}', 1_763_625_600_000)
  expect(readFileSync(path('abcdef'), 'latin1')).toBe('{"sessd":1,"expires":1763625600000}\n{"a":1}')
  await insert(store, 'x')
  expect(readFileSync(path('x'), 'latin1')).toBe('{"sessd":1,"expires":9999999999999}\none')
  for (const file of [path('abcdef'), path('x')]) expect(modeOf(file)).toBe('600')
  for (const name of ['.', 'a', 'a/ab', 'x/x', 'tmp', 'lock'])
    expect(modeOf(join(directory(), name))).toBe('700')
  expect(readdirSync(join(directory(), 'tmp'))).toEqual([])
  await store.close()
  expect(readdirSync(join(directory(), 'lock'))).toEqual([])
})

test('reading makes no directory', async () => {
  const store = open()
  expect(await store.load('abc')).toBe(null)
  expect(await store.delete('abc')).toBe(false)
  expect(await store.touch('abc', null)).toBe(false)
  await store.close()
  expect(existsSync(directory())).toBe(false)
})

test('an id leads nowhere else', async () => {
  const store = open()
  await insert(store, 'abc')
  writeFileSync(join(root, 'secret.cache'), 'secret')
  const refused = new TypeError('session id: expected 1 to 128 of A-Z a-z 0-9 _ -')
  for (const id of ['../../../secret', '..', '/etc/passwd', 'a\0b', 'x'.repeat(129), '']) {
    expect(() => store.load(id)).toThrow(refused)
    expect(() => store.save(id, Buffer.from(''), { expiresAt: null, expected: null })).toThrow(refused)
    expect(() => store.delete(id)).toThrow(refused)
    expect(() => store.touch(id, null)).toThrow(refused)
    expect(() => store.setAside(id)).toThrow(refused)
  }
  expect(readdirSync(root).sort()).toEqual(['secret.cache', 'sessions'])
})

describe('a bare file', () => {
  const bare = { bare: true, lifetime: LIFETIME }

  test('is the payload, and its time of writing says when it dies', async () => {
    const store = open(bare)
    const expiresAt = Date.now() + LIFETIME - 5000
    await insert(store, 'abc', '\x80\x02}.', expiresAt)
    expect(readFileSync(path('abc'), 'utf8')).toBe('\x80\x02}.')
    expect(Math.round(statSync(path('abc')).mtimeMs)).toBe(expiresAt - LIFETIME)
    await store.touch('abc', expiresAt + 3000)
    expect(Math.round(statSync(path('abc')).mtimeMs)).toBe(expiresAt + 3000 - LIFETIME)
  })

  test('that another program wrote lives from then on, and is not overwritten unseen', async () => {
    const store = open(bare)
    const expected = await insert(store, 'abc', 'ours', Date.now() + LIFETIME)
    writeFileSync(`${path('abc')}.temp`, 'theirs')
    renameSync(`${path('abc')}.temp`, path('abc'))
    const result = await store.save('abc', Buffer.from('ours again'), { expiresAt: null, expected })
    expect(result.saved).toBe(false)
    const row = await store.load('abc')
    expect(textOf(row)).toBe('theirs')
    expect(row!.expiresAt).toBe(Math.round(statSync(path('abc')).mtimeMs) + LIFETIME)
  })

  test('lives for ever where nothing limits it, and looks used when it is touched', async () => {
    const store = open({ bare: true, lifetime: null })
    await insert(store, 'abc', 'one', Date.now() + 1000)
    utimesSync(path('abc'), 1_000_000_000, 1_000_000_000)
    expect((await store.load('abc'))?.expiresAt).toBe(null)
    const before = Date.now()
    expect(await store.touch('abc', null)).toBe(true)
    expect(statSync(path('abc')).mtimeMs).toBeGreaterThan(before - 10)
  })
})

test('a file without our first line is all payload, and lives from its last writing', async () => {
  const store = open({ lifetime: LIFETIME })
  await insert(store, 'abc')
  const files: Readonly<Record<string, string>> = {
    abe: '',
    abf: '{"sessd":1,"expires":17636256',
    abg: '{"sessd":1,"expires":1 763625 6000}\n{}',
    abh: '\x80\x04\x95',
  }
  for (const [id, content] of Object.entries(files)) {
    writeFileSync(path(id), content, 'latin1')
    utimesSync(path(id), 2_000_000_000, 2_000_000_000)
    const row = await store.load(id)
    expect(Buffer.from(row!.payload).toString('latin1')).toBe(content)
    expect(row!.expiresAt).toBe(2_000_000_000_000 + LIFETIME)
    const touched = 2_000_000_000_000 + 2 * LIFETIME
    expect(await store.touch(id, touched)).toBe(true)
    expect((await store.load(id))!.expiresAt).toBe(touched)
    const { revision } = row!
    const saved = await store.save(id, Buffer.from('new'), { expiresAt: null, expected: revision })
    expect(saved.saved).toBe(true)
    expect(readFileSync(path(id), 'latin1')).toBe('{"sessd":1,"expires":9999999999999}\nnew')
  }
})

test('a row is read once while its file stays the same, and anew when anybody changes it', async () => {
  const store = open()
  const other = reopen()
  const expected = await insert(store, 'abc', 'one', Date.now() + LIFETIME)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 })
  const row = await store.load('abc')
  expect((await store.load('abc'))!.payload).toBe(row!.payload)

  const later = Date.now() + 2 * LIFETIME
  await other.touch('abc', later)
  expect((await store.load('abc'))!.expiresAt).toBe(later)

  await other.save('abc', Buffer.from('two'), { expiresAt: null, expected })
  expect(textOf(await store.load('abc'))).toBe('two')

  writeFileSync(path('abc'), '{"sessd":1,"expires":9999999999999}\nsix')
  expect(textOf(await store.load('abc'))).toBe('six')

  await other.delete('abc')
  expect(await store.load('abc')).toBe(null)
})

test('a file that has just been written is read every time: its clock may stand still', async () => {
  const store = open()
  await insert(store, 'abc')
  const row = await store.load('abc')
  expect((await store.load('abc'))!.payload).not.toBe(row!.payload)
})

test('many rows go through the memory of those read lately, and each stays itself', async () => {
  const store = open()
  const ids = Array.from({ length: 100 }, (_, index) => `row${index}`)
  for (const id of ids) await insert(store, id, `first of ${id}`)
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3000 })
  for (const id of [...ids, ...ids]) expect(textOf(await store.load(id))).toBe(`first of ${id}`)
})

test('a row that is set aside can be looked at, and is counted', async () => {
  const store = open()
  await insert(store, 'abc', 'broken')
  await store.setAside('abc')
  await store.setAside('abd')
  expect(readFileSync(join(directory(), 'corrupt', 'abc.corrupt'), 'latin1')).toContain('broken')
  expect(existsSync(path('abc'))).toBe(false)
  expect(store.stats()).toEqual({ setAside: 1, expired: 0 })
})

test('no more than a hundred rows are kept aside', async () => {
  const store = open()
  for (let index = 0; index < 103; index++) {
    await insert(store, `row${index}`)
    await store.setAside(`row${index}`)
  }
  expect(readdirSync(join(directory(), 'corrupt'))).toHaveLength(100)
  expect(readdirSync(join(directory(), 'r', 'ro'))).toEqual([])
  expect(store.stats().setAside).toBe(103)
})

test('a file that is larger than any session is put aside unread', async () => {
  const store = open()
  await insert(store, 'abc')
  writeFileSync(path('abd'), '')
  spawnSync('truncate', ['-s', '5G', path('abd')])
  expect(await store.load('abd')).toBe(null)
  expect(existsSync(path('abd'))).toBe(false)
  expect(readdirSync(join(directory(), 'corrupt'))).toEqual(['abd.corrupt'])
  const large = Buffer.alloc(16 * 1024 * 1024 + 1)
  expect(() => store.save('abe', large, { expiresAt: null, expected: null })).toThrow(
    new RangeError('a session of 16777217 bytes: at most 16777216 can be stored'),
  )
})

test('an expired row is removed when it is met', async () => {
  let now = 1_000_000
  const store = open({ clock: () => now })
  await insert(store, 'abc', 'one', now + 1000)
  now += 2000
  expect(await store.load('abc')).toBe(null)
  expect(existsSync(path('abc'))).toBe(false)
  expect(store.stats()).toEqual({ setAside: 0, expired: 1 })
})

test('sweeping goes round: a call goes on where the last one stopped', async () => {
  let now = 1_000_000
  const store = open({ clock: () => now })
  for (const id of ['a1', 'b1', 'c1', 'd1']) await insert(store, id, 'one', now + 1000)
  now += 2000
  expect(await store.sweep(2)).toBe(2)
  const left = ['a1', 'b1', 'c1', 'd1'].filter((id) => existsSync(path(id)))
  const gone = ['a1', 'b1', 'c1', 'd1'].find((id) => !left.includes(id))!
  await insert(store, gone, 'again', now - 1)
  expect(await store.sweep(10)).toBe(3)
  expect(await store.sweep(10)).toBe(0)
})

test('sweeping leaves alone what is not ours', async () => {
  const store = open()
  await insert(store, 'abc')
  const files = [
    'README',
    'a/README',
    'a/ab/notes.txt',
    'a/ab/xyz.cache',
    'a/ab/abc.cache.temp',
    'tmp/notes.tmp',
  ]
  for (const file of files) {
    mkdirSync(dirname(join(directory(), file)), { recursive: true })
    writeFileSync(join(directory(), file), '{"sessd":1,"expires":            1}\n')
  }
  expect(await store.sweep(100)).toBe(0)
  for (const file of files) expect(existsSync(join(directory(), file))).toBe(true)
  const ids = []
  for await (const id of store.ids()) ids.push(id)
  expect(ids).toEqual(['abc'])
})

test('half-written files of dead processes go at the first save, and with every sweep', async () => {
  const store = open()
  await insert(store, 'abc')
  const [, , host] = readdirSync(join(directory(), 'lock'))[0]!.split('.')
  const dead = spawnSync(process.execPath, ['--version']).pid
  const left = [`${dead}.1.${host}.01234567.1.tmp`, `${process.pid}.1.${host}.01234567.2.tmp`]
  const living = `${dead}.1.fedcba98.01234567.1.tmp`
  const tmp = join(directory(), 'tmp')
  for (const name of [...left, living]) writeFileSync(join(tmp, name), 'half')
  await store.sweep(1)
  expect(readdirSync(tmp)).toEqual([living])

  for (const name of left) writeFileSync(join(tmp, name), 'half')
  const next = reopen()
  await next.load('abc')
  expect(readdirSync(tmp)).toHaveLength(3)
  await insert(next, 'abd')
  expect(readdirSync(tmp)).toEqual([living])
})

test('a directory that vanishes under the store takes its rows along, and comes back with the next one', async () => {
  const store = open()
  const expected = await insert(store, 'abc')
  rmSync(directory(), { recursive: true })
  expect(await store.load('abc')).toBe(null)
  expect(await store.touch('abc', null)).toBe(false)
  expect(await store.delete('abc')).toBe(false)
  const gone = await store.save('abc', Buffer.from('two'), { expiresAt: null, expected })
  expect(gone).toEqual({ saved: false, current: null })
  expect(await store.sweep(10)).toBe(0)
  rmSync(directory(), { recursive: true })
  await insert(store, 'abd')
  expect(textOf(await store.load('abd'))).toBe('one')
})

test('a file in the place of the directory is told by name, without the id', async () => {
  const store = open()
  writeFileSync(directory(), '')
  const error = {
    code: 'ENOTDIR',
    message: `can't store sessions in ${directory()}: not a directory (ENOTDIR)`,
  }
  await expect(insert(store, 'abcdef')).rejects.toMatchObject(error)
  await expect(async () => store.ping()).rejects.toMatchObject(error)
})

test('ping makes the directories and leaves nothing in them', async () => {
  const store = open()
  await store.ping()
  expect(readdirSync(directory()).sort()).toEqual(['lock', 'tmp'])
  expect(readdirSync(join(directory(), 'tmp'))).toEqual([])
  await store.close()
  expect(readdirSync(join(directory(), 'lock'))).toEqual([])
})

test('locks are made in their own directory when there is one', async () => {
  const store = open({ lockDirectory: join(root || tmpdir(), 'unused') })
  await store.close()
  const lockDirectory = join(root, 'locks')
  const other = reopen({ lockDirectory })
  await insert(other, 'abc')
  await other.delete('abc')
  expect(readdirSync(lockDirectory)).toHaveLength(1)
  expect(existsSync(join(directory(), 'lock'))).toBe(false)
  await other.close()
})

test('says that it is closed, and where it was', async () => {
  const store = open()
  await store.close()
  expect(() => store.load('abc')).toThrow(new Error(`the file store in ${directory()} is closed`))
})
