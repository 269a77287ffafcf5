// Times that are longer than a timer of Node can be (24.8 days): it would take them for a millisecond.

import { EventEmitter, once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, expect, it, vi } from 'vitest'
import { SessionTurns } from '../../src/filters/session-turns.js'
import { Deadlines } from '../../src/session/deadlines.js'
import { MemcachedClient } from '../../src/session/stores/memcached-client.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { sweepAtIntervals } from '../../src/session/sweeper.js'

afterEach(() => void vi.restoreAllMocks())

it.each([2 ** 31 - 1, 2 ** 31, 1e13])('an operation of a store may take %d ms', async (milliseconds) => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  let finish = (_: string) => {}
  const work = new Promise<string>((resolve) => {
    finish = resolve
  })
  const done = new Deadlines(milliseconds).limit(work, () => new Error('late'))
  expect(warned).not.toHaveBeenCalled()
  finish('in time')
  expect(await done).toBe('in time')
})

it.each([1, 30])('a memcached server may take %d days to answer', async (days) => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const client = new MemcachedClient({ name: 'x', where: { host: '127.0.0.1', port } }, days * 86_400_000)
  const answer = client.send('mn')
  const [socket] = (await once(silent, 'connection')) as [Socket]
  socket.write('MN\r\n')
  expect((await answer).status).toBe('MN')
  expect(warned).not.toHaveBeenCalled()
  await client.close()
  socket.destroy()
  silent.close()
})

it('a request may wait for its turn for 30 days', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  const turns = new SessionTurns({ commit() {} }, { auto: false, lockRequests: false })
  const limits = { wait: 30 * 86_400_000, queue: 1 }
  const end = await turns.take('a', limits, new EventEmitter())
  const next = turns.take('a', limits, new EventEmitter())
  expect(warned).not.toHaveBeenCalled()
  end!()
  expect(await next).toBeTypeOf('function')
})

it('rows may be swept every 90 days', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue()
  const sweeper = sweepAtIntervals(memoryStore(), 90 * 86_400_000, () => {})
  await sweeper.stop()
  expect(warned).not.toHaveBeenCalled()
})
