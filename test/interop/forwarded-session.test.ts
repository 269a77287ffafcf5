// The Python code of docs/parts/proxy.md, run behind a real proxy: it believes us and nobody else.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { Visitor } from '../support/site.js'
import { serveProxy } from '../support/upstream.js'

const SECRET = 'shared with one server in Python'
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const [, code] =
  /```python\n([\s\S]*?)```/.exec(readFileSync(here('../../docs/parts/proxy.md'), 'utf8')) ?? []
const isThere = spawnSync('python3', ['--version']).status === 0
if (!isThere && process.env.CI === 'true') throw new Error('python3 is not installed')

describe.skipIf(!isThere)('a server in Python that is told of the session', () => {
  let python: ChildProcess
  let address: string

  beforeAll(async () => {
    const env = { ...process.env, REPORTS_SECRET: SECRET }
    python = spawn('python3', [here('forwarded_session.py'), code!], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [port] = (await once(createInterface({ input: python.stdout! }), 'line')) as [string]
    address = `http://127.0.0.1:${port}`
  })
  afterAll(() => void python.kill())

  test('knows who is logged in', async () => {
    const filter = beakerSession({ key: 'sid', secret: 'a secret that is long enough for tests' })
    const settings = { address, forward_session: ['user', 'lang'], forward_session_secret: SECRET }
    const { url } = await serveProxy(settings, (old) =>
      filter(async (req, res) => {
        if (req.url !== '/log-in') return old(req, res)
        const session = await getSession(req)
        session.set('user', 'Ada <ä€😀>').set('secret', 'not told').save()
        res.end()
      }),
    )
    const visitor = new Visitor(url)
    expect(await visitor.get('/')).toBe('{}')
    await visitor.get('/log-in')
    expect(JSON.parse(await visitor.get('/'))).toEqual({ user: 'Ada <ä€😀>' })
    const forged = { 'x-sessd-session': token({ user: 'root' }, SECRET), x_sessd_session: token({}, SECRET) }
    expect(JSON.parse(await visitor.get('/', { headers: forged }))).toEqual({ user: 'Ada <ä€😀>' })
    expect(await new Visitor(url).get('/', { headers: forged })).toBe('{}')
  })

  test.each([
    ['that is good', () => token({ user: 'Ada' }, SECRET), { user: 'Ada' }],
    ['signed with another key', () => token({ user: 'Ada' }, 'another secret'), {}],
    ['that is over', () => token({ user: 'Ada' }, SECRET, -1), {}],
    ['without a signature', () => token({ user: 'Ada' }, SECRET).replace(/[^.]*$/, ''), {}],
    ['of other letters', () => 'ä.ö.ü', {}],
    ['of nothing', () => '..', {}],
  ])('reads a token %s', async (_name, make, expected) => {
    const answer = await fetch(address, { headers: { 'x-sessd-session': make() } })
    expect(await answer.json()).toEqual(expected)
  })
})

function token(session: object, secret: string, seconds = 60): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) + seconds
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ iat: exp - 60, exp, session })}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
