// The second example as it stands: a real Pyramid app, with the real Beaker, behind the same session as a Node app.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startBrowser } from '../support/browser.js'
import { type Served, serveFile, sessd } from '../support/cli.js'
import type { Visitor } from '../support/site.js'

const EXAMPLE = 'examples/pyramid/development.ini'

const probe = spawnSync('/usr/bin/python3', ['-c', 'import beaker, pyramid, waitress'])
const isThere = probe.status === 0
if (!isThere && process.env.CI === 'true') throw new Error(`the old app can't run: ${probe.stderr}`)

/** Serves the example with sessions of its own. */
function serve(...settings: string[]): Promise<Served> {
  return serveFile(EXAMPLE, ownSessions(), ...settings)
}

function ownSessions(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-pyramid-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return `beaker.session.data_dir=${directory}`
}

async function tokenAt(visitor: Visitor, path: '/' | '/account'): Promise<string> {
  const [, token] = /name="csrf_token" value="([0-9a-f]{40})"/.exec(await visitor.get(path)) ?? []
  return token!
}

/** Sends a form with the token of the page at `from`; answers the status. */
async function submit(
  visitor: Visitor,
  path: string,
  fields: Record<string, string> = {},
  from: '/' | '/account' = '/',
): Promise<number> {
  const body = new URLSearchParams({ csrf_token: await tokenAt(visitor, from), ...fields })
  return (await visitor.fetch(path, { method: 'POST', body })).status
}

async function logIn(visitor: Visitor, name = 'Ada'): Promise<void> {
  expect(await submit(visitor, '/login', { name })).toBe(303)
}

/** What each of the two sees of the session: first Pyramid, then Node. */
async function seen(visitor: Visitor): Promise<[unknown, unknown]> {
  const see = async (path: string) => JSON.parse(await visitor.get(path)) as unknown
  return [await see('/session'), await see('/account/session')]
}

const both = (user: string | null, more: { nickname?: string; count?: number } = {}) => {
  const one = { user, nickname: more.nickname ?? null, count: more.count ?? null }
  return [one, one]
}

const notes = (page: string) => [...page.matchAll(/role="status">([^<]*)</g)].map(([, text]) => text)

