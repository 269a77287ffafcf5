// `sessd serve` as an operator sees it: lines, signals, exit codes.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { ROOT, run, serveFile } from '../support/cli.js'

const cwd = mkdtempSync(join(tmpdir(), 'sessd-serve-'))

/** `/slow` waits for SIGUSR2; `/reject` and `/crash` let an error escape. */
const APP = `
const go = new Promise((resolve) => process.once('SIGUSR2', resolve))
setInterval(() => {}, 1000) // an app that forgets to clean up
export default (globalConf, { greeting = 'hello' }) => {
  const app = async (req, res) => {
    if (req.url === '/slow') {
      console.error('slow began')
      const session = await req.environ['beaker.session']?.load()
      session?.set('slow', 'kept')
      session?.save()
      await go
    }
    if (req.url === '/reject') Promise.reject(new Error('nobody looked'))
    if (req.url === '/crash') setImmediate(() => { throw new TypeError('out of the blue') })
    if (req.url === '/kept') return res.end(String((await req.environ['beaker.session'].load()).get('slow')))
    res.end(greeting)
  }
  app.close = () => console.error('app closed')
  return app
}
`

const INI = `
[server:main]
use = egg:Paste#http
port = 1
graceful_timeout = 20

[server:other]
use = egg:Paste#http
host = 127.0.0.1

[app:main]
use = file:app.mjs
greeting = from the file

[app:admin]
use = file:app.mjs
greeting = from admin

[app:sessioned]
use = file:app.mjs
filter-with = session

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = a-secret-of-these-tests-alone
beaker.session.data_dir = %(here)s/data
`

beforeAll(() => {
  writeFileSync(join(cwd, 'app.mjs'), APP)
  writeFileSync(join(cwd, 'app.ini'), INI)
})

afterAll(() => rmSync(cwd, { recursive: true }))

const serve = (file = 'app.ini', ...args: string[]) => serveFile(join(cwd, file), ...args)
const sessd = (...args: string[]) => run(process.execPath, [join(ROOT, 'bin', 'sessd.js'), ...args], { cwd })

async function get(url: string): Promise<string> {
  return (await fetch(url)).text()
}

describe('what is served', () => {
  test('is [app:main] by [server:main], the port of the command line in place of the one in the file', async () => {
    const { url, stop, said } = await serve()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(said()).toBe(`serving on ${url}\n`)
    expect(await get(url)).toBe('from the file')
    expect(await stop()).toEqual({ code: 0, stderr: `serving on ${url}\napp closed\n` })
  })

  test('is the app after #, or after -n, which wins', async () => {
    expect(await get((await serve('app.ini#admin')).url)).toBe('from admin')
    expect(await get((await serve('app.ini#main', '-n', 'admin')).url)).toBe('from admin')
  })

  test('is by the server of --server-name, on the host of -H', async () => {
    const { url } = await serve('app.ini', '--server-name', 'other', '-H', 'localhost')
    expect(await get(url)).toBe('from the file')
  })

  test('has the settings of the command line', async () => {
    expect(await get((await serve('app.ini', 'greeting=100%(x)s = fine')).url)).toBe('100%(x)s = fine')
  })
})

test('-q says nothing', async () => {
  const port = await freePort()
  const child = run(process.execPath, ['-e', QUIET, join(ROOT, 'bin', 'sessd.js'), String(port)], { cwd })
  expect(await child).toEqual({ code: 0, stdout: 'from the file', stderr: 'app closed\n' })
})

/** Starts sessd, asks until it answers, stops it. */
const QUIET = `
const { spawn } = require('node:child_process')
const [bin, port] = process.argv.slice(1)
const child = spawn(process.execPath, [bin, 'serve', 'app.ini', '-q', '-p', port], { stdio: 'inherit' })
const ask = () => fetch('http://127.0.0.1:' + port).then((answer) => answer.text()).then(
  (text) => { process.stdout.write(text); child.kill('SIGTERM') },
  () => setTimeout(ask, 20),
)
ask()
child.on('exit', (code) => { process.exitCode = code })
`

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((done) => server.on('listening', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}

describe('a port that is taken', () => {
  test('is named, and nothing stays open', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise((done) => server.on('listening', done))
    const { port } = server.address() as AddressInfo
    expect(await sessd('serve', 'app.ini', '-p', String(port))).toEqual({
      code: 1,
      stdout: '',
      stderr: `app closed\nerror: port ${port} is taken: another program listens on 127.0.0.1:${port}\n`,
    })
  })
})

