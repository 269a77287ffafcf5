import { expect, test } from 'vitest'
import { metrics } from '../../src/filters/metrics.js'
import type { App } from '../../src/protocol.js'
import { beginOperation, endOperation, publish } from '../../src/session/events.js'
import { guardedStore } from '../../src/session/guarded-store.js'
import { exchange, serveApp, Wire } from '../support/http.js'

async function measured(app: App) {
  const filter = metrics()
  const site = await serveApp(filter(app))
  const read = async () => (await fetch(`${site.url}/metrics`)).text()
  return { ...site, filter, read }
}

test('requests are counted by method and class of status, and never by path', async () => {
  const { url, port, read } = await measured((req, res) => {
    res.statusCode = req.url === '/missing' ? 404 : 200
    res.end('body')
  })
  for (const path of ['/', '/secret-path', '/missing']) await (await fetch(url + path)).text()
  await exchange(port, 'PROPFIND / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  const text = await read()
  expect(text).toContain('sessd_requests_total{method="GET",status="2xx"} 2\n')
  expect(text).toContain('sessd_requests_total{method="GET",status="4xx"} 1\n')
  expect(text).toContain('sessd_requests_total{method="other",status="2xx"} 1\n')
  expect(text).toContain('sessd_request_duration_seconds_count 4\n')
  expect(text).toContain('sessd_requests_running 0\n')
  expect(text).not.toContain('secret-path')
})

test('a client that goes away is counted as aborted', async () => {
  let gone = () => {}
  const closed = new Promise<void>((resolve) => {
    gone = resolve
  })
  const { port, read } = await measured((_req, res) => {
    res.write('begun')
    res.on('close', () => gone())
  })
  const wire = new Wire(port)
  wire.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  await wire.until(/begun/)
  expect(await read()).toContain('sessd_requests_running 1\n')
  wire.reset()
  await closed
  expect(await read()).toContain('sessd_requests_total{method="GET",status="aborted"} 1\n')
})

test('what happens to sessions is counted until the filter is closed', async () => {
  const { filter, read } = await measured((_req, res) => res.end())
  publish({ type: 'conflict', attempt: 1 })
  publish({ type: 'conflict', attempt: 2 })
  expect(await read()).toContain('sessd_session_events_total{type="conflict"} 2\n')
  await filter.close!()
  publish({ type: 'conflict', attempt: 1 })
  expect(await read()).toContain('sessd_session_events_total{type="conflict"} 2\n')
})

test('conflicts, merges, retries and swept rows are told apart', async () => {
  const { read } = await measured((_req, res) => res.end())
  publish({ type: 'conflict', attempt: 1 })
  publish({ type: 'retried' })
  publish({ type: 'merged' })
  publish({ type: 'merged' })
  publish({ type: 'swept', count: 200 })
  publish({ type: 'swept', count: 7 })
  const text = await read()
  expect(text).toContain('sessd_session_events_total{type="conflict"} 1\n')
  expect(text).toContain('sessd_session_events_total{type="retried"} 1\n')
  expect(text).toContain('sessd_session_events_total{type="merged"} 2\n')
  expect(text).toContain('sessd_session_events_total{type="swept"} 207\n')
})

test('operations of stores are counted by what became of them, and timed, until the filter is closed', async () => {
  const { filter, read } = await measured((_req, res) => res.end())
  const store = guardedStore(
    {
      scope: 'network',
      load: async () => null,
      save: async () => Promise.reject(new Error('down')),
      delete: async () => true,
    },
    { timeout: 1000 },
  )
  const work = async () => {
    await store.load('a')
    await store.load('b')
    await Promise.resolve(store.save('a', new Uint8Array(), { expiresAt: null, expected: null })).catch(
      () => {},
    )
  }
  await work()
  const text = await read()
  expect(text).toContain('sessd_store_operations_total{operation="load",outcome="done"} 2\n')
  expect(text).toContain('sessd_store_operations_total{operation="save",outcome="failed"} 1\n')
  expect(text).toMatch(/^sessd_store_operation_seconds_sum\{operation="load"\} [\d.e-]+$/m)
  expect(text).toContain('sessd_store_operation_seconds_count{operation="load"} 2\n')
  await filter.close!()
  await work()
  expect(await read()).toContain('sessd_store_operation_seconds_count{operation="load"} 2\n')
})

test('every line is Prometheus text', async () => {
  const { url, read } = await measured((_req, res) => res.end())
  await fetch(url)
  publish({ type: 'gone' })
  endOperation('load', beginOperation(), 'late')
  const lines = (await read()).trimEnd().split('\n')
  const odd = lines.filter(
    (line) => !/^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? [\d.e+-]+)$/.test(line),
  )
  expect(odd).toEqual([])
})
