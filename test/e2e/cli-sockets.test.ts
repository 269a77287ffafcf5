// A WebSocket of `sessd serve`, whose session is ended by another process: `sessd sessions revoke`, another worker.

import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { ROOT, type Served, serveFile, sessd } from '../support/cli.js'
import { directoryOf } from '../support/directory.js'
import type { Visitor } from '../support/site.js'

const APP = `
import { WebSocketServer } from '${join(ROOT, 'node_modules/ws/wrapper.mjs')}'
export default () => {
  const server = new WebSocketServer({ noServer: true })
  const app = async (req, res) => {
    const session = await req.environ['beaker.session'].load()
    const [, unless] = req.url.split('/out/')
    if (unless === undefined) {
      session.set('user', 'ann')
      session.save()
    } else if (unless !== String(process.pid)) session.delete()
    res.end(session.get('user') === undefined ? 'out' : session.id)
  }
  app.upgrade = (req, socket, head) => server.handleUpgrade(req, socket, head, (client) => {
    client.on('message', () => client.send(String(process.pid)))
  })
  return app
}
`

function site(server = '') {
  const ini = `
[server:main]
use = egg:Paste#http
port = 0
${server}

[app:main]
use = file:app.mjs
filter-with = session

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = a-secret-of-these-tests-alone
beaker.session.data_dir = %(here)s/data
beaker.session.socket_check = 1
`
  return join(directoryOf({ 'app.mjs': APP, 'app.ini': ini }), 'app.ini')
}

async function open({ url }: Served, who: Visitor) {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers: { cookie: who.cookie } })
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  return {
    async pid() {
      socket.send('who?')
      return String((await once(socket, 'message'))[0])
    },
    closed: once(socket, 'close').then(([code]) => code as number),
  }
}

test('`sessd sessions revoke` ends the WebSockets of the session while the server runs, and no others', async () => {
  const file = site()
  const served = await serveFile(file)
  const [ann, bob] = [served.visitor(), served.visitor()]
  const id = await ann.get('/')
  await bob.get('/')
  const [hers, his] = [await open(served, ann), await open(served, bob)]
  await hers.pid()
  expect((await sessd('sessions', 'revoke', file, id)).stderr).toBe(`revoked ${id}\n`)
  expect(await hers.closed).toBe(1006)
  expect(await his.pid()).toMatch(/^\d+$/)
  expect((await served.stop()).code).toBe(0)
})

test('a log-out in one worker ends the WebSocket in another', async () => {
  const served = await serveFile(site('workers = 2'))
  const ann = served.visitor()
  await ann.get('/')
  const socket = await open(served, ann)
  const pid = await socket.pid()
  const headers = { connection: 'close' }
  // Each connection goes to the next worker; the one with the socket does not log her out.
  while ((await ann.get(`/out/${pid}`, { headers })) !== 'out');
  expect(await socket.closed).toBe(1006)
  expect((await served.stop()).code).toBe(0)
})
