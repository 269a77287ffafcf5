// What an app hands back is its own: the filter looks whether it fails, and changes nothing else about it.

import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished, vi } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { guard } from '../../src/http/guard.js'
import type { App } from '../../src/protocol.js'
import { memoryStore } from '../../src/session/stores/memory.js'

const secret = 'a secret of more than thirty-two characters'

function filtered(app: App, store = memoryStore()) {
  const filter = beakerSession({ secret, key: 'sid', store })
  onTestFinished(async () => filter.close?.())
  return { app: filter(app), store }
}

async function serveBare(app: App): Promise<string> {
  const server = createServer(app as RequestListener)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

/** Does its work when somebody waits for it, each time: the queries of Knex, Mongoose and Drizzle. */
function lazy(work: () => Promise<unknown>): Promise<unknown> {
  // biome-ignore lint/suspicious/noThenProperty: that is the point
  return { then: (...on: Parameters<Promise<unknown>['then']>) => work().then(...on) } as Promise<unknown>
}

it('a query that an app returns runs once', async () => {
  let runs = 0
  const { app } = filtered((_req, res) =>
    lazy(async () => {
      runs++
      await new Promise((done) => res.end('done', () => done(undefined)))
    }),
  )
  const url = await serveBare(guard(app))
  expect(await (await fetch(url)).text()).toBe('done')
  expect(runs).toBe(1)
})

it('an app that fails on a server of its own fails as loudly as without the filter', async () => {
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve))
  onTestFinished(() => {
    process.removeAllListeners('unhandledRejection')
    for (const listener of others) process.on('unhandledRejection', listener)
  })
  const { app } = filtered(async () => {
    throw new Error('the app failed')
  })
  const url = await serveBare(app)
  const gone = fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => {})
  const first = await Promise.race([unhandled, gone.then(() => 'nothing, and no answer either')])
  expect(first).toEqual(new Error('the app failed'))
})

it.each<[string, (fail: () => Promise<unknown>) => unknown]>([
  ['a promise', (fail) => fail()],
  ['a query', (fail) => lazy(fail)],
])('nothing is stored for an app whose work fails in %s', async (_what, wrap) => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => stderr.mockRestore())
  const { app, store } = filtered((req) =>
    wrap(async () => {
      const session = await getSession(req)
      session.set('n', 1)
      session.save()
      throw new Error('the app failed')
    }),
  )
  const response = await fetch(await serveBare(guard(app)))
  expect(response.status).toBe(500)
  expect(response.headers.getSetCookie()).toEqual([])
  const ids: string[] = []
  for await (const id of store.ids!()) ids.push(id)
  expect(ids).toEqual([])
})
