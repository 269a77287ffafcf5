import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { OptionError } from '../../../src/config/errors.js'
import { fileStore } from '../../../src/session/stores/file.js'
import { BeakerLocks, beakerLockOptions } from '../../../src/session/stores/file-flock.js'
import { FileLocks } from '../../../src/session/stores/file-lock.js'
import { compile } from '../../support/compile.js'
import { describeWithFsExt } from '../../support/fs-ext.js'

function emptyDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-flock-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test.each([
  [{ flock: 'auto', data_dir: '/d' }, true, { directory: '/d/container_file_lock' }],
  [{ flock: 'auto', data_dir: '/d', lock_dir: '/l' }, true, { directory: '/l' }],
  [{ flock: 'auto', data_dir: '/d' }, false, undefined],
  [{ flock: 'auto' }, true, undefined],
  [{ flock: true, lock_dir: '/l' }, true, { directory: '/l', required: true }],
  [{ flock: false, data_dir: '/d' }, true, undefined],
] as const)("Beaker's locks are where Beaker looks for them: %j", (settings, isBeaker, expected) => {
  expect(beakerLockOptions(settings, isBeaker)).toEqual(expected)
})

test('locks that Beaker would not find are refused', () => {
  expect(() => beakerLockOptions({ flock: true, data_dir: '/d' }, false)).toThrow(
    new OptionError(
      'beaker.session.flock',
      'true: these are locks of Beaker in Python, which needs format = beaker or beaker-1.11',
    ),
  )
  expect(() => beakerLockOptions({ flock: true }, true)).toThrow(
    new OptionError(
      'beaker.session.flock',
      "true: needs the directory of Beaker's locks: data_dir or lock_dir",
    ),
  )
})

/** What a program says that opens the locks where only `packages` are installed. */
function openWith(packages: Readonly<Record<string, string>>, required: boolean): string {
  const program = compile('src/session/stores/file-flock.ts')
  for (const [name, main] of Object.entries(packages)) {
    const directory = join(dirname(program), 'node_modules', name)
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'index.js'), main)
    writeFileSync(join(directory, 'package.json'), '{"type":"commonjs"}')
  }
  const script = `
    import { BeakerLocks } from ${JSON.stringify(program)}
    try {
      console.log(typeof BeakerLocks.open({ directory: '/nowhere', required: ${required} }))
    } catch (error) {
      console.log(error.message)
    }`
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  }).stdout.trim()
}

test('without the package fs-ext there are none, unless they are required', () => {
  expect(openWith({}, false)).toBe('undefined')
  expect(openWith({}, true)).toBe('beaker.session.flock: true: needs the package fs-ext: npm install fs-ext')
})

test('a package fs-ext that was never compiled is told from a missing one', () => {
  const unbuilt = { 'fs-ext': "require('./build/Release/fs_ext.node')" }
  expect(openWith(unbuilt, false)).toBe('undefined')
  expect(openWith(unbuilt, true)).toBe(
    'beaker.session.flock: true: needs the package fs-ext built for this Node: npm rebuild fs-ext',
  )
})

describeWithFsExt("Beaker's lock", () => {
  const open = (directory: string) => BeakerLocks.open({ directory, required: true })!

  test('makes its directories when it is first taken, and its file stays, as in Beaker', () => {
    const directory = join(emptyDirectory(), 'locks')
    const locks = open(directory)
    expect(existsSync(directory)).toBe(false)
    locks.tryLock('6937c6a0ab382ba25fd3927aac89f70b')!()
    expect(existsSync(join(directory, 'f/fd/fd75457e03b002c4c6662eb740012a1a2050240f.lock'))).toBe(true)
  })

  test('is held by one at a time, and free again', () => {
    const directory = emptyDirectory()
    const [one, other] = [open(directory), open(directory)]
    const release = one.tryLock('abc')!
    expect(other.tryLock('abc')).toBeUndefined()
    other.tryLock('def')!()
    release()
    other.tryLock('abc')!()
  })

  test('that another has holds nobody up for longer than agreed, and leaves no lock of ours', async () => {
    const directory = emptyDirectory()
    const beaker = open(join(directory, 'beaker'))
    const release = beaker.tryLock('abc')!
    const locks = new FileLocks(join(directory, 'lock'), { patience: 50, beaker })
    const ran: string[] = []
    const first = locks.hold('abc', () => ran.push('first'))
    const second = locks.hold('abc', () => ran.push('second'))
    expect(locks.tryHold('abc', () => 'mine')).toBeUndefined()
    const error = new Error(`no turn at a session in ${locks.directory} for 0.05 s: Beaker is at work on it`)
    await expect(first).rejects.toThrow(error)
    await expect(second).rejects.toThrow(error)
    release()
    expect(locks.hold('abc', () => 'mine')).toBe('mine')
    expect(ran).toEqual([])
    expect(readdirSync(locks.directory).filter((name) => name.endsWith('.lock'))).toEqual([])
    await locks.close()
  })

  test('that can not be made is told by its directory, without the id', async () => {
    const directory = emptyDirectory()
    const locks = join(directory, 'locks')
    writeFileSync(locks, '')
    const store = fileStore({
      directory: join(directory, 'sessions'),
      bare: true,
      flock: { directory: locks, required: true },
    })
    const message = `can't store sessions in ${locks}: not a directory (ENOTDIR)`
    await expect(async () => store.ping()).rejects.toMatchObject({ code: 'ENOTDIR', message })
    await store.close()
  })
})
