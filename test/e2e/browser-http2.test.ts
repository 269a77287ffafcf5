// A real browser on a server with http2 = true: pages, forms and scripts over HTTP/2, a WebSocket beside them, one session.

import express from 'express'
import { expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { urlmap } from '../../src/apps/urlmap.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { startBrowser } from '../support/browser.js'
import { serveTls } from '../support/http2.js'

test('a browser speaks HTTP/2, opens WebSockets, and has one session in both', async (context) => {
  const shop = express().use(express.urlencoded({ extended: false }))
  shop.get(
    '/',
    (_req, res) => void res.send('<form method=post><input name=word value=kept><button>go</button></form>'),
  )
  shop.post('/', async (req, res) => {
    const session = await getSession<{ word: string }>(req)
    session.set('word', req.body.word)
    session.save()
    res.redirect(303, '/shop/done')
  })
  shop.get('/done', async (req, res) => void res.send(`done over ${req.httpVersion}`))
  const sockets = new WebSocketServer({ noServer: true })
  const live: App = (_req, res) => res.end('no socket')
  live.upgrade = async (req, socket, head) => {
    const session = await getSession<{ word: string }>(req)
    sockets.handleUpgrade(req, socket, head, (client) =>
      client.send(`${session.get('word')} over ${req.httpVersion}`),
    )
  }
  const app = beakerSession({ secret: 'a secret of more than thirty-two characters' })(
    urlmap({ '/shop': shop as unknown as App, '/live': live }),
  )
  const { port } = await serveTls(app, { http2: 'true', graceful_timeout: '0' })
  const browser = await startBrowser(context)
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage()
  await page.goto(`https://localhost:${port}/shop`)
  await page.click('button')
  expect(await page.textContent('body')).toBe('done over 2.0')
  const heard = await page.evaluate(
    `new Promise((resolve, reject) => {
      const socket = new WebSocket('wss://localhost:${port}/live')
      socket.onmessage = ({ data }) => resolve(data)
      socket.onerror = () => reject(new Error('no WebSocket'))
    })`,
  )
  expect(heard).toBe('kept over 1.1')
})
