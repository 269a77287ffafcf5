// Real Beaker in Python and our file store at work on one session file, with Beaker's locks.

import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { factory } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { BeakerLocks } from '../../src/session/stores/file-flock.js'
import { FileLocks } from '../../src/session/stores/file-lock.js'
import { describeWithFsExt } from '../support/fs-ext.js'
import { serve } from '../support/site.js'

const PYTHON = '/usr/bin/python3'
const hasBeaker = spawnSync(PYTHON, ['-c', 'import beaker']).status === 0
if (!hasBeaker && process.env.CI === 'true') throw new Error('python3-beaker is not installed')

const app: App = async (req, res) => {
  const session = await getSession(req)
  if (req.url === '/count') session.update('node', (n) => ((n as number | undefined) ?? 0) + 1)
  if (req.url === '/id') return res.end(session.id)
  res.end(JSON.stringify(session.get('node') ?? 0))
}

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sessd-flock-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
})

/** Real Beaker, at work on one session: each command resolves with its answer. */
function startBeaker(settings: object, id: string) {
  const script = fileURLToPath(new URL('beaker_locks.py', import.meta.url))
  const child = spawn(PYTHON, [script, JSON.stringify(settings), id], { stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]()
  return async (command: string) => {
    child.stdin.write(`${command}\n`)
    const { value, done } = await answers.next()
    if (done === true) throw new Error(`Python ended at: ${command}`)
    return JSON.parse(value) as unknown
  }
}

/** Somebody with a session that is in a file, and the Beaker that works on it. */
async function start(own: Record<string, string> = {}, beakers = 1) {
  const settings = { data_dir: directory, ...(own.lock_dir && { lock_dir: own.lock_dir }) }
  const section = {
    ...settings,
    secret: 'a secret of more than thirty-two characters',
    key: 'sid',
    format: 'beaker-1.11',
    flock: 'true',
    auto: 'true',
    store_timeout: '30',
    ...own,
  }
  const filter = await factory(makeConf([]), makeConf(Object.entries(section)))
  onTestFinished(async () => filter.close?.())
  const bob = (await serve(filter(app))).visitor()
  expect(await bob.get('/count')).toBe('1')
  const id = await bob.get('/id')
  const [first, ...more] = Array.from({ length: beakers }, () => startBeaker(settings, id))
  return { bob, beaker: first!, more, id }
}

describeWithFsExt("Beaker's lock on a session", () => {
  describe.skipIf(!hasBeaker)('and ours', () => {
    test.each([
      ['data_dir', () => ({})],
      ['lock_dir', () => ({ lock_dir: join(directory, 'locks') })],
    ])('are one, in %s', async (_, settings) => {
      const { bob, beaker } = await start(settings())
      await beaker('lock')
      const counting = bob.get('/count')
      // It waits; who only reads does not.
      for (let time = 0; time < 3; time++) expect(await bob.get('/')).toBe('1')
      await beaker('save')
      await beaker('unlock')
      expect(await counting).toBe('2')
      expect(await beaker('get')).toEqual({ node: 2, python: 1 })
    })

    test('when it is not given back, who changes is told in time, and nothing is done later', async () => {
      vi.spyOn(process.stderr, 'write').mockReturnValue(true)
      onTestFinished(() => void vi.restoreAllMocks())
      const { bob, beaker } = await start({ store_timeout: '1' })
      await beaker('lock')
      const responses = await Promise.all([bob.fetch('/count'), bob.fetch('/count'), bob.fetch('/')])
      expect(responses.map(({ status }) => status)).toEqual([500, 500, 200])
      await beaker('unlock')
      expect(await bob.get('/count')).toBe('2')
      expect(await beaker('get')).toEqual({ node: 2 })
    })

    test('shut out each other, for that session alone', async () => {
      const beaker = BeakerLocks.open({ directory: join(directory, 'container_file_lock'), required: true })!
      const locks = new FileLocks(join(directory, 'lock'), { beaker })
      const python = startBeaker({ data_dir: directory }, 'abc')
      await locks.hold('abc', async () => {
        expect(await python('try')).toBe(false)
        expect(await python('try-read')).toBe(false)
      })
      await locks.hold('def', async () => expect(await python('try')).toBe(true))
      expect(await python('try')).toBe(true)
      await locks.close()
      expect(readdirSync(join(directory, 'lock'))).toEqual([])
    })

    test('keep whatever Python saves, however it is hurried', async () => {
      const { bob, beaker } = await start()
      let over = false
      const counting = Promise.all(
        [1, 2, 3, 4].map(async () => {
          while (!over) expect((await bob.fetch('/count')).status).toBe(200)
        }),
      )
      await beaker('count 1000')
      over = true
      await counting
      expect(await beaker('get')).toMatchObject({ python: 1000 })
    })

    test('keep every change of both, where Python holds the lock from reading to writing', async () => {
      const { bob, beaker, more } = await start({}, 2)
      const pythons = [beaker, ...more].map((python) => python('count-locked 500'))
      const nodes = [1, 2, 3, 4].map(async () => {
        for (let time = 0; time < 50; time++) expect((await bob.fetch('/count')).status).toBe(200)
      })
      await Promise.all([...pythons, ...nodes])
      expect(await beaker('get')).toEqual({ node: 201, python: 1000 })
    })
  })
})
