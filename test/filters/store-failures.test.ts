import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'

type Options = Parameters<typeof beakerSession>[0]

const SECRET = 'a secret of more than thirty-two characters'

const app: App = async (req, res) => {
  const session = await getSession(req)
  if (req.url === '/login') {
    session.set('user', 'bob')
    session.save()
  }
  if (req.url === '/logout') session.delete()
  res.end(JSON.stringify(session.get('user') ?? null))
}

/** A network store that can be switched off, and how often it was asked. */
async function site(options: Partial<Options> = {}) {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const rows = memoryStore()
  const health = { away: false, asked: 0 }
  async function ask<R>(work: () => R): Promise<R> {
    health.asked++
    if (health.away) throw new Error('connect ECONNREFUSED 10.0.0.1:6379')
    return work()
  }
  const store: SessionStore = {
    scope: 'network',
    load: (id) => ask(() => rows.load(id)),
    save: (...args) => ask(() => rows.save(...args)),
    delete: (id) => ask(() => rows.delete(id)),
  }
  const filter = beakerSession({ secret: SECRET, key: 'sid', store, ...options } as Options)
  onTestFinished(async () => filter.close?.())
  const { visitor } = await serve(filter(app))
  const bob = visitor()
  await bob.get('/login')
  return { bob, visitor, health }
}

describe('while the store is away', () => {
  it('a request that asks for its session fails, and says nothing of the store', async () => {
    const { bob, health } = await site()
    health.away = true
    const response = await bob.fetch('/')
    expect(response.status).toBe(500)
    expect(bob.setCookies).toEqual([])
  })

  it('a request without a cookie of ours is served', async () => {
    const { visitor, health } = await site()
    health.away = true
    expect((await visitor().fetch('/')).status).toBe(200)
  })

  it('the store is asked less often after some failures, and again when it is back', async () => {
    const { bob, health } = await site()
    health.away = true
    health.asked = 0
    for (let i = 0; i < 20; i++) expect((await bob.fetch('/')).status).toBe(500)
    expect(health.asked).toBeLessThan(10)
    health.away = false
    await expect.poll(() => bob.get('/'), { interval: 50, timeout: 5000 }).toBe('"bob"')
  })

  it.each([
    ['readonly', '"bob"'],
    ['anonymous', 'null'],
  ] as const)('on_store_error = %s gives a session that can only be read', async (on_store_error, seen) => {
    const { bob, health } = await site({ on_store_error })
    await bob.get('/')
    health.away = true
    expect(await bob.get('/')).toBe(seen)
    expect((await bob.fetch('/login')).status).toBe(on_store_error === 'readonly' ? 200 : 500)
    expect((await bob.fetch('/logout')).status).toBe(500)
    expect(bob.setCookies).toEqual([])
    health.away = false
    await expect.poll(() => bob.get('/'), { interval: 50, timeout: 5000 }).toBe('"bob"')
  })
})
