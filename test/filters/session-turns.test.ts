import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { SessionTurns } from '../../src/filters/session-turns.js'
import type { Engine } from '../../src/session/state.js'

const LIMITS = { wait: 60_000, queue: 10 }

/** Turns whose engine is asked to store nothing. */
function turns() {
  const engine = { commit() {} } as Partial<Engine> as Engine
  return new SessionTurns(engine, { auto: false, lockRequests: false })
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
