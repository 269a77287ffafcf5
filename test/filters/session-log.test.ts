// What the session filter tells a log that somebody set up.

import { expect, onTestFinished, test, vi } from 'vitest'
import { type LogRecord, useLogging } from '../../src/config/logging.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { publish } from '../../src/session/events.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'

const SECRET = 'a secret of more than thirty-two characters'

function recorded(): LogRecord[] {
  const records: LogRecord[] = []
  useLogging({ threshold: () => 0, write: (record) => void records.push(record) })
  onTestFinished(() => void useLogging(undefined))
  return records
}

const told = (records: readonly LogRecord[]) =>
  records.map(({ level, name, msg }) => `${level} ${name}: ${msg}`)

test('a session that is changed and never saved, once, and no process warning', async () => {
  const records = recorded()
  const warned = vi.spyOn(process, 'emitWarning')
  onTestFinished(() => warned.mockRestore())
  const filter = beakerSession({ secret: SECRET })
  const { visitor } = await serve(
    filter(async (req, res) => {
      const session = await getSession(req)
      session.set('n', 1)
      res.end()
    }),
  )
  await visitor().get('/a?token=1')
  await visitor().get('/a')
  expect(told(records)).toEqual([
    'warn sessd.session: GET /a: a session was changed and never saved: call session.save(), or set ' +
      'beaker.session.auto = true',
  ])
  expect(warned).not.toHaveBeenCalled()
})

test('a store that fails, with its error and no session id', async () => {
  const records = recorded()
  const rows = memoryStore()
  const save = () => Promise.reject(new Error('connect redis://:hunter2@10.0.0.1 refused'))
  const filter = beakerSession({ secret: SECRET, store: { ...rows, scope: 'network', save } })
  const { visitor } = await serve(
    filter(async (req, res) => {
      const session = await getSession(req)
      session.set('n', 1)
      session.save()
      res.end()
    }),
  )
  await visitor().get('/a')
  expect(told(records)).toEqual([
    'error sessd.session: GET /a: the session could not be stored: connect redis://:***@10.0.0.1 refused',
  ])
  expect(records[0]!.err?.stack).toContain('redis://:***@')
})

test('what happens to sessions and stores', () => {
  const records = recorded()
  publish({ type: 'conflict', attempt: 1 })
  publish({ type: 'retried' })
  publish({ type: 'merged' })
  publish({ type: 'swept', count: 7 })
  publish({ type: 'store-away', error: new Error('refused') })
  publish({ type: 'store-back' })
  expect(told(records)).toEqual([
    'debug sessd.session: another request stored the session first',
    'debug sessd.session: a session was stored anew, on top of what another request had stored',
    'debug sessd.session: a change of a session was merged with those of other requests',
    'debug sessd.session: expired sessions were removed',
    'warn sessd.session: the store is away',
    'info sessd.session: the store is back',
  ])
  expect(records[4]!.err?.message).toBe('refused')
  useLogging(undefined)
  const write = vi.spyOn(process.stderr, 'write')
  onTestFinished(() => write.mockRestore())
  publish({ type: 'store-away', error: new Error('refused') })
  expect(write).not.toHaveBeenCalled()
})
