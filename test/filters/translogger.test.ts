import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { type LogRecord, useLogging } from '../../src/config/logging.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { gzip } from '../../src/filters/gzip.js'
import { prefix } from '../../src/filters/prefix.js'
import { factory, translogger } from '../../src/filters/translogger.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { ask, exchange, serveApp } from '../support/http.js'

/** Lines come when a response is closed, which may be after the client has it. */
function collector() {
  const lines: string[] = []
  let wake = () => {}
  return {
    write: (line: string) => {
      lines.push(line)
      wake()
    },
    async next(): Promise<string> {
      while (lines.length === 0) {
        await new Promise<void>((go) => {
          wake = go
        })
      }
      return lines.shift()!
    },
  }
}

const hello: App = (_req, res) => void res.end('hello')

async function serveLogged(given: Parameters<typeof translogger>[0], app: App = hello) {
  const log = collector()
  return { log, ...(await serveApp(translogger({ ...given, write: log.write })(app))) }
}

describe('egg:Paste#translogger', () => {
  it('writes what Apache writes', async () => {
    const { log, port } = await serveLogged({})
    await ask(port, '/a/../b?q=%41', 'Referer: http://x/', 'User-Agent: curl/8')
    expect(await log.next()).toMatch(
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/a\/\.\.\/b\?q=%41 HTTP\/1\.1" 200 5 "http:\/\/x\/" "curl\/8"$/,
    )
  })

  it('puts a dash for what is not there', async () => {
    const { log, port } = await serveLogged({}, (_req, res) => void res.writeHead(204).end())
    await ask(port, '/')
    expect(await log.next()).toMatch(/"GET \/ HTTP\/1\.1" 204 - "-" "-"$/)
  })

  it.each([
    ['a quote', 'x" 200 5 "', 'x\\" 200 5 \\"'],
    ['a backslash', 'x\\', 'x\\\\'],
    ['a byte beyond ASCII', 'caf\xe9 \x85', 'caf\\xe9 \\x85'],
    ['a tab', 'a\tb', 'a\\x09b'],
  ])('lets nobody end a field by %s', async (_what, agent, shown) => {
    const { log, port } = await serveLogged({})
    await ask(port, '/', `User-Agent: ${agent}`)
    const line = await log.next()
    expect(line.endsWith(` "-" "${shown}"`)).toBe(true)
    expect(line).toMatch(/^[\x20-\x7e]*$/)
  })

  it('lets nobody invent a user or an address by a space', async () => {
    const app: App = (req, res) => {
      Object.assign(environ(req), { REMOTE_USER: 'eve [x] "GET' })
      res.end()
    }
    const { log, port } = await serveLogged({}, app)
    await ask(port, '/', 'X-Forwarded-For: 6.6.6.6')
    expect(await log.next()).toMatch(/^127\.0\.0\.1 - eve\\x20\[x\]\\x20\\"GET \[\d\d\//)
  })

  it('takes the address that prefix has found', async () => {
    const log = collector()
    const { port } = await serveApp(
      prefix({ trusted_proxies: ['loopback'] })(translogger({ write: log.write })(hello)),
    )
    await ask(port, '/', 'X-Forwarded-For: 6.6.6.6, 1.2.3.4')
    expect(await log.next()).toMatch(/^1\.2\.3\.4 - - /)
  })

  it('writes JSON, with duration, request id and a hash of the session', async () => {
    const ids: string[] = []
    const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
    const app: App = async (req, res) => {
      const held = await getSession<{ n: number }>(req)
      held.set('n', 1)
      held.save()
      ids.push(held.id)
      res.end('hello')
    }
    const { log, url } = await serveLogged({ format: 'json' }, session(app))
    const first = await fetch(`${url}/x`)
    await first.text()
    await log.next()
    const cookie = first.headers.get('set-cookie')!.split(';')[0]!
    const second = await fetch(`${url}/x`, { headers: { cookie, 'User-Agent': '"\u00e9\\' } })
    await second.text()
    const line = await log.next()
    expect(JSON.parse(line)).toEqual({
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      id: second.headers.get('x-request-id'),
      client: '127.0.0.1',
      method: 'GET',
      host: new URL(url).host,
      url: '/x',
      protocol: 'HTTP/1.1',
      status: 200,
      bytes: 5,
      ms: expect.any(Number),
      agent: '"\u00e9\\',
      session: expect.stringMatching(/^[\w-]{16}$/),
    })
    expect(line).toMatch(/^[\x20-\x7e]*$/)
    expect(line).not.toContain(ids[1]!)
    expect(cookie).toContain(ids[1]!)
  })

  it('counts the bytes that are sent, compressed ones too', async () => {
    const text: App = (_req, res) => {
      res.setHeader('Content-Type', 'text/plain')
      res.write('x'.repeat(50_000))
      res.end('é')
    }
    const plain = await serveLogged({ format: '%(bytes)s' }, text)
    await (await fetch(plain.url)).text()
    expect(await plain.log.next()).toBe('50002')
    const packed = await serveLogged({ format: '%(bytes)s' }, gzip()(text))
    await (await fetch(packed.url, { headers: { 'Accept-Encoding': 'gzip' } })).text()
    expect(Number(await packed.log.next())).toBeLessThan(500)
  })

  it('logs an app that throws, and a client that goes away', async () => {
    const failing = await serveLogged({ format: '%(status)s' }, () => Promise.reject(new Error('boom')))
    await (await fetch(failing.url)).text()
    expect(await failing.log.next()).toBe('500')
    const hanging = await serveLogged({ format: 'json' }, (_req, res) => void res.write('x'))
    const abort = new AbortController()
    await fetch(hanging.url, { signal: abort.signal })
    abort.abort()
    expect(JSON.parse(await hanging.log.next())).toMatchObject({ aborted: true, bytes: 1 })
  })

  it('names the request the same in the log, the answer and the environ', async () => {
    const app: App = (req, res) => void res.end(environ(req)['sessd.request_id'])
    const { log, url } = await serveLogged({ format: '%(request_id)s' }, app)
    const response = await fetch(url, { headers: { 'X-Request-Id': 'mine' } })
    const id = await response.text()
    expect([response.headers.get('x-request-id'), await log.next()]).toEqual([id, id])
    expect(id).not.toBe('mine')
  })

  it.each([
    ['abc-1.2', true],
    ['a b', false],
    ['x"y', false],
  ])('takes over X-Request-Id: %s where that is trusted: %s', async (sent, taken) => {
    const { log, url } = await serveLogged({ format: '%(request_id)s', trust_request_id: true })
    await (await fetch(url, { headers: { 'X-Request-Id': sent } })).text()
    expect((await log.next()) === sent).toBe(taken)
  })

  it('adds to a file, and has written all of it when it is closed', async () => {
    const here = await mkdtemp(join(tmpdir(), 'log-'))
    onTestFinished(() => rm(here, { recursive: true }))
    const conf = makeConf([
      ['log_file', 'access.log'],
      ['format', '%(REQUEST_URI)s'],
    ])
    const filter = factory(makeConf([['here', here]]), conf)
    const { port, server } = await serveApp(filter(hello))
    await exchange(
      port,
      'GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    await server.close()
    await filter.close!()
    expect(await readFile(join(here, 'access.log'), 'utf8')).toBe('/1\n/2\n')
  })

  it.each([
    ['plain', 'format: expected combined, json, or a line with %(name)s in it, got "plain"'],
    [
      '%(HTTP_COOKIE)s',
      'format: expected one of REMOTE_ADDR, REMOTE_USER, REQUEST_METHOD, REQUEST_URI, HTTP_HOST, HTTP_VERSION, ' +
        'HTTP_REFERER, HTTP_USER_AGENT, status, bytes, time, duration, request_id, session, got "HTTP_COOKIE"',
    ],
  ])('refuses format = %s', (format, message) => {
    expect(() => translogger({ format })).toThrow(message)
  })
})

describe('with setup_console_handler = false', () => {
  /** Serves, and has all records go to a list. */
  async function serveRecorded(given: Parameters<typeof translogger>[0], least = 20) {
    const log = collector()
    const records: LogRecord[] = []
    const write = (record: LogRecord) => {
      records.push(record)
      log.write(record.msg)
    }
    useLogging({ threshold: () => least, write })
    onTestFinished(() => void useLogging(undefined))
    const filter = translogger({ setup_console_handler: false, ...given })
    return { log, records, ...(await serveApp(filter(hello))) }
  }

  it('each request is a record of the logger wsgi', async () => {
    const { log, records, port } = await serveRecorded({ format: '%(REQUEST_METHOD)s %(REQUEST_URI)s' })
    await ask(port, '/a')
    expect(await log.next()).toBe('GET /a')
    expect(records.map(({ name, level }) => [name, level])).toEqual([['wsgi', 'info']])
  })

  it('format = json gives the record fields', async () => {
    const { log, records, port } = await serveRecorded({ format: 'json', logger_name: 'access' })
    await ask(port, '/a', 'User-Agent: curl/8')
    expect(await log.next()).toBe('GET /a 200')
    const [{ name, fields, requestId } = {} as LogRecord] = records
    expect([name, requestId]).toEqual(['access', expect.stringMatching(/^[\w-]{36}$/)])
    expect(fields).toMatchObject({ client: '127.0.0.1', url: '/a', status: 200, bytes: 5, agent: 'curl/8' })
  })

  it('the record has the level of logging_level, and set_logger_level beats [logging]', async () => {
    const quiet = await serveRecorded({ logging_level: 'debug' })
    await ask(quiet.port, '/a')
    await quiet.server.close()
    expect(quiet.records).toEqual([])
    const loud = await serveRecorded({ logging_level: 'debug', set_logger_level: 'debug' }, 50)
    await ask(loud.port, '/a')
    await loud.log.next()
    expect(loud.records.map(({ level }) => level)).toEqual(['debug'])
  })

  it("takes Paste's words, as an INI has them", () => {
    const conf = makeConf([
      ['setup_console_handler', 'False'],
      ['logger_name', 'wsgi'],
      ['logging_level', 'INFO'],
      ['set_logger_level', 'DEBUG'],
    ])
    expect(factory(makeConf([]), conf)).toBeTypeOf('function')
  })

  it.each([
    [
      { log_file: 'access.log' },
      'log_file: setup_console_handler = false has all of it go to the log: remove one of them',
    ],
    [
      { logging_level: 'off' as 'info' },
      'logging_level: expected trace, debug, info, warning (or warn), error or critical (or fatal), got "off"',
    ],
  ])('refuses %j', (given, message) => {
    expect(() => translogger({ setup_console_handler: false, ...given })).toThrow(message)
  })
})
