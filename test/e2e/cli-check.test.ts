// `sessd check` and `sessd show` on files with more to say than one error.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT, run } from '../support/cli.js'

const cwd = mkdtempSync(join(tmpdir(), 'sessd-check-'))

const GOOD = `[DEFAULT]
greeting = hello

[server:main]
use = egg:Paste#http
port = 8099

[composite:main]
use = egg:Paste#urlmap
/ = page
/api = config:other.ini#api

[app:page]
use = file:app.mjs
filter-with = session

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = short-one
`

const WORKERS = `[server:main]
use = egg:Paste#http
workers = 2

[pipeline:main]
pipeline = session page

[app:page]
use = file:app.mjs

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = long-enough-to-sign-cookies
`

const BAD = `[server:main]
use = egg:Paste#http
port = abc

[app:main]
use = file:app.mjs
filter-with = sesion

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = long-enough-to-sign-cookies
beaker.session.timeot = 3

[app:old]
use = file:stray.mjs
`

beforeAll(() => {
  const files = {
    'good.ini': GOOD,
    'bad.ini': BAD,
    'workers.ini': WORKERS,
    'other.ini': '[app:api]\nuse = file:app.mjs\ngreeting = from over there\nsmtp_password = hunter2\n',
    'app.mjs': 'export default () => (req, res) => res.end()\n',
    'stray.mjs':
      "export default () => {\n  Promise.reject(new Error('nobody waits'))\n  return () => {}\n}\n",
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
})

afterAll(() => rmSync(cwd, { recursive: true }))

const sessd = (...args: string[]) => run(process.execPath, [join(ROOT, 'bin', 'sessd.js'), ...args], { cwd })

describe('check', () => {
  test('of a good file says so in one line, after its warnings', async () => {
    expect(await sessd('check', 'good.ini')).toEqual({
      code: 0,
      stdout: '',
      stderr:
        'warning: beaker.session.secret is shorter than 16 characters: make a better one with `sessd secret`\n' +
        'good.ini: no errors, 1 warning\n',
    })
  })

  test('tells all errors at once, those of unused sections included, each with its lines', async () => {
    const { code, stdout, stderr } = await sessd('check', 'bad.ini')
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
    expect(stderr).toBe(`\
error: bad.ini:3: [server:main] port: expected a whole number from 0 to 65535, got "abc"

  1 | [server:main]
  2 | use = egg:Paste#http
> 3 | port = abc
    | ^^^^
  4 |
  5 | [app:main]

error: bad.ini:7: [app:main] filter-with: there is no [filter:sesion]. Did you mean "session"? There is: session.

  5 | [app:main]
  6 | use = file:app.mjs
> 7 | filter-with = sesion
    | ^^^^^^^^^^^
  8 |
  9 | [filter:session]

error: bad.ini:12: [filter:session] beaker.session.timeot: no such setting. Did you mean "beaker.session.timeout"?

  10 | use = egg:Beaker#beaker_session
  11 | beaker.session.secret = ***
> 12 | beaker.session.timeot = 3
     | ^^^^^^^^^^^^^^^^^^^^^
  13 |
  14 | [app:old]

error: bad.ini: an error reached nobody while its parts were made: Error: nobody waits
note: bad.ini:9: nothing uses [filter:session]
note: bad.ini:14: nothing uses [app:old]
bad.ini: 4 errors, no warnings
`)
  })

  test('--json is for programs', async () => {
    const { code, stdout, stderr } = await sessd('check', 'bad.ini', '--json')
    expect({ code, stderr }).toEqual({ code: 78, stderr: '' })
    const file = join(cwd, 'bad.ini')
    const { ok, errors, warnings, unused } = JSON.parse(stdout) as Record<string, unknown[]>
    expect({ ok, warnings, unused }).toEqual({
      ok: false,
      warnings: [],
      unused: [
        { section: 'filter:session', file, line: 9 },
        { section: 'app:old', file, line: 14 },
      ],
    })
    expect(errors).toHaveLength(4)
    expect(errors![0]).toEqual({
      code: 'option',
      message: `${file}:3: [server:main] port: expected a whole number from 0 to 65535, got "abc"`,
      file,
      line: 3,
      section: 'server:main',
      key: 'port',
      reason: 'expected a whole number from 0 to 65535, got "abc"',
    })
    expect(errors![3]).toMatchObject({ code: 'factory', file, line: null, section: null, key: null })
    expect(JSON.parse((await sessd('check', 'good.ini', '--json')).stdout)).toMatchObject({
      ok: true,
      errors: [],
      warnings: [{ file: null, reason: expect.stringContaining('shorter than 16 characters') }],
    })
  })

  test('refuses sessions in the memory of one process where several workers serve', async () => {
    const { code, stderr } = await sessd('check', 'workers.ini')
    expect(code).toBe(78)
    expect(stderr).toBe(`\
error: workers.ini:3: [server:main] workers: the sessions of the cookie "beaker.session.id" are kept in the memory of one process, and each of 2 workers would have its own: set beaker.session.type to file, ext:redis, ext:memcached or ext:database, or workers to 1

  1 | [server:main]
  2 | use = egg:Paste#http
> 3 | workers = 2
    | ^^^^^^^
  4 |
  5 | [pipeline:main]

workers.ini: 1 error, no warnings
`)
    expect((await sessd('check', 'workers.ini', 'workers=1')).code).toBe(0)
  })

  test('takes settings of the command line', async () => {
    expect((await sessd('check', 'good.ini', 'port=99999')).stderr).toContain(
      '[server:main] port: expected a whole number from 0 to 65535, got "99999"',
    )
    expect(await sessd('check', 'good.ini', 'beaker.session.secret=a-secret-that-is-long-enough')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'good.ini: no errors, no warnings\n',
    })
  })

  test('--debug shows where a factory threw', async () => {
    const { stderr } = await sessd('check', 'bad.ini', '--debug')
    expect(stderr).toMatch(/^ {4}at .*stray\.mjs:2:/m)
  })
})

