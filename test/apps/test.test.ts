import { expect, it } from 'vitest'
import { factory, testApp } from '../../src/apps/test.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { serveApp } from '../support/http.js'

it('shows the environ and the headers of the request', async () => {
  const { url } = await serveApp(urlmap({ '/mnt': testApp() }))
  const response = await fetch(`${url}/mnt/x%20y?q=1`, { headers: { 'X-Mine': 'yes' } })
  const page = await response.text()
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
  for (const row of [
    '<tr><th>SCRIPT_NAME<td>/mnt',
    '<tr><th>PATH_INFO<td>/x y',
    '<tr><th>QUERY_STRING<td>q=1',
    '<tr><th>REMOTE_ADDR<td>127.0.0.1',
    '<tr><th>wsgi.url_scheme<td>http',
    '<tr><th>x-mine<td>yes',
  ])
    expect(page).toContain(row)
})

it('shows no cookie, credential or session', async () => {
  const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
  const { url } = await serveApp(session(testApp()))
  const page = await (
    await fetch(url, {
      headers: {
        cookie: 'a=hidden1; hidden2; b=hidden3=x',
        authorization: 'Basic hidden4',
        'x-api-key': 'hidden5',
      },
    })
  ).text()
  expect(page).not.toContain('hidden')
  expect(page).toContain('<tr><th>cookie<td>a=***;***; b=***')
  expect(page).toContain('<tr><th>beaker.session<td>(RequestSession)')
})

it('writes what came as text, whatever it says', async () => {
  const { url } = await serveApp(testApp())
  const page = await (await fetch(url, { headers: { 'x-evil': `<script>"'&` } })).text()
  expect(page).toContain('<tr><th>x-evil<td>&#60;script&#62;&#34;&#39;&#38;')
})

it('takes no settings of its own', () => {
  const global = makeConf([['debug', 'true']])
  expect(factory(global, makeConf([['debug', 'true']]))).toBeTypeOf('function')
  expect(() => factory(global, makeConf([['x', '1']]))).toThrow('x: no such setting: this app has none')
})
