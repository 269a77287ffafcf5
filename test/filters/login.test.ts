import { expect, it, onTestFinished } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession, login } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { serve } from '../support/site.js'

const app: App = async (req, res) => {
  const session = await getSession(req)
  if (req.url === '/cart') session.set('cart', ['apple']).save()
  if (req.url === '/login') await login(req, 'ann', 'a phone')
  const { id, user } = session
  res.end(JSON.stringify({ id, user: user ?? null, cart: session.get('cart'), token: session.csrfToken() }))
}

it('login() gives a new id and a new CSRF token, binds the user, keeps the data, and the old id is dead', async () => {
  const filter = beakerSession({
    secret: 'a secret of more than thirty-two characters',
    key: 'sid',
    auto: true,
  })
  onTestFinished(async () => filter.close?.())
  const { visitor } = await serve(filter(app))
  const ann = visitor()
  const before = JSON.parse(await ann.get('/cart')) as Record<string, unknown>
  const stolen = `sid=${ann.jar.get('sid')}`
  const after = JSON.parse(await ann.get('/login')) as Record<string, unknown>
  expect(after).toEqual({ ...before, id: expect.any(String), token: expect.any(String), user: 'ann' })
  expect(after.id).not.toBe(before.id)
  expect(after.token).not.toBe(before.token)
  expect(JSON.parse(await ann.get('/'))).toEqual(after)
  const thief = JSON.parse(await visitor().get('/', { headers: { Cookie: stolen } })) as Record<
    string,
    unknown
  >
  expect(thief).toMatchObject({ user: null })
  expect(thief).not.toHaveProperty('cart')
  expect([before.id, after.id]).not.toContain(thief.id)
})
