// Middleware from npm as filters, in both orders around the session.

import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { loadApp } from '../../src/loader.js'
import { serveApp, serveUnchecked } from '../support/http.js'
import { Visitor } from '../support/site.js'

const FRAMEWORKS = join(import.meta.dirname, '../fixtures/frameworks')

async function arrive(name: string, serve = serveApp) {
  const app = await loadApp(`config:connect.ini#${name}`, { relativeTo: FRAMEWORKS })
  onTestFinished(async () => app.close?.())
  const { url, port } = await serve(app)
  return { url, port, visitor: new Visitor(url) }
}

describe.each(['inside', 'outside'])('helmet, compression, cors and morgan %s of the session', (name) => {
  test('do their work, and the session is kept', async () => {
    const { visitor } = await arrive(name)
    const init = { headers: { 'accept-encoding': 'gzip', origin: 'https://example.org' } }
    await visitor.get('/first', init)
    const response = await visitor.fetch('/second', init)
    expect((await response.text()).slice(0, 4)).toBe('2 xx')
    const header = (key: string) => response.headers.get(key)
    expect([
      header('content-encoding'),
      header('strict-transport-security'),
      header('content-security-policy'),
    ]).toEqual(['gzip', 'max-age=60; includeSubDomains', null])
    expect([header('access-control-allow-origin'), header('access-control-allow-credentials')]).toEqual([
      'https://example.org',
      'true',
    ])
    const vary = header('vary')!.split(/, */)
    expect(vary).toEqual(expect.arrayContaining(['Origin', 'Accept-Encoding', 'Cookie']))
    expect([...visitor.jar.keys()]).toEqual(['beaker.session.id'])
  })

  test('cors answers a preflight without the session being read', async () => {
    const { visitor } = await arrive(name, serveUnchecked) // for old Safaris, cors gives its 204 a length
    const headers = { origin: 'https://example.org', 'access-control-request-method': 'PUT' }
    const response = await visitor.fetch('/', { method: 'OPTIONS', headers })
    expect([response.status, visitor.setCookies]).toEqual([204, []])
  })

  test('morgan logs the status that left', async () => {
    const { visitor } = await arrive(name)
    const stdout = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
    onTestFinished(() => stdout.mockRestore())
    await visitor.get('/logged?x=1')
    expect(stdout.mock.calls.map(([line]) => line)).toEqual(['GET /logged?x=1 200 -\n'])
  })

  test('an event stream passes compression event by event', async () => {
    const { url } = await arrive(name)
    const response = await fetch(`${url}/events`, { headers: { 'accept-encoding': 'gzip' } })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader.read()).value).toBe('data: 1\n\n')
    await reader.cancel()
  })
})
