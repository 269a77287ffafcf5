import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { fileStore } from '../../../src/session/stores/file.js'
import { compile } from '../../support/compile.js'

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-processes-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Runs a task of file-child.ts to its end; answers the lines that it printed. */
async function run(
  program: string,
  args: readonly string[],
  prefix: readonly string[] = [],
): Promise<string[]> {
  const [command = '', ...rest] = [...prefix, process.execPath, program, ...args]
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = new Promise((resolve) => child.once('exit', resolve))
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) lines.push(line)
  expect(await exit).toBe(0)
  return lines
}

test('processes that change one row at once lose nothing', async () => {
  const directory = temporaryDirectory()
  const program = compile('test/session/stores/file-child.ts')
  const processes = Array.from({ length: 4 }, () => run(program, ['count', directory, 'abc', '50']))
  await Promise.all(processes)
  const store = fileStore({ directory })
  expect((await store.load('abc'))?.payload.toString()).toBe('200')
  expect(readdirSync(join(directory, 'tmp'))).toEqual([])
  expect(readdirSync(join(directory, 'lock'))).toEqual([])
})

test('one of many processes is first to insert an id', async () => {
  const directory = temporaryDirectory()
  const program = compile('test/session/stores/file-child.ts')
  const processes = Array.from({ length: 4 }, () => run(program, ['insert', directory, '100']))
  const wins = (await Promise.all(processes)).flat()
  const ids = Array.from({ length: 100 }, (_, index) => `row${index}`)
  expect(wins.sort()).toEqual(ids.sort())
})

test('writers killed at any moment lose nothing that they were told is stored, and leave nothing behind', async () => {
  const directory = temporaryDirectory()
  const program = compile('test/session/stores/file-child.ts')
  const ids = ['one', 'two', 'three']
  const stored = new Map<string, number>()
  const writers = 4
  for (let round = 1; round <= 3; round++) {
    let count = 0
    const children = Array.from({ length: writers }, () =>
      spawn(process.execPath, [program, 'write', directory, ...ids], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, FSYNC: round < 3 ? '1' : '0' },
      }),
    )
    await Promise.all(
      children.map(async (child) => {
        const gone = new Promise((resolve) => child.once('exit', resolve))
        for await (const id of createInterface(child.stdout)) {
          stored.set(id, (stored.get(id) ?? 0) + 1)
          if (++count === 150) for (const each of children) each.kill('SIGKILL')
        }
        await gone
      }),
    )
  }

  const store = fileStore({ directory })
  await store.sweep(10)
  expect(readdirSync(join(directory, 'tmp'))).toEqual([])
  expect(readdirSync(join(directory, 'lock')).filter((name) => name.endsWith('.lock'))).toEqual([])
  expect(readdirSync(join(directory, 'lock'))).toHaveLength(1)
  for (const id of ids) {
    const row = await store.load(id)
    const found = Number(Buffer.from(row!.payload).toString())
    const told = stored.get(id)!
    // What was stored when its writer was killed, before it could say so.
    expect(found - told).toBeGreaterThanOrEqual(0)
    expect(found - told).toBeLessThanOrEqual(3 * writers)
    const result = await store.save(id, row!.payload, { expiresAt: null, expected: row!.revision })
    expect(result.saved).toBe(true)
  }
  await store.close()
})

test('a disk that takes no more leaves the old row, and nothing half written', async () => {
  const directory = temporaryDirectory()
  const program = compile('test/session/stores/file-child.ts')
  const store = fileStore({ directory })
  await store.save('abc', Buffer.from('old'), { expiresAt: null, expected: null })
  const limited = ['sh', '-c', 'ulimit -f 16; exec "$@"', 'sh']
  const lines = await run(program, ['replace', directory, 'abc', '100000'], limited)
  const error = `EFBIG: can't store sessions in ${directory}: file too large (EFBIG)`
  expect(lines).toEqual([error, error, 'old'])
  expect(readdirSync(join(directory, 'tmp'))).toEqual([])
  expect(readFileSync(join(directory, 'a', 'ab', 'abc.cache'), 'latin1')).toBe(
    '{"sessd":1,"expires":9999999999999}\nold',
  )
})

test('a directory that may only be read is read, and every change says what is forbidden', async () => {
  const directory = temporaryDirectory()
  const program = compile('test/session/stores/file-child.ts')
  const store = fileStore({ directory })
  await store.save('abc', Buffer.from('live'), { expiresAt: null, expected: null })
  await store.save('def', Buffer.from('dead'), { expiresAt: 1, expected: null })
  await store.close()
  for (const name of ['.', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })]) {
    chmodSync(join(directory, name), name.endsWith('.cache') ? 0o444 : 0o555)
  }
  onTestFinished(() => {
    for (const name of ['.', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })]) {
      chmodSync(join(directory, name), 0o700)
    }
  })
  expect(await run(program, ['forbidden', directory, 'abc', 'def'])).toEqual([
    'live live',
    'expired null',
    `EACCES: can't store sessions in ${directory}/lock: permission denied (EACCES)`,
    `EACCES: can't store sessions in ${directory}/lock: permission denied (EACCES)`,
    `EACCES: can't delete sessions in ${directory}/lock: permission denied (EACCES)`,
    `EACCES: can't touch sessions in ${directory}: permission denied (EACCES)`,
    `EACCES: can't set aside sessions in ${directory}/lock: permission denied (EACCES)`,
    `EACCES: can't remove sessions in ${directory}/lock: permission denied (EACCES)`,
    `EACCES: can't store sessions in ${directory}/lock: permission denied (EACCES)`,
  ])
})
