import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import { sessdCodec } from '../../src/session/codecs/sessd.js'
import type { SessionEvent } from '../../src/session/events.js'
import { Session } from '../../src/session/session.js'
import { makeSigner } from '../../src/session/signer.js'
import type { SessionStore } from '../../src/session/store.js'
import { StoredSessions } from '../../src/session/stored-sessions.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { plainSettings } from '../support/session-settings.js'

/** One of several processes on a store. */
function processOn(store: SessionStore, failOnConflict = false) {
  const engine = new StoredSessions<string>({
    store,
    codec: sessdCodec,
    signer: makeSigner('sid', ['a secret of some length']),
    settings: { ...plainSettings, failOnConflict },
    clock: Date.now,
    lockLimit: 1000,
  })
  return {
    async request(cookie?: string) {
      const state = cookie === undefined ? engine.create() : await engine.load(engine.verify(cookie)!)
      return new Session(state)
    },
    async begin() {
      const state = engine.create()
      const session = new Session(state)
      session.set('a', 1)
      await session.persist()
      return engine.cookieValue(state)
    },
  }
}

let events: SessionEvent['type'][]

beforeEach(() => {
  events = []
  const listen = (message: unknown) => events.push((message as SessionEvent).type)
  subscribe('sessd:session', listen)
  onTestFinished(() => void unsubscribe('sessd:session', listen))
})

async function change(session: Session, key: string) {
  session.set(key, 1)
  await session.persist()
}

it('a save that meets what another process stored is a conflict, made again and merged', async () => {
  const rows = memoryStore()
  const [here, there] = [processOn(rows), processOn(rows)]
  const cookie = await here.begin()
  const [first, second] = [await here.request(cookie), await there.request(cookie)]
  await change(first, 'b')
  expect(events).toEqual([])
  await change(second, 'c')
  expect(events).toEqual(['conflict', 'retried', 'merged'])
})

it('so is a session that is moved meanwhile', async () => {
  const rows = memoryStore()
  const [here, there] = [processOn(rows), processOn(rows)]
  const cookie = await here.begin()
  const [first, second] = [await here.request(cookie), await there.request(cookie)]
  await change(first, 'b')
  second.set('c', 1)
  second.regenerateId()
  await second.persist()
  expect(events).toEqual(['conflict', 'retried', 'merged'])
})

it('under on_conflict = fail there is a conflict, and nothing more', async () => {
  const rows = memoryStore()
  const [here, there] = [processOn(rows, true), processOn(rows, true)]
  const cookie = await here.begin()
  const [first, second, third] = [
    await here.request(cookie),
    await there.request(cookie),
    await there.request(cookie),
  ]
  await change(first, 'b')
  await expect(change(second, 'c')).rejects.toThrow('the session was changed by another request')
  third.regenerateId()
  await expect(third.persist()).rejects.toThrow('the session was changed by another request')
  expect(events).toEqual(['conflict', 'conflict'])
})

it('a change that can not be made on what others stored is not made again', async () => {
  const rows = memoryStore()
  const [here, there] = [processOn(rows), processOn(rows)]
  const cookie = await here.begin()
  const [first, second] = [await here.request(cookie), await there.request(cookie)]
  await change(first, 'b')
  second.update('b', (b) => {
    if (b !== undefined) throw new Error('taken')
    return 2
  })
  await expect(second.persist()).rejects.toThrow('taken')
  expect(events).toEqual(['conflict'])
})

it('a save that always comes too late is given up, and nothing is under way after that', async () => {
  const rows = memoryStore()
  let saves = 0
  const store: SessionStore = {
    ...rows,
    save(id, payload, how) {
      const current = rows.load(id)
      if (current === null) return rows.save(id, payload, how)
      saves++
      return Promise.resolve({ saved: false, current: { ...current, revision: -saves } })
    },
  }
  const here = processOn(store)
  const cookie = await here.begin()
  await expect(change(await here.request(cookie), 'b')).rejects.toThrow(
    'the session could not be stored: it was changed by others 50 times in a row',
  )
  expect(saves).toBe(50)
  expect(events.filter((type) => type === 'retried')).toHaveLength(49)
})
