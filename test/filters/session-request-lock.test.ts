// lock = request: whatever happens to a request, it does not take the lock with it.

import { EventEmitter, once } from 'node:events'
import { expect, it, onTestFinished, vi } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'

it('a session that can not be loaded once its lock is had is free for the next request', async () => {
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => void vi.restoreAllMocks())
  const rows = memoryStore()
  let failing = 0
  const store: SessionStore = {
    scope: 'process',
    save: (...args) => rows.save(...args),
    delete: (id) => rows.delete(id),
    async load(id) {
      if (failing > 0 && --failing === 0) throw new Error('ECONNRESET')
      return rows.load(id)
    },
  }
  const filter = beakerSession({
    secret: 'a secret of more than thirty-two characters',
    key: 'sid',
    store,
    lock: 'request',
    lock_timeout: 60,
  })
  onTestFinished(async () => filter.close?.())
  const { visitor } = await serve(
    filter(async (req, res) => {
      const session = await getSession(req)
      session.set('n', 1)
      session.save()
      res.end('served')
    }),
  )
  const bob = visitor()
  await bob.get('/')
  // The load that finds the row is answered, that under the lock is not.
  failing = 2
  expect((await bob.fetch('/')).status).toBe(500)
  expect(await bob.get('/')).toBe('served')
})

it.each(['head', 'body'])(
  'a response whose %s fails because of another filter gives the lock back',
  async (part) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => void vi.restoreAllMocks())
    const rows = memoryStore()
    const full: SessionStore = {
      ...rows,
      save: (id, payload, how) =>
        how.expected === null ? rows.save(id, payload, how) : Promise.reject(new Error('full')),
    }
    const settings = { secret: 'a secret of more than thirty-two characters', lock_timeout: 60 }
    const locking = beakerSession({ ...settings, key: 'sid', store: memoryStore(), lock: 'request' })
    const failing = beakerSession({ ...settings, key: 'other', store: full, environ_key: 'other.session' })
    onTestFinished(async () => {
      await locking.close?.()
      await failing.close?.()
    })
    const app: App = async (req, res) => {
      const session = await getSession(req)
      const other = await environ(req)['other.session' as 'beaker.session']!.load()
      if (req.url === '/body') {
        await new Promise((sent) => res.write('begun', sent))
        await session.lock()
      }
      if (req.url === '/begin') {
        session.set('n', 1)
        session.save()
      }
      if (req.url !== '/') {
        other.set('n', req.url)
        other.save()
      }
      res.end('served')
    }
    const bob = (await serve(locking(failing(app)))).visitor()
    await bob.get('/begin')
    const answer = bob.fetch(`/${part}`).then((response) => response.text())
    if (part === 'head') expect(await answer).toBe('Internal Server Error\n')
    else await expect(answer).rejects.toThrow('terminated')
    expect(await bob.get('/')).toBe('served')
  },
)

it('who has the lock and wants a turn does not wait for one who has the turn and wants the lock', async () => {
  const filter = beakerSession({
    secret: 'a secret of more than thirty-two characters',
    key: 'sid',
    store: memoryStore(),
    lock: 'request',
    lock_timeout: 60,
  })
  onTestFinished(async () => filter.close?.())
  const limits = { wait: 60_000, queue: 10 }
  const gates = new EventEmitter()
  const [loaded, waiting] = [once(gates, 'loaded'), once(gates, 'waiting')]
  const { visitor } = await serve(
    filter(async (req, res) => {
      const handle = environ(req)['beaker.session']!
      if (req.url === '/begin') {
        const session = await getSession(req)
        session.set('n', 1)
        session.save()
        return res.end()
      }
      if (req.url === '/loads-first') {
        await handle.load()
        gates.emit('loaded')
        await waiting
      }
      const turn = handle.takeTurn(limits, res)
      if (req.url === '/turn-first') gates.emit('waiting')
      const end = await turn
      res.end(typeof end)
      end?.()
    }),
  )
  const bob = visitor()
  await bob.get('/begin')
  const first = bob.get('/loads-first')
  await loaded
  const second = bob.get('/turn-first')
  expect(await Promise.all([first, second])).toEqual(['function', 'function'])
})
