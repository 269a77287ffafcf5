import { EventEmitter, once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { SessionTurns } from '../../src/filters/session-turns.js'
import { environ } from '../../src/http/environ.js'
import { Session } from '../../src/session/session.js'
import type { SessionState } from '../../src/session/state.js'
import { serve } from '../support/site.js'

const LIMITS = { wait: 60_000, queue: 10 }

/** Turns whose engine is asked to store nothing. */
function turns() {
  return new SessionTurns({ commit() {} }, { auto: false, lockRequests: false })
}

test('turns of one session come one after the other, first come first served, and those of others at once', async () => {
  const line = turns()
  const began: string[] = []
  const take = (name: string, id = 'a') =>
    Promise.resolve(line.take(id, LIMITS, new EventEmitter())).then((end) => {
      began.push(name)
      return end!
    })
  const first = await take('first')
  const [second, third] = [take('second'), take('third')]
  const other = await take('other', 'b')
  expect(began).toEqual(['first', 'other'])
  first()
  const endSecond = await second
  expect(began).toEqual(['first', 'other', 'second'])
  first() // twice is once
  expect(began).toEqual(['first', 'other', 'second'])
  endSecond()
  ;(await third)()
  other()
  expect(began).toEqual(['first', 'other', 'second', 'third'])
  expect(line.size).toBe(0)
})

test('who waits in vain, leaves, or finds the line too long gets none, and is forgotten', async () => {
  const line = turns()
  const take = (how: { wait?: number; queue?: number }, client = new EventEmitter()) =>
    line.take('a', { ...LIMITS, ...how }, client)
  const end = take({}) as () => void
  const client = new EventEmitter()
  const leaving = take({}, client)
  expect(take({ queue: 1 })).toBeNull()
  expect(client.listenerCount('close')).toBe(1)
  client.emit('close')
  expect(await leaving).toBeNull()
  expect(await take({ wait: 1 })).toBeNull()
  const last = take({}, client)
  end()
  ;(await last)!()
  expect(client.listenerCount('close')).toBe(0)
  expect(line.size).toBe(0)
})

/** `/in` begins a session, `/old` has a turn until 'answer', and all the others commit a change of their own. */
async function world() {
  const events = new EventEmitter()
  const states: SessionState[] = []
  class Watched<T extends object = Record<string, unknown>> extends Session<T> {
    constructor(state: SessionState) {
      super(state)
      states.push(state)
    }
  }
  const filter = beakerSession({ secret: 'a secret of these tests alone', key: 'sid', sessionClass: Watched })
  onTestFinished(async () => filter.close?.())
  const { visitor } = await serve(
    filter(async (req, res) => {
      const handle = environ(req)['beaker.session']!
      const wait = Number(new URL(req.url!, 'http://localhost').searchParams.get('wait') ?? 60_000)
      if (req.url!.startsWith('/old')) {
        const end = await handle.takeTurn({ wait, queue: 10 }, res)
        events.emit('turn')
        await once(events, 'answer')
        end?.()
        return res.end()
      }
      const session = req.url === '/find' ? (await handle.find(handle.id!))! : await handle.load()
      session.set('n', Number(session.get('n') ?? 0) + 1)
      if (req.url === '/in') session.save()
      else {
        events.emit('asked')
        await session.persist()
      }
      res.end(String(session.get('n')))
    }),
  )
  const bob = visitor()
  await bob.get('/in')
  return { bob, events, states }
}

test.each(['/persist', '/find'])(
  'what %s stores by itself waits for its turn as well, and nobody else does',
  async (path) => {
    const { bob, events } = await world()
    const turn = once(events, 'turn')
    const old = bob.get('/old')
    await turn
    const asked = once(events, 'asked')
    let isStored = false
    const own = bob.get(path).then((answer) => {
      isStored = true
      return answer
    })
    await asked
    const eve = bob.clone()
    eve.jar.clear()
    expect(await eve.get('/in')).toBe('1')
    expect(await eve.get('/persist')).toBe('2')
    expect(isStored).toBe(false)
    events.emit('answer')
    expect(await own).toBe('2')
    await old
  },
)

test('what gets no turn in time is stored nevertheless', async () => {
  const { bob, events } = await world()
  const turn = once(events, 'turn')
  const old = bob.get('/old?wait=1')
  await turn
  expect(await bob.get('/persist')).toBe('2')
  events.emit('answer')
  await old
})

test('a commit goes straight on as long as nobody has asked for a turn, and later if it writes nothing', async () => {
  const { bob, states } = await world()
  await bob.get('/persist')
  const state = states.at(-1)!
  const committed: SessionState[] = []
  const line = new SessionTurns(
    { commit: (given) => void committed.push(given) },
    { auto: false, lockRequests: false },
  )
  state.saveRequested = true
  expect(line.commit(state)).toBe(undefined)
  expect(committed).toEqual([state])
  const end = (await line.take(state.id, LIMITS, new EventEmitter()))!
  const waiting = line.commit(state)
  expect(committed).toHaveLength(1)
  state.saveRequested = false
  expect(line.commit(state)).toBe(undefined)
  expect(committed).toHaveLength(2)
  end()
  await waiting
  expect(committed).toHaveLength(3)
  expect(line.size).toBe(0)
})
