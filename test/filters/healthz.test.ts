import { expect, test } from 'vitest'
import { healthz } from '../../src/filters/healthz.js'
import { startDraining } from '../../src/http/draining.js'
import type { App } from '../../src/protocol.js'
import { publish } from '../../src/session/events.js'
import { serve } from '../support/site.js'

const app: App = (_req, res) => res.end('the app')

async function visitor(tested: App) {
  return (await serve(tested)).visitor()
}

test('answers checks and leaves everything else to the app', async () => {
  const v = await visitor(healthz()(app))
  expect([await v.get('/healthz'), await v.get('/readyz?verbose'), await v.get('/healthz/x')]).toEqual([
    'ok\n',
    'ok\n',
    'the app',
  ])
  const post = await v.fetch('/healthz', { method: 'POST' })
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

test('is not ready while the server drains, and alive all the same', async () => {
  const checked = healthz({ path: '/live', ready_path: '/ready' })(app)
  const v = await visitor((req, res) => {
    startDraining((req.socket as unknown as { server: object }).server)
    return checked(req, res)
  })
  const ready = await v.fetch('/ready')
  expect([ready.status, await ready.text()]).toEqual([503, 'draining\n'])
  expect((await v.fetch('/live')).status).toBe(200)
})

test('is not ready while the store of sessions is away', async () => {
  const filter = healthz()
  const v = await visitor(filter(app))
  publish({ type: 'store-away', error: new Error('gone') })
  expect(await v.get('/readyz')).toBe('the store of sessions is away\n')
  publish({ type: 'store-back' })
  expect(await v.get('/readyz')).toBe('ok\n')
  await filter.close!()
  publish({ type: 'store-away', error: new Error('gone') })
  expect(await v.get('/readyz')).toBe('ok\n')
})

test('refuses a path that is none', () => {
  expect(() => healthz({ path: 'health' })).toThrow('path: expected a path that begins with /, got "health"')
})
