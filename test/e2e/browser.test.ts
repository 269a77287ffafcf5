// The example in a real browser.

import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { startBrowser } from '../support/browser.js'
import { serveFile } from '../support/cli.js'

test('somebody logs in, counts through both apps, logs out, and is logged out at both', async (context) => {
  const browser = await startBrowser(context)
  const { url } = await serveFile('examples/composite.ini')
  const visitor = await browser.newContext({ baseURL: url })
  const page = await visitor.newPage()
  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))

  await page.goto('/')
  await page.getByLabel('Your name').fill('Ada')
  await page.getByRole('button', { name: 'Log in' }).click()
  expect(await page.getByRole('heading').textContent()).toBe('Hello, Ada')
  expect(await page.locator('.note').textContent()).toBe('Welcome, Ada.')
  expect(await broker(page)).toEqual({ user: 'Ada', count: 0 })

  await page.goto('/')
  await page.getByRole('button', { name: 'Count' }).click()
  expect(await count(page)).toBe('1')
  await countByScript(page)
  await page.goto('/')
  expect(await count(page)).toBe('2')
  expect(await broker(page)).toEqual({ user: 'Ada', count: 2 })

  const [cookie] = await visitor.cookies()
  expect(cookie).toMatchObject({ name: 'my_project_key', httpOnly: true, sameSite: 'Lax', path: '/' })

  await page.goto('/')
  await page.getByRole('button', { name: 'Log out' }).click()
  expect(await page.getByRole('heading').textContent()).toBe('One session, three apps')
  expect(await count(page)).toBe('0')
  expect(await broker(page)).toEqual({ user: null, count: 0 })

  await visitor.addCookies([cookie!])
  expect(await broker(page)).toEqual({ user: null, count: 0 })
  await page.goto('/')
  expect(await page.getByRole('heading').textContent()).toBe('One session, three apps')
  expect(complaints).toEqual([])
})

test('two visitors share nothing, two tabs of one share everything', async (context) => {
  const browser = await startBrowser(context)
  const { url } = await serveFile('examples/composite.ini')
  const ada = await browser.newContext({ baseURL: url })
  const [left, right] = [await ada.newPage(), await ada.newPage()]
  const other = await (await browser.newContext({ baseURL: url })).newPage()

  await left.goto('/')
  await left.getByRole('button', { name: 'Count' }).click()
  await right.goto('/')
  expect(await count(right)).toBe('1')
  await other.goto('/')
  expect(await count(other)).toBe('0')
})

test('the page follows the link to the proxied server', async (context) => {
  const browser = await startBrowser(context)
  const { url } = await serveFile('examples/composite.ini')
  const page = await (await browser.newContext({ baseURL: url })).newPage()
  await page.goto('/')
  await page.getByRole('link', { name: '/proxy' }).click()
  expect(JSON.parse((await page.locator('body').textContent()) ?? '')).toMatchObject({
    upstream: 'was asked',
    forwarded: { 'x-forwarded-prefix': '/proxy' },
  })
})

function count(page: Page): Promise<string | null> {
  return page.locator('#count').textContent()
}

/** What /servicebroker shows to whoever opens it. */
async function broker(page: Page): Promise<unknown> {
  await page.goto('/servicebroker')
  return JSON.parse((await page.locator('body').textContent()) ?? '')
}

/** A POST by a script of the API's own page. */
async function countByScript(page: Page): Promise<void> {
  await page.goto('/servicebroker')
  expect(
    await page.evaluate(async () => (await fetch('/servicebroker/count', { method: 'POST' })).status),
  ).toBe(200)
}
