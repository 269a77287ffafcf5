import express from 'express'
import { expect, test } from 'vitest'
import { urlmap } from '../../src/apps/urlmap.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { mount } from '../../src/filters/mount.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serve } from '../support/site.js'

/** Redirects to what the query says, with cookies of paths of all sorts. */
const app: App = (req, res) => {
  const to = decodeURIComponent(environ(req).QUERY_STRING).replace('SELF', `http://${req.headers.host}`)
  res.writeHead(302, {
    Location: to,
    'Set-Cookie': ['a=1; Path=/; HttpOnly', 'b=2; path=/x', 'c=3', 'd=4; Path=/shop/y'],
  })
  res.end()
}

const shop = (settings: Parameters<typeof mount>[0], inner: App = app) =>
  serve(urlmap({ '/shop': mount(settings)(inner) }))

test.each([
  ['/', '/shop/'],
  ['/info?x=1', '/shop/info?x=1'],
  ['/shop/info', '/shop/info'],
  ['/shop', '/shop'],
  ['/shopping', '/shop/shopping'],
  ['info', 'info'],
  ['../x', '../x'],
  ['//evil.example/x', '//evil.example/x'],
  ['/\\evil.example', '/\\evil.example'],
  ['https://other.example/', 'https://other.example/'],
])('with rewrite_location, a redirect to %s goes to %s', async (to, expected) => {
  const { visitor } = await shop({ rewrite_location: true })
  const response = await visitor().fetch(`/shop?${encodeURIComponent(to)}`)
  expect(response.headers.get('location')).toBe(expected)
})

test('a redirect to our own host by its name is led into the mount too, and that of a longer name is not', async () => {
  const { url, visitor } = await shop({ rewrite_location: true })
  const to = async (target: string) => (await visitor().fetch(`/shop?${target}`)).headers.get('location')
  expect([await to('SELF/a'), await to('SELF'), await to('SELF.evil.example/')]).toEqual([
    `${url}/shop/a`,
    `${url}/shop/`,
    `${url}.evil.example/`,
  ])
})

test('with rewrite_cookie_path, cookies are for the mount, and the session stays for the whole site', async () => {
  const session = beakerSession({ secret: 'a secret for the tests of mount', auto: true })
  const inner: App = async (req, res) => {
    ;(await getSession(req)).set('n', 1)
    return app(req, res)
  }
  const { visitor } = await serve(session(urlmap({ '/shop': mount({ rewrite_cookie_path: true })(inner) })))
  const v = visitor()
  expect((await v.fetch('/shop?/x')).headers.get('location')).toBe('/x')
  expect(v.setCookies.slice(0, 4)).toEqual([
    'a=1; Path=/shop; HttpOnly',
    'b=2; path=/shop/x',
    'c=3',
    'd=4; Path=/shop/y',
  ])
  expect(v.setCookies[4]).toMatch(/^beaker\.session\.id=.*; Path=\/;/)
})

test('without settings nothing is changed', async () => {
  const v = (await shop({})).visitor()
  expect((await v.fetch('/shop?/x')).headers.get('location')).toBe('/x')
  expect(v.setCookies[0]).toBe('a=1; Path=/; HttpOnly')
})

test('with strip = false the app sees the whole path, in an inner mount too', async () => {
  const whole = mount({ strip: false })((req, res) =>
    res.end(`${req.url} ${environ(req).SCRIPT_NAME}|${environ(req).PATH_INFO}`),
  )
  const { visitor } = await serve(urlmap({ '/a': urlmap({ '/b': whole }) }))
  expect(await visitor().get('/a/b/c?d=1')).toBe('/a/b/c?d=1 |/a/b/c')
})

test('with strip = false an Express app that mounts itself below its prefix finds its routes', async () => {
  const inner = express().use(
    '/shop',
    express.Router().get('/x', (req, res) => void res.end(`${req.baseUrl} ${req.url}`)),
  )
  const { visitor } = await shop({ strip: false }, (req, res) => inner(req, res))
  expect(await visitor().get('/shop/x')).toBe('/shop /x')
})
