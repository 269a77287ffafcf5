// Tickets both ways. The expected ones were made with Python's hashlib by the published algorithm of mod_auth_tkt.

import { describe, expect, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { authTkt, factory } from '../../src/filters/auth_tkt.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serve } from '../support/site.js'

const SECRET = 'a shared secret'
const MADE = 1_700_000_000

const TICKETS = {
  md5: 'ce2647e2f26a35ba208064f1a553c8266553f100ann!editor,admin!data',
  sha256: 'c403ed8ddd7284170c4a1ddf4fb565ec789b2ef17b34c2229ad088297c4510066553f100ann!editor,admin!data',
  sha512:
    '49c6743878783f8d056d58b2419adb6ab3c09d270d84aeffd3395137c8e2c5cf9e19e2603353490bfe1865a52e85f872f0fc02916cd054f85c1bc981f62f810d6553f100ann!editor,admin!data',
} as const
const FOR_ANYBODY = '4b9734f6977abed9d8bfbbbe6af68cf46553f100ann!editor,admin!data'

const whoAmI: App = (req, res) => {
  const env = environ(req)
  const { REMOTE_USER, REMOTE_USER_TOKENS, REMOTE_USER_DATA, AUTH_TYPE } = env
  if (env.PATH_INFO === '/login') {
    env['paste.auth_tkt.set_user']!('ann', 'editor,admin', 'data')
    res.writeHead(200, { 'Set-Cookie': 'own=1' })
  } else if (env.PATH_INFO === '/odd') env['paste.auth_tkt.set_user']!('änn ö', '', 'a "b"; c')
  else if (env.PATH_INFO === '/bye') env['paste.auth_tkt.logout_user']!()
  res.end(JSON.stringify([REMOTE_USER, AUTH_TYPE, REMOTE_USER_TOKENS, REMOTE_USER_DATA]))
}

async function site(settings: Parameters<typeof authTkt>[0] = {}, now = () => MADE * 1000) {
  return (await serve(authTkt({ secret: SECRET, clock: now, ...settings })(whoAmI))).visitor()
}

const NOBODY = '[null,null,null,null]'
const ANN = '["ann","cookie","editor,admin","data"]'

describe.each(['md5', 'sha256', 'sha512'] as const)('a ticket of mod_auth_tkt with %s', (digest_algo) => {
  const cookie = `auth_tkt=${TICKETS[digest_algo]}`

  test('says who comes', async () => {
    const visitor = await site({ digest_algo })
    expect(await visitor.get('/', { headers: { cookie } })).toBe(ANN)
    const base64 = Buffer.from(TICKETS[digest_algo]).toString('base64')
    expect(await visitor.get('/', { headers: { cookie: `auth_tkt="${base64}"` } })).toBe(ANN)
  })

  test('is made byte by byte the same', async () => {
    const visitor = await site({ digest_algo })
    await visitor.fetch('/login')
    expect(visitor.setCookies).toEqual(['own=1', `${cookie}; Path=/; HttpOnly; SameSite=Lax`])
    expect(await visitor.get('/')).toBe(ANN)
  })

  test('counts no more when a byte of it is changed', async () => {
    const visitor = await site({ digest_algo })
    for (const [from, to] of [
      ['ann', 'bob'],
      ['editor', 'editoR'],
      ['!data', '!date'],
      ['6553f100', '6553f101'],
    ] as const) {
      expect(await visitor.get('/', { headers: { cookie: cookie.replace(from, to) } })).toBe(NOBODY)
    }
  })
})

test('a ticket is for one address, unless include_ip = false', async () => {
  const cookie = `auth_tkt=${FOR_ANYBODY}`
  expect(await (await site()).get('/', { headers: { cookie } })).toBe(NOBODY)
  expect(await (await site({ include_ip: false })).get('/', { headers: { cookie } })).toBe(ANN)
})

test('a user whom a cookie could not hold travels in base64', async () => {
  const visitor = await site()
  await visitor.fetch('/odd')
  expect(visitor.cookie).toMatch(/^auth_tkt=[\w+/=]+$/)
  expect(await visitor.get('/')).toBe('["änn ö","cookie","","a \\"b\\"; c"]')
})

test('a ticket is over after timeout, and renewed after reissue_time', async () => {
  let now = MADE
  const visitor = await site({ timeout: 100, reissue_time: 50 }, () => now * 1000)
  await visitor.fetch('/login')
  now += 49
  await visitor.fetch('/')
  expect(visitor.setCookies).toEqual([])
  now += 50
  expect(await visitor.get('/')).toBe(ANN)
  expect(visitor.setCookies).toHaveLength(1)
  now += 100
  expect(await visitor.clone().get('/')).toBe(ANN)
  now += 1
  expect(await visitor.get('/')).toBe(NOBODY)
})

test('log-out takes the cookie away, by call and by logout_path', async () => {
  const visitor = await site({ logout_path: '/logout' })
  for (const path of ['/bye', '/logout']) {
    await visitor.fetch('/login')
    await visitor.fetch(path)
    expect(visitor.jar.has('auth_tkt')).toBe(false)
  }
})

test.each(['', '!', 'x'.repeat(5000), '%', `${'0'.repeat(40)}!`, Buffer.from('!').toString('base64')])(
  'rubbish is nobody (%#)',
  async (value) => {
    expect(await (await site()).get('/', { headers: { cookie: `auth_tkt=${value}` } })).toBe(NOBODY)
  },
)

test('the secret may stand in [DEFAULT], as in Paste, and that of the section counts first', async () => {
  const [globals, others] = [makeConf([['secret', SECRET]]), makeConf([['secret', 'another secret']])]
  const cookie = `auth_tkt=${FOR_ANYBODY}`
  const own: [string, string] = ['include_ip', 'false']
  for (const [given, local] of [
    [globals, makeConf([own])],
    [others, makeConf([own, ['secret', SECRET]])],
  ] as const) {
    const visitor = (await serve(factory(given, local)(whoAmI))).visitor()
    expect(await visitor.get('/', { headers: { cookie } })).toBe(ANN)
  }
})

test('a secret is asked for, and a wrong one never shown', () => {
  const none = makeConf([])
  expect(() => factory(none, none)).toThrow(
    'secret: missing: What all who make or read tickets share (TKTAuthSecret).',
  )
})
