// What workers do at the edges: one that won't end, all of them gone at once, logs that were moved, HTTP/2.

import { readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { serveFile } from '../support/cli.js'
import { directoryOf } from '../support/directory.js'
import { connect2 } from '../support/http2.js'
import { get } from '../support/load.js'

const TLS = join(import.meta.dirname, '../fixtures/tls')

const APP = `
const go = new Promise((resolve) => process.on('SIGUSR2', resolve))
export default (globalConf, { greeting = 'none', closes = 'yes' }) => {
  const app = async (req, res) => {
    if (req.url === '/loop') for (;;);
    if (req.url === '/slow') {
      const session = await req.environ['beaker.session'].load()
      session.set('kept', 'yes')
      session.save()
      await go
    }
    if (req.url === '/kept') return res.end(String((await req.environ['beaker.session'].load()).get('kept')))
    res.end(process.pid + ' ' + greeting)
  }
  if (closes === 'no') app.close = () => new Promise(() => setInterval(() => {}, 1000))
  return app
}
`

interface Site {
  readonly server?: string
  readonly app?: string
  readonly pipeline?: string
}

function site({ server = '', app = '', pipeline = 'session hello' }: Site = {}) {
  const ini = `
[server:main]
use = egg:Paste#http
port = 0
${server}

[pipeline:main]
pipeline = ${pipeline}

[app:hello]
use = file:app.mjs
${app}

[filter:log]
use = egg:Paste#translogger
log_file = access.log
format = %%(REQUEST_URI)s

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = a-secret-of-these-tests-alone
beaker.session.data_dir = %(here)s/data
`
  const directory = directoryOf({ 'app.mjs': APP, 'app.ini': ini })
  return { directory, file: join(directory, 'app.ini') }
}

/** On a connection of its own. */
const fetchText = async (url: string) => (await fetch(url, { headers: { connection: 'close' } })).text()

const pidOf = (answer: string) => Number(answer.split(' ')[0])

describe('a worker that was replaced', () => {
  test('ends although its app never closes', async () => {
    const { file } = site({ server: 'workers = 2\ngraceful_timeout = 0', app: 'closes = no' })
    const served = await serveFile(file)
    const before = pidOf(await get(served.url))
    served.signal('SIGHUP')
    await served.says('loaded again')
    await vi.waitFor(() => expect(() => process.kill(before, 0)).toThrow('ESRCH'), 20_000)
    expect(served.said()).toContain('what was to be closed in the end did not close within 5 seconds')
    expect(await get(served.url)).toMatch('none')
  })

  test('is killed when it is in an endless loop', async () => {
    const { file } = site({ server: 'workers = 2\ngraceful_timeout = 0' })
    const served = await serveFile(file)
    const looping = fetch(`${served.url}/loop`).catch(() => {})
    served.signal('SIGHUP')
    await served.says('did not end within 6 seconds, it is killed')
    await looping
    expect(await get(served.url)).toMatch('none')
    expect((await served.stop()).code).toBe(0)
  })
})

test.each([
  [1, ''],
  [2, 'workers = 2'],
])('a port that was any free one stays when every worker is killed (%i)', async (count, server) => {
  const { file } = site({ server })
  const served = await serveFile(file, ...(count === 1 ? ['--reload'] : []))
  const seen = new Set<number>()
  await vi.waitFor(async () => {
    for (const answer of await Promise.all(Array.from({ length: 12 }, () => fetchText(served.url))))
      seen.add(pidOf(answer))
    expect(seen.size).toBe(count)
  }, 10_000)
  for (const pid of seen) process.kill(pid, 'SIGKILL')
  await vi.waitFor(async () => expect(seen.has(pidOf(await get(served.url)))).toBe(false), 10_000)
  served.signal('SIGHUP')
  await served.says('loaded again')
  expect(await get(served.url)).toMatch('none')
  expect((await served.stop()).code).toBe(0)
})

test.each(['', 'workers = 2'])('SIGHUP has a log that was moved away begin anew (%s)', async (server) => {
  const { directory, file } = site({ server, pipeline: 'log session hello' })
  const log = join(directory, 'access.log')
  const served = await serveFile(file)
  await get(`${served.url}/before`)
  await vi.waitFor(() => expect(readFileSync(log, 'utf8')).toBe('/before\n'))
  renameSync(log, `${log}.1`)
  served.signal('SIGHUP')
  await served.says('loaded again')
  // One that goes may still have taken a request meanwhile.
  await vi.waitFor(async () => {
    await get(`${served.url}/after`)
    expect(readFileSync(log, 'utf8')).toMatch(/^\/after\n/)
  }, 5000)
  expect(readFileSync(`${log}.1`, 'utf8')).toMatch(/^\/before\n/)
})

describe('over HTTP/2', () => {
  const tls = `http2 = true\ntls_cert = ${TLS}/cert.pem\ntls_key = ${TLS}/key.pem`

  test('SIGTERM lets 100 running requests of one connection finish and stores their sessions', async () => {
    const { file } = site({ server: tls })
    const served = await serveFile(file)
    const { ask, session } = await connect2(served.url)
    const pid = pidOf((await ask('/')).body)
    const slow = Promise.all(Array.from({ length: 100 }, () => ask('/slow')))
    await ask('/') // all hundred are on their way before it
    const told = new Promise((resolve) => session.once('goaway', resolve))
    served.signal('SIGTERM')
    await told
    process.kill(pid, 'SIGUSR2')
    const answers = await slow
    expect(answers.filter(({ status, whole }) => status !== 200 || !whole)).toEqual([])
    expect((await served.ended).code).toBe(0)
    const again = await connect2((await serveFile(file)).url)
    const kept = await Promise.all(
      answers.map(async ({ headers }) => {
        const cookie = headers['set-cookie']![0]!.split(';')[0]!
        return (await again.ask('/kept', { cookie })).body
      }),
    )
    expect(kept.filter((value) => value !== 'yes')).toEqual([])
  })

  test('no request fails when workers are replaced: a client asks again what was not taken', async () => {
    const { file } = site({ server: `${tls}\nworkers = 2` })
    const served = await serveFile(file)
    const outcomes = { answered: 0, failed: 0 }
    const seen = new Set<number>()
    let going = true
    const client = async () => {
      let { ask, session } = await connect2(served.url)
      while (going) {
        const answer = session.closed ? undefined : await ask('/').catch(() => undefined)
        // Refused, or never sent: nobody has begun to answer (RFC 9113, 8.7).
        if (answer === undefined || answer.reset === 7) ({ ask, session } = await connect2(served.url))
        else if (answer.status === 200 && answer.whole)
          outcomes.answered += seen.add(pidOf(answer.body)) ? 1 : 0
        else outcomes.failed++
      }
    }
    const clients = Array.from({ length: 4 }, client)
    await vi.waitFor(() => expect(outcomes.answered).toBeGreaterThan(50), 10_000)
    const before = new Set(seen)
    served.signal('SIGHUP')
    await served.says('loaded again')
    await vi.waitFor(() => expect([...seen].some((pid) => !before.has(pid))).toBe(true), 10_000)
    going = false
    await Promise.all(clients)
    expect(outcomes.failed).toBe(0)
    expect((await served.stop()).code).toBe(0)
  })
})
