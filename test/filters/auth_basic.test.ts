import { expect, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { authBasic, factory } from '../../src/filters/auth_basic.js'
import { environ } from '../../src/http/environ.js'
import { setIdentity } from '../../src/http/identity.js'
import type { App } from '../../src/protocol.js'
import { ask, serveApp } from '../support/http.js'

const app: App = (req, res) => res.end(`hello ${environ(req).REMOTE_USER}`)

test('a user whom a filter outside has vouched for is not asked', async () => {
  const guarded = authBasic('r', () => false)(app)
  const { url } = await serveApp((req, res) => {
    if (req.url === '/known') setIdentity(req, 'ann', 'ip')
    return guarded(req, res)
  })
  expect(await (await fetch(`${url}/known`)).text()).toBe('hello ann')
  expect((await fetch(url)).status).toBe(401)
})

test('only true lets pass, and a check that fails is a 500', async () => {
  const odd = authBasic('r', (_environ, username) => {
    if (username === 'fail') throw new Error('no directory')
    return 'yes' as never
  })
  const { port } = await serveApp(odd(app))
  const as = (user: string) => `Authorization: Basic ${Buffer.from(`${user}:x`).toString('base64')}`
  expect(await ask(port, '/', as('ann'))).toMatch(/^HTTP\/1\.1 401 /)
  expect(await ask(port, '/', as('fail'))).toMatch(/^HTTP\/1\.1 500 /)
  for (const header of ['Basic', 'Basic %%%', 'Basic ====', 'Bearer x', `Basic ${'A'.repeat(9000)}`])
    expect(await ask(port, '/', `Authorization: ${header}`)).toMatch(/^HTTP\/1\.1 401 /)
})

test('a realm is quoted, and must be ASCII', async () => {
  const { url } = await serveApp(authBasic('a "b" \\', () => false)(app))
  expect((await fetch(url)).headers.get('www-authenticate')).toBe(
    'Basic realm="a \\"b\\" \\\\", charset="UTF-8"',
  )
  expect(() => authBasic('Büro', () => false)).toThrow('realm: expected ASCII text, got "Büro"')
})

test('authfunc must be a function that there is', async () => {
  const conf = (authfunc: string) =>
    makeConf([
      ['realm', 'r'],
      ['authfunc', authfunc],
    ])
  const here = makeConf([['here', `${import.meta.dirname}/../fixtures/parts`]])
  await expect(factory(here, conf('auth:check'))).rejects.toThrow(
    'authfunc: expected a function of yours as in file:./auth.js#check, got "auth:check"',
  )
  await expect(factory(here, conf('file:./auth.js#chek'))).rejects.toThrow(
    'authfunc: ./auth.js exports no function "chek": it exports check',
  )
})
