// The filters by their names in an INI, one behind the other.

import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadApp } from '../../src/loader.js'
import { serveApp } from '../support/http.js'

const PARTS = join(import.meta.dirname, '../fixtures/parts')

async function serve(name: string) {
  const app = await loadApp(`config:site.ini#${name}`, { relativeTo: PARTS })
  onTestFinished(async () => app.close?.())
  return serveApp(app)
}

test('all filters without a session stand in one pipeline', async () => {
  const { url, errors } = await serve('all')
  const shown = await (await fetch(url)).json()
  expect(shown).toEqual({ REMOTE_USER: null, AUTH_TYPE: null, title: 'own title' })
  expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok\n')
  expect(await (await fetch(`${url}/metrics`)).text()).toContain(
    'sessd_requests_total{method="GET",status="2xx"} 2',
  )
  expect((await fetch(url, { method: 'POST' })).status).toBe(403)
  expect(errors).toEqual([])
})

test('auth_basic asks, and takes who has the password', async () => {
  const { url } = await serve('guarded')
  const asked = await fetch(url)
  expect([asked.status, asked.headers.get('www-authenticate')]).toEqual([
    401,
    'Basic realm="Admins", charset="UTF-8"',
  ])
  const authorization = (pair: string) => ({
    headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` },
  })
  expect(await (await fetch(url, authorization('änn:a:b'))).json()).toEqual({
    REMOTE_USER: 'änn',
    AUTH_TYPE: 'Basic',
  })
  for (const pair of ['änn:wrong', 'änn', '', ':'])
    expect((await fetch(url, authorization(pair))).status).toBe(401)
})
