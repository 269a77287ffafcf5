// The public functions, as a program without our command line uses them.

import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { appConfig, ConfigError, createLoader, loadApp, loadFilter, loadServer } from '../../src/loader.js'
import { listenFree } from '../support/http.js'
import { fileDirectory } from '../support/paste-stub.js'

const FILES = {
  'x.ini': `
[DEFAULT]
debug = true
[app:main]
use = file:parts.js#app
name = me
name2 = %(name)s
[app:fails]
use = file:parts.js#fails
[filter:loud]
use = file:parts.js#loud
[server:main]
use = egg:Paste#http
host = 127.0.0.1
port = 0
`,
  'parts.js': `
export const closed = []
const closing = (name, thing) => Object.assign(thing, { close: () => void closed.push(name) })
export const app = (globalConf, localConf) =>
  closing('app', (req, res) => res.end(globalConf.debug + ' ' + localConf.name))
export const fails = () => async () => { throw new Error('no luck') }
export const loud = () => closing('filter', (next) => (req, res) => {
  res.setHeader('x-loud', 'yes')
  return next(req, res)
})
`,
}

test('loadApp gives a handler for any node:http server, and close() ends what it stands on', async () => {
  const relativeTo = await fileDirectory(FILES)
  const app = await loadApp('config:x.ini', { relativeTo, globalConf: { debug: 'no' } })
  const port = await listenFree(createServer(app))
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('no me')
  await app.close?.()
  await app.close?.()
  const { closed } = (await import(`${relativeTo}/parts.js`)) as { closed: string[] }
  expect(closed).toEqual(['app'])
})

test('what an app throws is answered with 500', async () => {
  const relativeTo = await fileDirectory(FILES)
  const port = await listenFree(createServer(await loadApp('config:x.ini#fails', { relativeTo })))
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(500)
})

test('loadFilter and loadServer go together with apps from elsewhere', async () => {
  const relativeTo = await fileDirectory(FILES)
  const filter = await loadFilter('config:x.ini#loud', { relativeTo })
  const server = await loadServer('config:x.ini', { relativeTo })
  const running = await server(filter((_req, res) => res.end('hello')))
  const response = await fetch(running.urls[0]!)
  expect([response.headers.get('x-loud'), await response.text()]).toEqual(['yes', 'hello'])
  await running.close()
  await filter.close?.()
})

test('appConfig gives the merged settings in order, with both halves and the tree, and makes nothing', async () => {
  const relativeTo = await fileDirectory(FILES)
  const conf = await appConfig('config:x.ini', { relativeTo })
  expect(conf.debug).toBe('true')
  expect(Object.keys(conf.localConf)).toEqual(['name', 'name2'])
  expect([...conf].slice(-2)).toEqual([
    ['name', 'me'],
    ['name2', 'me'],
  ])
  expect(conf.globalConf).toMatchObject({ debug: 'true', here: relativeTo })
  expect(conf.context).toMatchObject({ name: 'main', use: 'file:parts.js#app', children: [] })
})

test('our own eggs are known by the names that Python files use', async () => {
  const relativeTo = await fileDirectory({
    'x.ini': '[app:main]\nuse = egg:Paste#cgi\n[app:b]\nuse = egg:pastedeploy\n',
  })
  await expect(loadApp('config:x.ini', { relativeTo })).rejects.toThrow(
    `${relativeTo}/x.ini:2: [app:main] use: egg:Paste has no app "cgi". There is: proxy, static, test, transparent_proxy, cascade, urlmap.`,
  )
  for (const uri of ['egg:Paste#http', 'egg:waitress', 'egg:WAITRESS#main', 'egg:sessd#http']) {
    expect(await loadServer(uri)).toBeTypeOf('function')
  }
})

test('a loader closes all that it loaded', async () => {
  const relativeTo = await fileDirectory(FILES)
  const loader = createLoader()
  await loader.load('app', 'config:x.ini', { relativeTo })
  await loader.load('filter', 'config:x.ini#loud', { relativeTo })
  await loader.close()
  const { closed } = (await import(`${relativeTo}/parts.js`)) as { closed: string[] }
  expect(closed).toEqual(['filter', 'app'])
})

test.each([
  ['a missing file', 'config:nope.ini', 'nope.ini: there is no such file.'],
  ['a directory', 'config:node_modules', 'node_modules: is a directory, expected an INI file'],
  [
    'an empty file',
    'config:empty.ini',
    'empty.ini: there is no [app:main], [composite:main], [pipeline:main] or [filter-app:main].',
  ],
  ['a file in Latin-1', 'config:latin.ini', 'latin.ini:2: byte 0xe9 is not UTF-8. Save the file as UTF-8'],
])('%s is one sentence', async (_title, uri, message) => {
  const relativeTo = await fileDirectory({ 'empty.ini': '' })
  const { writeFile } = await import('node:fs/promises')
  await writeFile(`${relativeTo}/latin.ini`, Buffer.from('[app:main]\nname = caf\xe9\nuse = x\n', 'latin1'))
  const error: unknown = await loadApp(uri, { relativeTo }).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(ConfigError)
  expect((error as Error).message.replaceAll(`${relativeTo}/`, '')).toBe(message)
})

test('a bad port is told at its line', async () => {
  const relativeTo = await fileDirectory({ 'x.ini': '[server:main]\nuse = egg:Paste#http\nport = abc\n' })
  await expect(loadServer('config:x.ini', { relativeTo })).rejects.toThrow(
    `${relativeTo}/x.ini:3: [server:main] port: expected`,
  )
})
