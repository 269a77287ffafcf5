import { expect, test } from 'vitest'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { factory, pony } from '../../src/filters/pony.js'
import type { App } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'

const site: App = (req, res) => void res.end(`site ${req.method} ${req.url}`)

test('there is a pony, with a horn for who asks, below any mount', async () => {
  const { url } = await serveApp(urlmap({ '/m': pony()(site) }))
  const plain = await (await fetch(`${url}/m/pony`)).text()
  expect(plain).toContain('<h1>Pony</h1>')
  expect(plain).toContain('<a href="/m/pony?horn">add horn!</a>')
  const horned = await (await fetch(`${url}/m/pony?horn`)).text()
  expect(horned).toContain('<h1>Unicorn</h1>')
  expect(horned).toContain('<a href="/m/pony">remove horn!</a>')
  expect(horned.split('<pre>')[1]!.trimStart().startsWith('/')).toBe(true)
})

test('everything else is left to the app', async () => {
  const { url } = await serveApp(factory(makeConf([]), makeConf([]))(site))
  expect(await (await fetch(`${url}/ponies`)).text()).toBe('site GET /ponies')
  expect(await (await fetch(`${url}/pony`, { method: 'POST' })).text()).toBe('site POST /pony')
  expect(await (await fetch(`${url}/pony`, { method: 'HEAD' })).text()).toBe('')
})
