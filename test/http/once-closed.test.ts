import { EventEmitter } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import compression from 'compression'
import { expect, onTestFinished, test } from 'vitest'
import { adaptMiddleware } from '../../src/apps/adapt.js'
import { cascade } from '../../src/apps/cascade.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { gzip } from '../../src/filters/gzip.js'
import { metrics } from '../../src/filters/metrics.js'
import { translogger } from '../../src/filters/translogger.js'
import { onceClosed } from '../../src/http/once-closed.js'
import type { App, Filter } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'

/** What Node warns of, until the test is over. */
function warnings(): string[] {
  const heard: string[] = []
  const hear = (warning: Error) => void heard.push(warning.name)
  process.on('warning', hear)
  onTestFinished(() => void process.off('warning', hear))
  return heard
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** Counts its visits and the bytes that it got, and pipes its answer, which alone adds seven listeners. */
const piping: App = async (req, res) => {
  let bytes = 0
  for await (const chunk of req) bytes += (chunk as Buffer).length
  const session = await getSession<{ n?: number }>(req)
  session.set('n', (session.get('n') ?? 0) + 1).save()
  res.setHeader('Content-Type', 'text/plain')
  await pipeline(Readable.from([`${bytes} bytes`, '.'.repeat(10_000)]), res)
}

const none: App = (_req, res) => {
  res.statusCode = 404
  res.end()
}

const session = () => beakerSession({ secret: 'a secret of these tests alone', type: 'memory' })
const logged = () => translogger({ write: () => {} })
const stack = (filters: readonly Filter[], app: App) =>
  filters.reduceRight((next, filter) => filter(next), app)

test.each<[string, () => App]>([
  ['in the last app of a cascade', () => cascade([none, piping])],
  ['in a tried app', () => cascade([cascade([none, piping]), none])],
  ['behind filters inside a cascade', () => cascade([none, stack([logged(), gzip(), logged()], piping)])],
])('no part makes Node warn of listeners: a piped answer %s', async (_where, make) => {
  const heard = warnings()
  const outside = [logged(), metrics(), gzip(), session(), adaptMiddleware(compression())!, logged()]
  const { url } = await serveApp(stack(outside, make()))
  const response = await fetch(url, { method: 'POST', body: 'x'.repeat(100_000) })
  expect(await response.text()).toMatch(/^100000 bytes\.{10000}$/)
  await nextTurn()
  expect(heard).toEqual([])
})

test('an app may add as many listeners as on a bare server, and is warned at the next', async () => {
  for (const [count, expected] of [
    [10, []],
    [11, ['MaxListenersExceededWarning']],
  ] as const) {
    const heard = warnings()
    const greedy: App = (_req, res) => {
      for (let i = 0; i < count; i++) res.on('close', () => {})
      res.end()
    }
    const { url } = await serveApp(stack([logged(), metrics()], greedy))
    await (await fetch(url)).text()
    await nextTurn()
    expect(heard).toEqual(expected)
  }
})

test('who has asked for any number of listeners keeps it', () => {
  const res = new EventEmitter().setMaxListeners(0)
  onceClosed(res, () => {})
  expect(res.getMaxListeners()).toBe(0)
})
