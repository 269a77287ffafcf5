import { chmodSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { factory } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { describeWith, startMemcached, startRedis, type TestServer } from '../support/servers.js'
import { serve, type Visitor } from '../support/site.js'

const app: App = async (req, res) => {
  const session = await getSession(req)
  if (req.url === '/add') session.update('n', (n) => ((n as number | undefined) ?? 0) + 1)
  res.end(JSON.stringify(session.get('n') ?? 0))
}

async function site(settings: Record<string, string>) {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const section = {
    secret: 'a secret of more than thirty-two characters',
    key: 'sid',
    store_timeout: '1',
    ...settings,
  }
  const filter = await factory(makeConf([]), makeConf(Object.entries(section)))
  onTestFinished(async () => filter.close?.())
  return serve(filter(app))
}

/** Adds again and again, for as long as `during` takes; answers how many were said to be stored. */
async function addWhile(people: readonly Visitor[], during: () => Promise<void>): Promise<number[]> {
  const stored = people.map(() => 0)
  let over = false
  const working = people.map(async (person, who) => {
    while (!over) {
      const response = await person.fetch('/add')
      await response.text()
      expect([200, 500]).toContain(response.status)
      if (response.status === 200) stored[who]!++
    }
  })
  await during()
  over = true
  await Promise.all(working)
  return stored
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resume) => setTimeout(resume, milliseconds))
}

async function people(settings: Record<string, string>, count = 5) {
  const { visitor } = await site(settings)
  const all = Array.from({ length: count }, visitor)
  for (const person of all) expect((await person.fetch('/add')).status).toBe(200)
  return all
}

/** It is back without a restart of ours, and has everything that it said it had. */
async function expectRecovered(all: readonly Visitor[], stored: readonly number[]) {
  for (const [who, person] of all.entries()) {
    await expect.poll(async () => (await person.fetch('/')).status, { interval: 50, timeout: 5000 }).toBe(200)
    expect(Number(await person.get('/'))).toBeGreaterThanOrEqual(stored[who]! + 1)
  }
}

const outages: [string, (server: TestServer) => Promise<void>][] = [
  [
    'is paused and goes on',
    async (server) => {
      server.pause()
      await pause(1500)
      server.resume()
    },
  ],
  [
    'is killed and started again',
    async (server) => {
      await server.kill()
      await pause(300)
      await server.restart()
    },
  ],
]

describeWith(['redis-server'], 'when Redis', () => {
  it.each(outages)(
    '%s, every request is answered, and nothing said to be stored is lost',
    async (_what, outage) => {
      const server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
      onTestFinished(() => server.stop())
      const all = await people({ type: 'ext:redis', url: `redis://127.0.0.1:${server.port}` })
      const stored = await addWhile(all, async () => {
        await pause(100)
        await outage(server)
        await pause(700)
      })
      await expectRecovered(all, stored)
    },
  )
})

describeWith(['memcached'], 'when memcached', () => {
  it('is paused and goes on, every request is answered, and nothing said to be stored is lost', async () => {
    const server = await startMemcached()
    onTestFinished(() => server.stop())
    const all = await people({ type: 'ext:memcached', url: `127.0.0.1:${server.port}` })
    const stored = await addWhile(all, async () => {
      await pause(100)
      await outages[0]![1](server)
      await pause(700)
    })
    await expectRecovered(all, stored)
  })
})

describe('when the directory of type = file', () => {
  it('vanishes, requests fail or begin anew, and it is used again when it is back', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'sessd-'))
    onTestFinished(() => {
      chmodSync(parent, 0o700)
      rmSync(parent, { recursive: true, force: true })
    })
    const data_dir = join(parent, 'data')
    const [bob] = (await people({ type: 'file', data_dir }, 1)) as [Visitor]
    const cookie = bob.jar.get('sid')!
    renameSync(data_dir, `${data_dir}-away`)
    expect([200, 500]).toContain((await bob.fetch('/')).status)
    rmSync(data_dir, { recursive: true, force: true })
    renameSync(`${data_dir}-away`, data_dir)
    bob.jar.set('sid', cookie)
    await expect.poll(() => bob.get('/'), { interval: 50, timeout: 5000 }).toBe('1')
  })
})
