// on_store_error = readonly: what this process saw last of a session stands in for it, but never for one that is over.

import { expect, it, onTestFinished, vi } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'

type Options = Parameters<typeof beakerSession>[0]

const app: App = async (req, res) => {
  const session = await getSession(req)
  const { pathname } = new URL(req.url!, 'http://localhost')
  if (pathname === '/login') session.set('user', 'bob').save()
  if (pathname === '/logout') session.delete()
  if (pathname === '/invalidate') session.invalidate()
  if (pathname === '/regenerate') session.regenerateId()
  res.end(JSON.stringify(session.get('user') ?? null))
}

async function site(options: Partial<Options> = {}) {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const time = { now: 1_700_000_000_000 }
  const clock = () => time.now
  const rows = memoryStore({ clock })
  const health = { away: false }
  async function ask<R>(work: () => R): Promise<R> {
    if (health.away) throw new Error('connect ECONNREFUSED 10.0.0.1:6379')
    return work()
  }
  const store: SessionStore = {
    scope: 'network',
    load: (id) => ask(() => rows.load(id)),
    save: (...args) => ask(() => rows.save(...args)),
    delete: (id) => ask(() => rows.delete(id)),
    touch: (...args) => ask(() => rows.touch!(...args)),
  }
  const filter = beakerSession({
    secret: 'a secret of more than thirty-two characters',
    key: 'sid',
    store,
    clock,
    on_store_error: 'readonly',
    ...options,
  } as Options)
  onTestFinished(async () => filter.close?.())
  const { visitor } = await serve(filter(app))
  const bob = visitor()
  await bob.get('/login')
  expect(await bob.get('/')).toBe('"bob"')
  return { bob, visitor, health, time, rows, filter }
}

it('a session that was stored and never loaded again is shown as it was stored', async () => {
  const { bob, health } = await site()
  await bob.get('/login')
  health.away = true
  expect(await bob.get('/')).toBe('"bob"')
})

it.each(['/logout', '/invalidate', '/regenerate'])('the id that %s ended stays dead', async (path) => {
  const { bob, health } = await site()
  const thief = bob.clone()
  expect((await bob.fetch(path)).status).toBe(200)
  health.away = true
  expect(await thief.get('/')).toBe('null')
})

it('a session that was ended elsewhere stays dead once this process has seen that', async () => {
  const { bob, health, rows } = await site()
  const thief = bob.clone()
  for await (const id of rows.ids!()) rows.delete(id)
  expect(await bob.get('/')).toBe('null')
  health.away = true
  expect(await thief.get('/')).toBe('null')
})

it('a session that is past its timeout is over', async () => {
  const { bob, health, time } = await site({ timeout: 600 })
  health.away = true
  time.now += 600_000
  expect(await bob.get('/')).toBe('"bob"')
  time.now += 1
  expect(await bob.get('/')).toBe('null')
})

it('a session that was read lately is not past its timeout', async () => {
  const { bob, health, time } = await site({ timeout: 600 })
  time.now += 400_000
  await bob.get('/')
  await vi.waitFor(async () => expect(await bob.get('/')).toBe('"bob"'))
  time.now += 300_000
  await bob.get('/')
  time.now += 400_000
  health.away = true
  expect(await bob.get('/')).toBe('"bob"')
})

it('a session that is past its absolute timeout is over', async () => {
  const { bob, health, time } = await site({ absolute_timeout: 600 })
  health.away = true
  time.now += 600_001
  expect(await bob.get('/')).toBe('null')
})
