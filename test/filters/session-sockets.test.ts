// The session of a WebSocket: read at the handshake, changed while the socket is open, and over with it. What others end
// is looked for in session-socket-looks.test.ts.

import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession, revokeAll } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import type { Session } from '../../src/session/session.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serveApp } from '../support/http.js'
import { Visitor } from '../support/site.js'

type Chat = Awaited<ReturnType<typeof chat>>

/** `/in`, `/out`, `/move`, `/n`, `/all` over HTTP; a WebSocket that tells who it is, and does what it is told. */
async function chat(settings: Partial<Parameters<typeof beakerSession>[0]> = {}) {
  const server = new WebSocketServer({ noServer: true })
  const app: App = async (req, res) => {
    const session = await getSession<{ user?: string; n?: number }>(req)
    if (req.url === '/in') {
      session.set('user', 'ann')
      session.bindUser('ann')
    }
    if (req.url === '/out') session.delete()
    if (req.url === '/move') session.regenerateId()
    if (req.url === '/all') await revokeAll(req, 'ann')
    res.end(String(session.get('n')))
  }
  app.upgrade = async (req, socket, head) => {
    const session: Session<{ user?: string; n?: number }> = await getSession(req)
    server.handleUpgrade(req, socket, head, (client) => {
      client.on('error', () => {})
      client.send(`hello ${session.get('user')}`)
      client.on('message', async (data) => {
        if (String(data) === 'count') {
          session.set('n', (session.get('n') ?? 0) + 1)
          await session.persist()
        } else await session.reload()
        client.send(`n ${session.get('n')}`)
      })
    })
  }
  // Without looks at the store, which would end the sockets a little later.
  const filter = beakerSession({ secret: 'a-secret-of-these-tests-alone', socket_check: 0, ...settings })
  const { url } = await serveApp(filter(app))
  onTestFinished(() => filter.close!())
  const visitor = new Visitor(url)
  const open = async (who = visitor) => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers: { cookie: who.cookie } })
    onTestFinished(() => socket.terminate())
    const [greeting] = await once(socket, 'message')
    return {
      socket,
      greeting: String(greeting),
      closed: once(socket, 'close').then(([code]) => code as number),
    }
  }
  return { visitor, open, filter, url }
}

describe('a WebSocket', () => {
  test('reads the session of its cookie, and of none a new one', async () => {
    const { visitor, open, url } = await chat()
    expect((await open(new Visitor(url))).greeting).toBe('hello undefined')
    await visitor.get('/in')
    expect((await open()).greeting).toBe('hello ann')
  })

  test('stores by persist() what requests then see, and sees by reload() what others stored', async () => {
    const { visitor, open } = await chat()
    await visitor.get('/in')
    const [one, two] = [await open(), await open()]
    one.socket.send('count')
    expect(String((await once(one.socket, 'message'))[0])).toBe('n 1')
    expect(await visitor.get('/n')).toBe('1')
    two.socket.send('look')
    expect(String((await once(two.socket, 'message'))[0])).toBe('n 1')
  })

  test.each(['/out', '/move', '/all'])(
    'ends when %s ends the id that it came with, and no other does',
    async (path) => {
      const { visitor, open, url } = await chat()
      await visitor.get('/in')
      const sockets = [await open(), await open()]
      const other = await open(new Visitor(url))
      await visitor.get(path)
      expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([1006, 1006])
      other.socket.send('look')
      await once(other.socket, 'message')
    },
  )

  test.each([
    ['the app', async ({ visitor }: Chat) => void (await visitor.get('/all'))],
    ['an operator', async ({ filter }: Chat) => void (await filter.sessions!.revokeUser!('ann'))],
  ])('ends when %s ends all sessions of its user, one of which nobody can read', async (_who, endAll) => {
    const store = memoryStore()
    const here = await chat({ store, hash_ids: true })
    await here.visitor.get('/in')
    const { closed } = await here.open()
    const before = new Set<string>()
    for await (const id of store.ids!()) before.add(id)
    await new Visitor(here.url).get('/in')
    for await (const id of store.ids!()) {
      if (before.has(id)) continue
      const { revision } = (await store.load(id))!
      await store.save(id, Buffer.from('junk'), { expiresAt: null, expected: revision })
    }
    await endAll(here)
    expect(await closed).toBe(1006)
  })

  test('ends when an operator revokes its session here', async () => {
    const { visitor, open, filter } = await chat()
    await visitor.get('/in')
    const { closed } = await open()
    for await (const { id } of filter.sessions!.list!()) await filter.sessions!.revoke(id)
    expect(await closed).toBe(1006)
  })
})