describe.skipIf(!isThere)('an old Pyramid app and a Node app', () => {
  test('share one log-in, and what either remembers', async () => {
    const visitor = (await serve()).visitor()
    expect(await visitor.get('/account')).toContain('Please <a href="/">log in</a>')
    await logIn(visitor)
    expect(await visitor.get('/account')).toContain('Ada&#39;s account'.replace('&#39;', "'"))
    expect(await submit(visitor, '/account/nickname', { nickname: 'Countess' }, '/account')).toBe(303)
    expect(await submit(visitor, '/count')).toBe(303)
    expect(await visitor.get('/')).toContain('<h1>Hello, Countess</h1>')
    expect(await seen(visitor)).toEqual(both('Ada', { nickname: 'Countess', count: 1 }))
  })

  test('show the messages that the other has left, once', async () => {
    const visitor = (await serve()).visitor()
    await logIn(visitor)
    expect(notes(await visitor.get('/account'))).toEqual(['Welcome, Ada.'])
    expect(notes(await visitor.get('/account'))).toEqual([])
    await submit(visitor, '/account/nickname', { nickname: 'Countess' }, '/account')
    expect(notes(await visitor.get('/'))).toEqual(['You are called Countess now.'])
    expect(notes(await visitor.get('/'))).toEqual([])
  })

  test('take the tokens of each other, and no made-up one', async () => {
    const visitor = (await serve()).visitor()
    await logIn(visitor)
    const token = await tokenAt(visitor, '/account')
    expect(await tokenAt(visitor, '/')).toBe(token)
    expect(await submit(visitor, '/count', {}, '/account')).toBe(303)
    expect(await submit(visitor, '/account/nickname', { nickname: 'A' }, '/')).toBe(303)
    const forged = { csrf_token: token.replace(/./g, '0') }
    expect(await submit(visitor, '/count', forged)).toBe(400)
    expect(await submit(visitor, '/account/nickname', forged)).toBe(403)
    expect(await seen(visitor)).toEqual(both('Ada', { nickname: 'A', count: 1 }))
  })

  test.each(['/logout', '/account/logout'])(
    'log out together at %s, and a copy of the cookie is worth nothing at either',
    async (path) => {
      const visitor = (await serve()).visitor()
      await logIn(visitor)
      const thief = visitor.clone()
      expect(await seen(thief)).toEqual(both('Ada'))
      expect(await submit(visitor, path)).toBe(303)
      for (const somebody of [visitor, thief]) expect(await seen(somebody)).toEqual(both(null))

      // Beaker alone goes on under the id of the copy, and whoever has another copy is there too.
      const other = thief.clone()
      expect(await submit(thief, '/count')).toBe(303)
      expect(await seen(thief)).toEqual(both(null, { count: 1 }))
      expect(await seen(other)).toEqual(both(null))
    },
  )

  test('lose nothing of each other, however many requests there are at once', async () => {
    const visitor = (await serve()).visitor()
    await logIn(visitor)
    const token = await tokenAt(visitor, '/')
    const post = (path: string, fields = {}) =>
      visitor.fetch(path, { method: 'POST', body: new URLSearchParams({ csrf_token: token, ...fields }) })
    const statuses = await Promise.all([
      ...Array.from({ length: 6 }, () => post('/count')),
      post('/account/nickname', { nickname: 'Countess' }),
      ...Array.from({ length: 6 }, () => post('/count')),
    ])
    expect(statuses.map(({ status }) => status)).toEqual(Array(13).fill(303))
    expect(await seen(visitor)).toEqual(both('Ada', { nickname: 'Countess', count: 12 }))
  })

  test('let a log-out stand that overtakes a request of the old app', async () => {
    const visitor = (await serve('thinking_time=0.3')).visitor()
    await logIn(visitor)
    const thief = visitor.clone()
    const token = await tokenAt(visitor, '/account')
    const body = () => new URLSearchParams({ csrf_token: token })
    const [counted] = await Promise.all([
      thief.fetch('/count', { method: 'POST', body: body() }),
      visitor.fetch('/account/logout', { method: 'POST', body: body() }),
    ])
    expect([303, 400]).toContain(counted.status)
    for (const somebody of [visitor, thief]) expect(await seen(somebody)).toEqual(both(null))
  })

  test('work in a browser', async (context) => {
    const browser = await startBrowser(context)
    const { url } = await serve()
    const page = await (await browser.newContext({ baseURL: url })).newPage()
    await page.goto('/')
    await page.getByLabel('Your name').fill('Ada')
    await page.getByRole('button', { name: 'Log in' }).click()
    expect(await page.getByRole('heading').textContent()).toBe('Hello, Ada')
    expect(await page.locator('.note').textContent()).toBe('Welcome, Ada.')
    await page.getByRole('button', { name: 'Count' }).click()
    expect(await page.locator('#count').textContent()).toBe('1')
    await page.getByRole('link', { name: 'account' }).click()
    expect(await page.getByRole('heading').textContent()).toBe("Ada's account")
    await page.getByLabel('Nickname').fill('Countess')
    await page.getByRole('button', { name: 'Save' }).click()
    expect(await page.getByRole('heading').textContent()).toBe('Hello, Countess')
    expect(await page.locator('.note').textContent()).toBe('You are called Countess now.')
    await page.getByRole('link', { name: 'account' }).click()
    await page.getByRole('button', { name: 'Log out' }).click()
    expect(await page.getByRole('heading').textContent()).toBe('The old app')
    expect(new URL(page.url()).pathname).toBe('/')
  })

  test('are a file that check finds nothing wrong with', async () => {
    const { code, stderr } = await sessd('check', EXAMPLE, ownSessions())
    expect([code, stderr]).toEqual([0, `${EXAMPLE}: no errors, no warnings\n`])
  })

  test('end together', async () => {
    const served = await serve()
    expect(await served.stop()).toEqual({ code: 0, stderr: `serving on ${served.url}\n` })
  })
})

test('the example says what is missing where the old app can not run', async () => {
  const { code, stderr } = await sessd('check', EXAMPLE, ownSessions(), 'python=/nowhere/python3')
  expect(code).toBe(78)
  expect(stderr).toContain(
    '[composite:old_app]: file:python.js threw Error: python: there is no program /nowhere/python3',
  )
})
