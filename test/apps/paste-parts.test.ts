// Paste's parts by their names in an INI, all in one composition.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { loadApp } from '../../src/loader.js'
import { serve } from '../support/site.js'

const PARTS = join(import.meta.dirname, '../fixtures/parts')

test('all parts stand in one composition, around one session', async () => {
  const here = await mkdtemp(join(tmpdir(), 'parts-'))
  onTestFinished(() => rm(here, { recursive: true }))
  const log = join(here, 'access.log')
  const app = await loadApp('config:paste.ini', { relativeTo: PARTS, globalConf: makeConf([['log', log]]) })
  const visitor = (await serve(app)).visitor()

  const first = await visitor.fetch('/shop/count', { headers: { 'Accept-Encoding': 'gzip' } })
  expect([first.status, first.headers.get('content-encoding'), await first.text()]).toEqual([
    200,
    'gzip',
    '1',
  ])
  expect(await visitor.get('/shop/count')).toBe('2')
  expect(await visitor.get('/shop/a.txt')).toBe('a file\n')

  const missing = await visitor.fetch('/shop/nope', { method: 'POST', body: 'x'.repeat(100_000) })
  expect([missing.status, await missing.text()]).toEqual([404, 'nothing here'])
  const gone = await visitor.fetch('/shop/gone')
  expect([gone.status, await gone.text()]).toEqual([410, '410 Gone\nit was here\n'])
  const failed = await visitor.fetch('/shop/boom')
  expect([failed.status, await failed.text()]).toEqual([
    500,
    `500 Internal Server Error\nReference: ${failed.headers.get('x-request-id')}\n`,
  ])

  const moved = await visitor.fetch('/shop/old/x')
  expect([moved.status, moved.headers.get('location')]).toEqual([302, '/shop/new'])
  expect((await visitor.fetch('/shop/other')).status).toBe(403)
  const page = await visitor.get('/shop/test', { headers: { 'X-Forwarded-For': '1.2.3.4' } })
  expect(page).toContain('<tr><th>SCRIPT_NAME<td>/shop/test')
  expect(page).toContain('<tr><th>REMOTE_ADDR<td>1.2.3.4')
  expect(await visitor.get('/shop/count')).toBe('3')

  await app.close?.()
  expect(await readFile(log, 'utf8')).toBe(
    [
      '127.0.0.1 "GET /shop/count" 200',
      '127.0.0.1 "GET /shop/count" 200',
      '127.0.0.1 "GET /shop/a.txt" 200',
      '127.0.0.1 "POST /shop/nope" 404',
      '127.0.0.1 "GET /shop/gone" 410',
      '127.0.0.1 "GET /shop/boom" 500',
      '127.0.0.1 "GET /shop/old/x" 302',
      '127.0.0.1 "GET /shop/other" 403',
      '1.2.3.4 "GET /shop/test" 200',
      '127.0.0.1 "GET /shop/count" 200',
      '',
    ].join('\n'),
  )
})
