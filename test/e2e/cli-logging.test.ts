// `sessd serve` that logs as its file says: alone and by workers, from the start and after a reload.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ROOT, run } from '../support/cli.js'
import { emptyDirectory } from '../support/directory.js'

const BIN = join(ROOT, 'bin/sessd.js')

const APP = `
import { logger } from ${JSON.stringify(import.meta.resolve('../../dist/index.js'))}
const log = logger('myapp.models')
export default () => (req, res) => {
  log.debug({ req }, 'looked')
  log.info({ req, password: 'hunter2' }, 'three rows')
  if (req.url.startsWith('/boom')) throw new TypeError('out of the blue')
  if (req.url === '/reject') Promise.reject(new Error('nobody looked'))
  res.end('hello')
}
`

const SERVER = '[server:main]\nuse = egg:Paste#http\nport = 0\n'
const SITE = `${SERVER}
[app:main]
use = file:app.mjs
filter-with = access
[filter:access]
use = egg:Paste#translogger
setup_console_handler = false
format = json
`

function project(
  logging: string,
  site = SITE,
): { directory: string; file: string; write(logging: string): void } {
  const directory = emptyDirectory()
  const file = join(directory, 'app.ini')
  const write = (text: string) => writeFileSync(file, site + text)
  writeFileSync(join(directory, 'app.mjs'), APP)
  write(logging)
  return { directory, file, write }
}

interface Line {
  readonly level: string
  readonly name: string
  readonly msg: string
  readonly pid: number
  readonly worker?: number
  readonly request_id?: string
  readonly err?: { readonly type: string; readonly stack: string }
  readonly [key: string]: unknown
}

