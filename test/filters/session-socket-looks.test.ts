// What other processes end, or what expires, ends WebSockets too: at the next look at the row of their session.

import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { emptyDirectory } from '../support/directory.js'
import { serveApp } from '../support/http.js'
import { Visitor } from '../support/site.js'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

type Settings = Parameters<typeof beakerSession>[0]

/** `/in`, `/out`, `/move` over HTTP, and a WebSocket; with `reads = false` one that has no interest in the session. */
async function site(settings: Settings, { reads = true } = {}) {
  const server = new WebSocketServer({ noServer: true })
  const app: App = async (req, res) => {
    const session = await getSession(req)
    if (req.url === '/in') session.set('user', 'ann')
    if (req.url === '/in') session.save()
    if (req.url === '/out') session.delete()
    if (req.url === '/move') session.regenerateId()
    res.end(String(session.get('user')))
  }
  app.upgrade = async (req, socket, head) => {
    const session = reads ? await getSession(req) : undefined
    server.handleUpgrade(req, socket, head, (client) => {
      client.on('message', async () => {
        if (session?.isNew === false) await session.persist()
        client.send('still here')
      })
    })
  }
  const filter = beakerSession({ secret: 'a-secret-of-these-tests-alone', ...settings })
  const { url } = await serveApp(filter(app))
  const close = async () => filter.close!()
  onTestFinished(close)
  const open = async (who: Visitor) => {
    const socket = new WebSocket(url.replace('http', 'ws'), { headers: { cookie: who.cookie } })
    onTestFinished(() => socket.terminate())
    await once(socket, 'open')
    return {
      /** Resolves when an answer has come; a socket that was ended gives none. */
      async talk() {
        socket.send('hello')
        await once(socket, 'message')
      },
      closed: once(socket, 'close').then(([code]) => code as number),
    }
  }
  return { visitor: () => new Visitor(url), open, close, url }
}

/** The same person at another address. */
function at(url: string, who: Visitor): Visitor {
  const same = new Visitor(url)
  for (const [name, value] of who.jar) same.jar.set(name, value)
  return same
}

/** Time enough for one look at each session. */
const passTime = () => vi.advanceTimersByTimeAsync(30_000)

