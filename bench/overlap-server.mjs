// One process of the overlap bench: sessions in the store that argv describes, the port on stdout.

import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { beakerSession, getSession } from '../dist/index.js'
import { openStore } from './stores.mjs'

const [name, location] = process.argv.slice(2)
const settings = {
  secret: 'the bench needs no secret of its own',
  key: 'sid',
  ...(await openStore(name, location)),
}

async function app(req, res) {
  const url = new URL(req.url, 'http://bench')
  const session = await getSession(req)
  const delay = Number(url.searchParams.get('delay') ?? 0)
  if (delay > 0) await sleep(delay)
  let answer = null
  switch (url.pathname) {
    case '/set':
      session.set(url.searchParams.get('key'), true)
      session.save()
      break
    case '/add':
      session.update('n', (n = 0) => n + 1)
      break
    case '/logout':
      session.delete()
      break
    case '/all':
      answer = session.toJSON()
      break
  }
  res.end(JSON.stringify(answer))
}

const server = createServer(beakerSession(settings)(app))
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.on('disconnect', () => process.exit())
