import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, it, onTestFinished, vi } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { healthz } from '../../src/filters/healthz.js'
import type { App } from '../../src/protocol.js'
import type { StoreOperation } from '../../src/session/events.js'
import { type ExpressStore, expressStore } from '../../src/session/stores/express.js'
import { serve } from '../support/site.js'

const app: App = async (req, res) => {
  const session = await getSession(req)
  if (req.url === '/login') {
    session.set('user', 'bob')
    session.save()
  }
  res.end(JSON.stringify(session.get('user') ?? null))
}

it('a store for express-session that never calls back is asked no more after some failures', async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const rows = new Map<string, string>()
  const state = { silent: false, asked: 0 }
  const store: ExpressStore = {
    get(id, done) {
      state.asked++
      if (!state.silent) done(null, JSON.parse(rows.get(id) ?? 'null'))
    },
    set(id, session, done) {
      rows.set(id, JSON.stringify(session))
      done()
    },
    destroy(id, done) {
      rows.delete(id)
      done()
    },
  }
  const filter = beakerSession({
    secret: 'a secret of more than thirty-two characters',
    store: expressStore(store),
    store_timeout: 1,
  })
  const health = healthz()
  const outcomes: string[] = []
  const listen = (message: unknown) => outcomes.push((message as StoreOperation).outcome)
  subscribe('sessd:store', listen)
  onTestFinished(async () => {
    unsubscribe('sessd:store', listen)
    health.close?.()
    await filter.close?.()
  })
  const { visitor } = await serve(health(filter(app)))
  const visitors = Array.from({ length: 5 }, visitor)
  for (const bob of visitors) await bob.get('/login')
  expect((await visitor().fetch('/readyz')).status).toBe(200)

  state.silent = true
  outcomes.length = 0
  const answers = await Promise.all(visitors.map((bob) => bob.fetch('/')))
  expect(answers.map(({ status }) => status)).toEqual([500, 500, 500, 500, 500])
  expect((await visitor().fetch('/readyz')).status).toBe(503)
  state.asked = 0
  expect((await visitors[0]!.fetch('/')).status).toBe(500)
  expect(state.asked).toBe(0)
  expect(outcomes).toEqual(['late', 'late', 'late', 'late', 'late', 'refused'])

  state.silent = false
  await expect.poll(() => visitors[0]!.get('/'), { interval: 50, timeout: 5000 }).toBe('"bob"')
  expect((await visitor().fetch('/readyz')).status).toBe(200)
})