describe('a WebSocket', () => {
  test.each(['/out', '/move'])(
    'ends when %s in another process ends its session, and no other does',
    async (path) => {
      const store = memoryStore()
      const [here, there] = [await site({ store }), await site({ store })]
      const [ann, bob] = [here.visitor(), here.visitor()]
      await ann.get('/in')
      await bob.get('/in')
      const sockets = [await here.open(ann), await here.open(ann)]
      const other = await here.open(bob)
      const stranger = await here.open(here.visitor())
      await passTime()
      await sockets[0]!.talk()
      await at(there.url, ann).get(path)
      await sockets[0]!.talk()
      await passTime()
      expect(await Promise.all(sockets.map(({ closed }) => closed))).toEqual([1006, 1006])
      await other.talk()
      await stranger.talk()
    },
  )

  test('ends with its session although the app on it never asked for that', async () => {
    const store = memoryStore()
    const [here, there] = [await site({ store }, { reads: false }), await site({ store })]
    const ann = here.visitor()
    await ann.get('/in')
    const { closed } = await here.open(ann)
    await at(there.url, ann).get('/out')
    await passTime()
    expect(await closed).toBe(1006)
  })

  test('of a cookie session ends when another process with the same data_dir logs it out', async () => {
    const settings: Settings = { type: 'cookie', revoke: 'store', data_dir: emptyDirectory() }
    const [here, there] = [await site(settings), await site(settings)]
    const ann = here.visitor()
    await ann.get('/in')
    const socket = await here.open(ann)
    await at(there.url, ann).get('/out')
    await passTime()
    expect(await socket.closed).toBe(1006)
  })

  test('ends when its session expires: to be open is no use of it, to persist() is', async () => {
    let now = 1_700_000_000_000
    const here = await site({ type: 'memory', timeout: 600, clock: () => now })
    const [ann, bob] = [here.visitor(), here.visitor()]
    await ann.get('/in')
    await bob.get('/in')
    const [silent, busy] = [await here.open(ann), await here.open(bob)]
    now += 400_000
    await passTime()
    await busy.talk()
    now += 400_000
    await passTime()
    expect(await silent.closed).toBe(1006)
    await busy.talk()
  })

  test('stays when the cookie that it brought was of no live session: the next one would bring it again', async () => {
    const store = memoryStore()
    const [here, unread] = [await site({ store }), await site({ store }, { reads: false })]
    const ann = here.visitor()
    await ann.get('/in')
    const old = ann.clone()
    await ann.get('/out')
    const sockets = [await here.open(old), await unread.open(at(unread.url, old))]
    await passTime()
    await passTime()
    for (const socket of sockets) await socket.talk()
  })

  test('stays while the store is away, and ends when the store is back and says so', async () => {
    let away = false
    const bare = memoryStore()
    const store: SessionStore = {
      ...bare,
      load: (id) => (away ? Promise.reject(new Error('away')) : bare.load(id)),
    }
    const [here, there] = [await site({ store }), await site({ store: bare })]
    const ann = here.visitor()
    await ann.get('/in')
    const socket = await here.open(ann)
    await at(there.url, ann).get('/out')
    away = true
    await passTime()
    await passTime()
    await socket.talk()
    away = false
    await passTime()
    expect(await socket.closed).toBe(1006)
  })

  test('of a session of another library leaves that be, and ends when it becomes one of ours', async () => {
    const store = memoryStore()
    const before = await site({ store, format: 'beaker' })
    const ann = before.visitor()
    await ann.get('/in')
    const here = await site({ store, accept: 'beaker' })
    const socket = await here.open(at(here.url, ann))
    await passTime()
    await socket.talk()
    expect(await at(here.url, ann).get('/')).toBe('ann')
    expect(await socket.closed).toBe(1006)
  })

  test('stays with socket_check = 0 until this process ends its session', async () => {
    const bare = memoryStore()
    let loads = 0
    const store: SessionStore = {
      ...bare,
      load(id) {
        loads++
        return bare.load(id)
      },
    }
    const here = await site({ store, socket_check: 0 }, { reads: false })
    const ann = here.visitor()
    await ann.get('/in')
    const socket = await here.open(ann)
    await passTime()
    await socket.talk()
    expect(loads).toBe(0)
    await ann.get('/out')
    expect(await socket.closed).toBe(1006)
  })

  test('ends when its filter is closed, after which nobody would see to it', async () => {
    const here = await site({ type: 'memory' })
    const ann = here.visitor()
    await ann.get('/in')
    const socket = await here.open(ann)
    await here.close()
    expect(await socket.closed).toBe(1006)
  })
})

describe('looks for the sessions of WebSockets', () => {
  test('ask once for each session in socket_check, a few at a time, and not all together', async () => {
    const bare = memoryStore()
    let underWay = 0
    let most = 0
    const loads: string[] = []
    const store: SessionStore = {
      ...bare,
      async load(id) {
        loads.push(id)
        most = Math.max(most, ++underWay)
        await new Promise((resolve) => setImmediate(resolve))
        underWay--
        return bare.load(id)
      },
    }
    const here = await site({ store })
    for (let who = 0; who < 40; who++) {
      const visitor = here.visitor()
      await visitor.get('/in')
      await here.open(visitor)
      await here.open(visitor)
    }
    loads.length = 0
    most = 0
    const perSecond: number[] = []
    for (let second = 0; second < 30; second++) {
      const before = loads.length
      await vi.advanceTimersByTimeAsync(1000)
      do await new Promise((resolve) => setImmediate(resolve))
      while (underWay > 0)
      perSecond.push(loads.length - before)
    }
    expect(loads).toHaveLength(40)
    expect(new Set(loads).size).toBe(40)
    expect(most).toBeLessThanOrEqual(8)
    expect(Math.max(...perSecond)).toBeLessThan(20)
  })
})