describe('show', () => {
  test('draws the tree', async () => {
    const { code, stdout } = await sessd('show', 'good.ini')
    expect(code).toBe(0)
    expect(stdout).toBe(`\
[server:main]              egg:Paste#http             good.ini:5
[composite:main]           egg:Paste#urlmap           good.ini:9
├─ /     [filter:session]  egg:Beaker#beaker_session  good.ini:18
│  └─ [app:page]           file:app.mjs               good.ini:14
└─ /api  [app:api]         file:app.mjs               other.ini:2
`)
  })

  test('shows settings with their origin, and no secret', async () => {
    const { stdout } = await sessd('show', 'good.ini', '-v', 'port=1')
    expect(stdout).toMatch(/^ {5}port = 1 +\(command line\)$/m)
    expect(stdout).toMatch(/beaker\.session\.secret = \*\*\* +good\.ini:19$/m)
    expect(stdout).toMatch(/smtp_password = \*\*\* +other\.ini:4$/m)
    expect(stdout).toMatch(/greeting = hello +good\.ini:2 \(default\)$/m)
    expect(stdout).toMatch(/greeting = from over there +other\.ini:3$/m)
  })

  test('--json has the same tree, and no secret', async () => {
    const { stdout } = await sessd('show', 'good.ini', '--json')
    const { server, app } = JSON.parse(stdout) as Record<string, { children: unknown[] }>
    expect(server).toMatchObject({ kind: 'server', name: 'main', use: 'egg:Paste#http' })
    expect(app).toMatchObject({ shape: 'composite', children: [{ role: '/' }, { role: '/api' }] })
    expect(stdout).not.toMatch(/hunter2|short-one/)
  })

  test('of a broken file draws what there is, tells the errors, and exits 78', async () => {
    const { code, stdout, stderr } = await sessd('show', 'bad.ini')
    expect(code).toBe(78)
    expect(stdout).toContain('[server:main]')
    expect(stderr).toContain('error: bad.ini:7: [app:main] filter-with: there is no [filter:sesion].')
  })

  test('ends quietly when nobody reads on', async () => {
    const piped = `"${process.execPath}" "${join(ROOT, 'bin', 'sessd.js')}" show good.ini -v 2>/dev/null | head -c 1; echo " \${PIPESTATUS[0]}"`
    expect(await run('bash', ['-c', piped], { cwd })).toEqual({ code: 0, stdout: '[ 0\n', stderr: '' })
  })
})