describe.each(['SIGINT', 'SIGTERM'] as const)('%s', (signal) => {
  test('lets a running request finish and stores its session, takes no new one, and exits 0', async () => {
    const served = await serve('app.ini#sessioned')
    const visitor = served.visitor()
    const slow = visitor.get('/slow')
    await served.says('slow began')
    served.signal(signal)
    await refusesConnections(served.url)
    served.signal('SIGUSR2')
    expect(await slow).toBe('hello')
    expect(await served.ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/app closed\n$/) })
    const again = await serve('app.ini#sessioned')
    const same = await fetch(`${again.url}/kept`, { headers: { cookie: visitor.cookie } })
    expect(await same.text()).toBe('kept')
  })

  test('a second time ends it at once, as shells count', async () => {
    const served = await serve('app.ini#sessioned')
    const slow = served
      .visitor()
      .get('/slow')
      .catch(() => 'cut off')
    await served.says('slow began')
    served.signal(signal)
    await refusesConnections(served.url)
    served.signal(signal)
    expect(await served.ended).toMatchObject({ code: signal === 'SIGINT' ? 130 : 143 })
    expect(await slow).toBe('cut off')
  })
})

test('a stop that takes long says what it waits for', async () => {
  const served = await serve()
  const slow = get(`${served.url}/slow`)
  await served.says('slow began')
  served.signal('SIGTERM')
  await served.says('waiting for running requests; a second signal (Ctrl-C) ends them\n')
  served.signal('SIGUSR2')
  expect(await slow).toBe('from the file')
  expect(await served.ended).toMatchObject({ code: 0 })
})

test('a signal while apps are still being made ends it', async () => {
  const ini = '[server:main]\nuse = egg:Paste#http\n[app:main]\nuse = file:endless.mjs\n'
  writeFileSync(join(cwd, 'endless.ini'), ini)
  writeFileSync(
    join(cwd, 'endless.mjs'),
    "export default () => (process.kill(process.pid, 'SIGTERM'), new Promise((done) => setInterval(() => {}, 1000)))\n",
  )
  expect(await sessd('serve', 'endless.ini')).toEqual({ code: 0, stdout: '', stderr: '' })
})

test('an app that writes to a closed stdout goes on serving', async () => {
  writeFileSync(
    join(cwd, 'talks.mjs'),
    "export default () => (req, res) => (process.stdout.write('x'), res.end('fine'))\n",
  )
  const ini = '[server:main]\nuse = egg:Paste#http\n[app:main]\nuse = file:talks.mjs\n'
  writeFileSync(join(cwd, 'talks.ini'), ini)
  const args = [join(ROOT, 'bin', 'sessd.js'), 'serve', 'talks.ini', '-p', '0']
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdout.destroy()
  const [line] = (await once(child.stderr.setEncoding('utf8'), 'data')) as [string]
  const url = line.replace('serving on ', '').trim()
  for (let nth = 0; nth < 5; nth++) expect(await get(url)).toBe('fine')
  child.kill('SIGTERM')
  expect(await once(child, 'exit')).toEqual([0, null])
})

describe('an error that escapes an app', () => {
  test('as a rejected promise is told, and serving goes on', async () => {
    const { url, says, stop } = await serve()
    expect(await get(`${url}/reject`)).toBe('from the file')
    await says('error: a promise was rejected and nobody handled it: nobody looked (--debug shows where)\n')
    expect(await get(url)).toBe('from the file')
    expect(await stop()).toMatchObject({ code: 0 })
  })

  test('as an exception is told, and ends the service in good order with exit 1', async () => {
    const served = await serve()
    await get(`${served.url}/crash`).catch(() => {})
    expect(await served.ended).toEqual({
      code: 1,
      stderr:
        `serving on ${served.url}\n` +
        'error: stopping, because nobody caught this: TypeError: out of the blue (--debug shows where)\n' +
        'app closed\n',
    })
  })

  test('has a stack with --debug', async () => {
    const served = await serve('app.ini', '--debug')
    await get(`${served.url}/reject`)
    await served.says('error: a promise was rejected and nobody handled it: nobody looked\n    at ')
    await served.says('app.mjs:')
  })
})

/** Resolves when the server has closed its port. */
async function refusesConnections(url: string): Promise<void> {
  const { port } = new URL(url)
  for (;;) {
    const open = await new Promise((resolve) => {
      const socket = connect(Number(port), '127.0.0.1')
      socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open === false) return
  }
}
