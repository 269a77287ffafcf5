import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession, login, revokeAll, sessionsOf } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'
import { slowStore } from '../support/slow-store.js'

type Options = Parameters<typeof beakerSession>[0]

const SECRET = 'a secret of more than thirty-two characters'

const app: App = async (req, res) => {
  const [, verb, user = ''] = (req.url ?? '').split('/')
  const session = await getSession(req)
  let answer: unknown = null
  if (verb === 'login') await login(req, user, req.headers['user-agent'])
  else if (verb === 'renew') session.regenerateId()
  else if (verb === 'logout') session.delete()
  else if (verb === 'who') answer = session.user ?? null
  else if (verb === 'devices') answer = (await sessionsOf(req, user)).map(({ device }) => device)
  else if (verb === 'list') answer = await sessionsOf(req, user)
  else if (verb === 'others') answer = await revokeAll(req, user, { except: session.id })
  else if (verb === 'all') answer = await revokeAll(req, user)
  res.end(JSON.stringify(answer))
}

async function site(options: Partial<Options> = {}) {
  const filter = beakerSession({ secret: SECRET, key: 'sid', ...options } as Options)
  onTestFinished(async () => filter.close?.())
  const { visitor } = await serve(filter(app))
  /** Somebody at a device, whose answers are JSON. */
  return (device: string) => {
    const person = visitor()
    const headers = { 'User-Agent': device }
    return async (path: string) => JSON.parse(await person.get(path, { headers })) as unknown
  }
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

describe.each<[string, () => Partial<Options>]>([
  ['memory', () => ({})],
  ['memory with hashed ids', () => ({ hash_ids: true })],
  ['a slow store', () => ({ store: slowStore(memoryStore()) })],
  ['file', () => ({ data_dir: temporaryDirectory() })],
])('sessions of users in %s', (_name, makeOptions) => {
  it('are listed, the one bound last first', async () => {
    const at = await site(makeOptions())
    const [phone, laptop, eve] = [at('phone'), at('laptop'), at('eve')]
    await phone('/login/bob')
    await laptop('/login/bob')
    await eve('/login/eve')
    expect(await phone('/who')).toBe('bob')
    expect(await phone('/devices/bob')).toEqual(['laptop', 'phone'])
    expect(await phone('/devices/eve')).toEqual(['eve'])
    expect(await phone('/devices/nobody')).toEqual([])
  })

  it('leave the list when they end', async () => {
    const at = await site(makeOptions())
    const [phone, laptop] = [at('phone'), at('laptop')]
    await phone('/login/bob')
    await laptop('/login/bob')
    await phone('/logout')
    expect(await laptop('/devices/bob')).toEqual(['laptop'])
  })

  it('stay in it under a new id', async () => {
    const phone = (await site(makeOptions()))('phone')
    await phone('/login/bob')
    await phone('/renew')
    expect(await phone('/devices/bob')).toEqual(['phone'])
    await phone('/login/bob')
    expect(await phone('/devices/bob')).toEqual(['phone'])
  })

  it('end together, all or all others', async () => {
    const at = await site(makeOptions())
    const [phone, laptop, tablet] = [at('phone'), at('laptop'), at('tablet')]
    for (const device of [phone, laptop, tablet]) await device('/login/bob')
    expect(await phone('/others/bob')).toBe(2)
    expect(await laptop('/who')).toBeNull()
    expect(await tablet('/who')).toBeNull()
    expect(await phone('/who')).toBe('bob')
    expect(await phone('/all/bob')).toBe(1)
    expect(await phone('/who')).toBeNull()
  })

  it('are as many as max_sessions_per_user allows: the oldest ends', async () => {
    const at = await site({ ...makeOptions(), max_sessions_per_user: 2 })
    const devices = ['one', 'two', 'three'].map(at)
    for (const device of devices) await device('/login/bob')
    expect(await devices[2]!('/devices/bob')).toEqual(['three', 'two'])
    expect(await devices[0]!('/who')).toBeNull()
  })

  it('are all in the list when they begin at the same time', async () => {
    const at = await site(makeOptions())
    await Promise.all(Array.from({ length: 20 }, (_, i) => at(`device ${i}`)('/login/bob')))
    expect(await at('another')('/devices/bob')).toHaveLength(20)
  })
})

describe('a list of sessions', () => {
  it('tells when they were made and last seen', async () => {
    let now = 1_700_000_000_000
    const phone = (await site({ timeout: 1000, touch_after: 0, clock: () => now }))('phone')
    await phone('/login/bob')
    now += 5000
    await phone('/who')
    expect(await phone('/list/bob')).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
        created: 1_700_000_000_000,
        lastSeen: 1_700_000_005_000,
        device: 'phone',
      },
    ])
  })

  it('loses sessions that ran out', async () => {
    let now = 1_700_000_000_000
    const at = await site({ timeout: 100, clock: () => now })
    await at('phone')('/login/bob')
    now += 101_000
    expect(await at('laptop')('/devices/bob')).toEqual([])
  })
})

it('binding says where it can not be done', async () => {
  for (const options of [{ type: 'cookie' }, { format: 'beaker' }] as const) {
    const { visitor } = await serve(beakerSession({ secret: SECRET, key: 'sid', ...options })(app))
    expect(await visitor().get('/login/bob')).toBe(
      'caught: sessions can be bound to users only in a store, and with format = sessd',
    )
  }
})
