import { join } from 'node:path'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { errorCatcher } from '../../../src/filters/error_catcher.js'
import { createLoader } from '../../../src/loader.js'
import type { App } from '../../../src/protocol.js'
import { startBrowser } from '../../support/browser.js'
import { bodyOf, exchange, serveApp } from '../../support/http.js'

const relativeTo = join(import.meta.dirname, '../../fixtures/errors')

afterEach(() => vi.unstubAllEnvs())

/** An app of the file, and what its error page says of the pipeline, row by row. */
async function load(name: string, withServer = false) {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const loader = createLoader()
  if (withServer) await loader.load('server', 'config:app.ini', { relativeTo })
  const { value } = await loader.load('app', `config:app.ini#${name}`, { relativeTo })
  onTestFinished(() => loader.close())
  return serveApp(value!)
}

function rowsOf(page: string): string[] {
  const [, table = ''] = /<h2>Pipeline<\/h2><table>(.*?)<\/table>/s.exec(page) ?? []
  return table
    .split('<tr>')
    .slice(1)
    .map((row) =>
      row
        .split(/<t[hd]>/)
        .slice(1)
        .join(' | ')
        .replace(/[| ]+$/, ''),
    )
}

async function pipeline(name: string, path: string, host = 'localhost', withServer = false) {
  const { port } = await load(name, withServer)
  const lines = [`GET ${path} HTTP/1.1`, `Host: ${host}`, 'Accept: text/html', 'Connection: close', '', '']
  return rowsOf(bodyOf(await exchange(port, lines.join('\r\n'))))
}

const FRONT = [
  '[pipeline:main] | pipeline | app.ini:11',
  '[filter:errors] | egg:Paste#error_catcher | app.ini:14',
  '[filter:session] | egg:Beaker#beaker_session | app.ini:17',
  '[composite:mounts] | egg:Paste#urlmap | app.ini:22',
]
const SHOP = [
  '/shop → [composite:shop] | egg:Paste#cascade | app.ini:31',
  'app1 → [app:home] | call:./apps.js:home | app.ini:28 | one of these',
  'app2 → [filter:lang] | egg:sessd#lang | app.ini:45 | one of these',
  '[app:boom] | call:./apps.js:boom | app.ini:41',
]

test('names server, filters, mounts and app with their places in the file', async () => {
  expect(await pipeline('main', '/shop/orders/5', 'Admin.Example.Org', true)).toEqual([
    '[server:main] | egg:Paste#http | app.ini:7',
    ...FRONT,
    'domain admin.example.org /shop → [composite:admin] | egg:Paste#urlmap | app.ini:36',
    '/orders → [filter:lang] | egg:sessd#lang | app.ini:45',
    '[app:boom] | call:./apps.js:boom | app.ini:41',
  ])
})

test('names all apps of a composite that does not choose by path', async () => {
  expect(await pipeline('main', '/shop/orders/5')).toEqual([...FRONT, ...SHOP])
})

test('finds the mount behind a prefix that a filter has taken off', async () => {
  expect(await pipeline('prefixed', '/site/shop/x')).toEqual([
    '[pipeline:prefixed] | pipeline | app.ini:50',
    FRONT[1],
    '[filter:prefix] | egg:PasteDeploy#prefix | app.ini:53',
    ...FRONT.slice(2),
    ...SHOP,
  ])
})

test('where a filter fails, says where the request was on its way to', async () => {
  expect(await pipeline('broken', '/shop/x')).toEqual([
    '[pipeline:broken] | pipeline | app.ini:58',
    FRONT[1],
    '[filter:fails] | call:./apps.js:fails | app.ini:61',
    FRONT[3],
    ...SHOP,
  ])
})

test('goes on through a composite that has one app', async () => {
  expect(await pipeline('one', '/')).toEqual([
    '[composite:one] | call:./apps.js:one | app.ini:65',
    'only → [filter-app:failing] | egg:Paste#evalerror | app.ini:69',
    '[pipeline:pipe] | pipeline | app.ini:73',
    '[filter:fails] | call:./apps.js:fails | app.ini:61',
    '[app:home] | call:./apps.js:home | app.ini:28',
  ])
})

test.each([
  ['b.example', '/shop/new', '/shop'],
  ['b.example', '/shop/old/1', '/shop/old'],
  ['b.example', '/shopping', '/'],
  ['A.example', '/shop/old/1', '/shop domain a.example'],
  ['a.example:82', '/shop', '/shop domain a.example'],
  ['a.example:81', '/shop', 'port 81 domain a.example /shop'],
  ['a.example:81', '/elsewhere', '/'],
])('at %s%s, finds the mount as urlmap does: %s', async (host, path, mount) => {
  expect((await pipeline('hosts', path, host)).filter((row) => row.includes('→'))).toEqual([
    `${mount} → [pipeline:pipe] | pipeline | app.ini:73`,
  ])
})

test('names no setting, and nothing at all in production or where no file was loaded', async () => {
  const { url } = await load('main')
  const get = async (of: string) =>
    (await fetch(`${of}/shop/orders`, { headers: { Accept: 'text/html', Host: 'localhost' } })).text()
  const page = await get(url)
  expect(page).toContain('<h2>Pipeline</h2>')
  expect(page).not.toContain('a secret that no page may show')
  vi.stubEnv('NODE_ENV', 'production')
  expect(await get(url)).toMatch(/^500 Internal Server Error\nReference: \S+\n$/)
  vi.stubEnv('NODE_ENV', 'test')
  const fails: App = () => Promise.reject(new Error('boom'))
  const { url: bare } = await serveApp(errorCatcher({ debug: true, write: () => {} })(fails))
  expect(await get(bare)).not.toContain('<h2>Pipeline')
})

test('fits a narrow screen, in light and in dark, and complains of nothing', async (context) => {
  const browser = await startBrowser(context)
  const { url } = await load('main', true)
  for (const colorScheme of ['light', 'dark'] as const) {
    const visitor = await browser.newContext({ colorScheme, viewport: { width: 390, height: 800 } })
    const page = await visitor.newPage()
    const complaints: string[] = []
    page.on('console', (message) => complaints.push(message.text()))
    await page.goto(`${url}/shop/orders`)
    expect(await page.getByRole('row', { name: '/shop → [composite:shop]' }).isVisible()).toBe(true)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
    expect(complaints).toEqual([expect.stringMatching(/status of 500/)])
  }
})