/** Starts a server; `lines` is what it says, `parsed` the same where all of it is JSON. */
async function start(file: string, ...args: string[]) {
  const child = spawn(process.execPath, [BIN, 'serve', file, ...args], {
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface(child.stderr).on('line', (line) => lines.push(line))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const find = (text: string) =>
    vi.waitFor(
      () => lines.find((line) => line.includes(text)) ?? expect(lines.join('\n')).toContain(text),
      20_000,
    )
  await find('serving on http')
  const url = /serving on (http[^"\s]+)/.exec(lines.join('\n'))![1]!
  const parsed = () => lines.map((line) => JSON.parse(line) as Line)
  return { child, url, lines, parsed, find, ended }
}

describe('sessd serve with format = json', () => {
  test('says everything in lines of JSON: its own, those of parts and those of apps', async () => {
    const { file } = project('[logging]\nformat = json\nlevel.myapp = debug\n')
    const { child, url, parsed, find, ended } = await start(file)
    await (await fetch(`${url}/boom?token=hunter2`)).text()
    await (await fetch(`${url}/reject`)).text()
    await find('nobody looked')
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    const all = parsed()
    expect(
      all.map(({ level, name, msg }) => `${level} ${name}: ${msg.replace(/ \(at.*/, '')}`).sort(),
    ).toEqual([
      'debug myapp.models: looked',
      'debug myapp.models: looked',
      'error sessd.app: GET /boom: TypeError: out of the blue',
      'error sessd.serve: a promise was rejected and nobody handled it: nobody looked',
      'info myapp.models: three rows',
      'info myapp.models: three rows',
      `info sessd.serve: serving on ${url}`,
      'info wsgi: GET /boom?token=*** 500',
      'info wsgi: GET /reject 200',
    ])
    const boom = all.filter(({ path, url }) => path === '/boom' || String(url).startsWith('/boom'))
    expect(new Set(boom.map(({ request_id }) => request_id)).size).toBe(1)
    expect(all.find(({ name }) => name === 'sessd.app')!.err).toMatchObject({ type: 'TypeError' })
    expect(JSON.stringify(all)).not.toContain('hunter2')
  })

  test('says why it does not start in JSON too', async () => {
    const { file } = project('[logging]\nformat = json\n', `${SERVER}[app:main]\nuse = file:nope.mjs\n`)
    const { code, stderr } = await run(process.execPath, [BIN, 'serve', file])
    expect(code).toBe(78)
    expect(JSON.parse(stderr)).toMatchObject({
      level: 'error',
      name: 'sessd.serve',
      msg: expect.stringMatching(/app\.ini:5: \[app:main\] use: file:nope\.mjs: there is no file /) as string,
    })
  })

  test('names the worker in each line, and takes up what the file says after a reload', async () => {
    const { file, write } = project('[logging]\nformat = json\n')
    const { child, url, parsed, find, ended } = await start(file, '--workers', '2')
    await (await fetch(url)).text()
    await find('three rows')
    const [served] = parsed().filter(({ msg }) => msg.startsWith('serving'))
    const [row] = parsed().filter(({ msg }) => msg === 'three rows')
    expect([served!.pid, served!.worker]).toEqual([child.pid, undefined])
    expect([row!.pid !== child.pid, typeof row!.worker]).toEqual([true, 'number'])
    write('[logging]\nformat = json\nlevel.sessd.serve = warning\nlevel.myapp = debug\n')
    child.kill('SIGHUP')
    await vi.waitFor(async () => {
      await (await fetch(url)).text()
      expect(parsed().some(({ msg }) => msg === 'looked')).toBe(true)
    }, 20_000)
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
  })
})

describe('a reload of one process', () => {
  test('takes up what the file says, and keeps what was where that is wrong', async () => {
    const { file, write } = project('[logging]\nformat = %%(levelname)s/%%(name)s/%%(message)s\n')
    const { child, url, lines, find, ended } = await start(file)
    expect(lines).toEqual([`INFO/sessd.serve/serving on ${url}`])
    write('[logging]\nlevel = loud\n')
    child.kill('SIGHUP')
    await find('WARNING/sessd.serve/what was loaded before goes on serving')
    expect(lines[1]).toMatch(
      /^ERROR\/sessd\.serve\/.*app\.ini:13: \[logging\] level: expected trace, .*, got "loud"$/,
    )
    write('[logging]\nlevel.myapp = debug\nlevel.wsgi = off\nformat = plain\n')
    child.kill('SIGHUP')
    await find('sessd: loaded again')
    await (await fetch(url)).text()
    await find('myapp.models: looked method=GET path=/')
    child.kill('SIGTERM')
    expect(await ended).toBe(0)
    expect(lines.some((line) => line.includes('wsgi'))).toBe(false)
  })
})

test("with Python's sections apps log by them, and sessd says what it has to say as ever", async () => {
  const { file } = project(
    `[loggers]\nkeys = root\n[handlers]\nkeys = console\n[formatters]\nkeys = generic
[logger_root]\nlevel = WARN\nhandlers = console
[handler_console]\nclass = StreamHandler\nargs = (sys.stderr,)\nlevel = NOTSET\nformatter = generic
[formatter_generic]\nformat = %(levelname)-5.5s [%(name)s:%(lineno)s] %(message)s\n`,
  )
  const { child, url, lines, find, ended } = await start(file)
  await (await fetch(`${url}/boom`)).text()
  await find('ERROR [sessd.app:-] GET /boom: TypeError: out of the blue')
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  expect(lines[0]).toBe(`serving on ${url}`)
  expect(lines.slice(1).filter((line) => !line.startsWith('    '))).toHaveLength(1)
})

test('pino writes all of it, and nothing is lost when the process ends', async () => {
  const { file } = project('[logging]\nuse = pino\n')
  const { child, url, parsed, ended } = await start(file)
  await (await fetch(`${url}/boom`)).text()
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
  expect(parsed().map(({ level, name }) => [level, name])).toEqual([
    [30, 'sessd.serve'],
    [30, 'myapp.models'],
    [50, 'sessd.app'],
    [30, 'wsgi'],
  ])
})

test('sessd request logs as the file says', async () => {
  const { file } = project('[logging]\nformat = %%(name)s %%(message)s\nlevel.wsgi = off\n')
  const { stdout, stderr } = await run(process.execPath, [BIN, 'request', file, '/'])
  expect(stdout).toBe('hello')
  expect(stderr).toMatch(/^myapp\.models three rows method=GET path=\/ password=\*\*\* request_id=\S+\n$/)
})
