import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { type LogRecord, useLogging } from '../../src/config/logging.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { errorCatcher, factory } from '../../src/filters/error_catcher.js'
import { factory as evalerror } from '../../src/filters/evalerror.js'
import { getSession } from '../../src/filters/get-session.js'
import { translogger } from '../../src/filters/translogger.js'
import type { App, Filter } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'

afterEach(() => vi.unstubAllEnvs())

const boom: App = (_req, res) => {
  res.setHeader('Set-Cookie', 'half=1')
  throw new TypeError('no <b>bold</b> things', { cause: new Error('the deeper reason') })
}

const HTML = { headers: { Accept: 'text/html' } }

async function get(
  filter: (write: (text: string) => void) => Filter,
  app: App = boom,
  init: RequestInit = HTML,
) {
  const log: string[] = []
  const { url, errors } = await serveApp(filter((text) => log.push(text))(app))
  const response = await fetch(`${url}/x?secret=1`, init)
  return { response, body: await response.text(), log, errors }
}

const develop = (write: (text: string) => void) => errorCatcher({ debug: true, write })

describe('error_catcher', () => {
  it('shows visitors a number, and the log what it stands for', async () => {
    const { response, body, log } = await get((write) => errorCatcher({ write, error_message: 'Call 555.' }))
    expect(response.status).toBe(500)
    const [, reference] = /^500 Internal Server Error\nCall 555\.\nReference: ([\w-]{36})\n$/.exec(body)!
    expect(log.join('')).toMatch(
      new RegExp(`^sessd: error ${reference}: GET /x: TypeError: no <b>bold</b> things\n {4}at .*`),
    )
    expect(log.join('')).toContain('\n    caused by Error: the deeper reason\n')
    expect(log.join('')).not.toContain('secret=1')
    expect(response.headers.has('set-cookie')).toBe(false)
  })

  it('tells the log that somebody set up: the number as request id, the error with its stack', async () => {
    const records: LogRecord[] = []
    useLogging({ threshold: () => 0, write: (record) => void records.push(record) })
    onTestFinished(() => void useLogging(undefined))
    const { body } = await get(() => errorCatcher())
    const reference = /Reference: (\S+)/.exec(body)![1]!
    const [{ name, level, msg, requestId, err, fields } = {} as LogRecord] = records
    expect([name, level, requestId]).toEqual(['sessd.error_catcher', 'error', reference])
    expect(msg).toBe(`error ${reference}: GET /x: TypeError: no <b>bold</b> things`)
    expect(err).toMatchObject({ type: 'TypeError', cause: { message: 'the deeper reason' } })
    expect({ ...fields }).toEqual({ method: 'GET', path: '/x' })
  })

  it('shows developers the error, its source, its cause and the request', async () => {
    const { response, body } = await get(develop)
    expect([response.status, response.headers.get('content-type')]).toEqual([500, 'text/html; charset=utf-8'])
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(body).toContain('<h1>TypeError: no &#60;b&#62;bold&#60;/b&#62; things</h1>')
    expect(body).toContain('<h2>Caused by Error: the deeper reason</h2>')
    expect(body).toMatch(/error_catcher\.test\.ts:\d+<\/code>/)
    expect(body).toMatch(/<mark> +\d+ .*throw new TypeError\(/)
    expect(body).toContain('<tr><th>URL<td>/x?secret=1')
    expect(body).not.toContain('<b>bold')
  })

  it('shows no cookie, credential or session value', async () => {
    const secret = randomUUID()
    const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
    const app: App = async (req) => {
      const held = await getSession<Record<string, unknown>>(req)
      held.set('user', secret).set('cart', [secret])
      throw new Error('boom')
    }
    const headers = { ...HTML.headers, cookie: `a=${secret}`, authorization: `Bearer ${secret}` }
    const { body } = await get(develop, session(app), { headers })
    expect(body).toContain('<tr><th>user<td>string')
    expect(body).toContain('<tr><th>cart<td>list of 1')
    expect(body).not.toContain(secret)
  })

  it('tells programs in text', async () => {
    const { response, body } = await get(develop, boom, { headers: { Accept: 'application/json' } })
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(body).toMatch(/^500 TypeError: no <b>bold<\/b> things\n\nTypeError: .*\n {4}at /)
    expect(body).toContain('\n\ncaused by Error: the deeper reason\n')
  })

  it.each([null, undefined, 'text', 42, { a: 1 }, Object.create(null)])(
    'copes with a thrown %o',
    async (thrown) => {
      for (const debug of [true, false]) {
        const { response } = await get(
          (write) => errorCatcher({ debug, write }),
          () => Promise.reject(thrown),
        )
        expect(response.status).toBe(500)
      }
    },
  )

  it('copes with causes in a circle', async () => {
    const error = new Error('first')
    error.cause = new Error('second', { cause: error })
    const { body } = await get(develop, () => Promise.reject(error))
    expect(body).toContain('Caused by Error: second')
  })

  it('keeps the status that an error carries', async () => {
    const missing: App = () => Promise.reject(Object.assign(new Error('none'), { status: 404 }))
    expect((await get((write) => errorCatcher({ write }), missing)).body).toMatch(/^404 Error\nReference: /)
  })

  it('leaves an answer that has begun to be cut', async () => {
    const app: App = (_req, res) => {
      res.write('x')
      throw new Error('late')
    }
    const log: string[] = []
    const { url, errors } = await serveApp(errorCatcher({ write: (text) => log.push(text) })(app))
    await expect(fetch(url).then((response) => response.text())).rejects.toThrow()
    expect([errors, log]).toEqual([['GET /: late'], []])
  })

  it('uses the name that the access log gives the request', async () => {
    const lines: string[] = []
    const { response, body } = await get((write) => {
      const inner = errorCatcher({ write })
      const outer = translogger({ write: (line) => lines.push(line) })
      return (next) => outer(inner(next))
    })
    expect(body).toContain(`Reference: ${response.headers.get('x-request-id') ?? 'nothing'}\n`)
  })

  it('lets nobody forge a line of the log', async () => {
    const forged = new Error('x\nsessd: error 1: GET /: fine\r\n\x1b[2J')
    const { log } = await get(
      (write) => errorCatcher({ write }),
      () => Promise.reject(forged),
    )
    expect(
      log
        .join('')
        .split('\n')
        .filter((line) => /^\S/.test(line)),
    ).toHaveLength(1)
    expect(log.join('')).not.toMatch(/[\x00-\x09\x0b-\x1f]/)
  })
})

describe.each([
  ['error_catcher', factory, {}, {}, '', false],
  ['error_catcher', factory, { debug: 'true' }, {}, '', true],
  ['error_catcher', factory, { debug: 'true' }, { debug: 'false' }, '', false],
  ['error_catcher', factory, { debug: 'true' }, { debug: 'true' }, 'production', false],
  ['evalerror', evalerror, {}, {}, '', true],
  ['evalerror', evalerror, { debug: 'false' }, {}, '', false],
  ['evalerror', evalerror, {}, {}, 'production', false],
] as const)('egg:Paste#%s', (_name, make, global, local, env, shown) => {
  it(`with ${JSON.stringify({ global, local, env })}: the page is shown: ${shown}`, async () => {
    vi.stubEnv('NODE_ENV', env)
    const filter = make(makeConf(Object.entries(global)), makeConf(Object.entries(local)))
    const { body } = await get(() => filter)
    expect(body.includes('bold')).toBe(shown)
  })
})
