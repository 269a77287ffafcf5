// What people get wrong in a file: one clear message, exit 78, no stack, for `check` and for `serve` alike.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Result, ROOT, run } from '../support/cli.js'

const cwd = mkdtempSync(join(tmpdir(), 'sessd-bad-'))
const SERVER = '[server:main]\nuse = egg:Paste#http\nport = 0\n'
const APP = '[app:main]\nuse = file:app.mjs\n'
const SESSION = `${SERVER}${APP}filter-with = session\n[filter:session]\nuse = egg:Beaker#beaker_session\n`

beforeAll(async () => {
  await mkdir(join(cwd, 'directory.ini'))
  const files = {
    'app.mjs': "export default () => (req, res) => res.end('hello')\n",
    'throws.mjs':
      "export default () => {\n  throw new Error('no answer from postgres://app:hunter2@db')\n}\n",
    'nothing.mjs': 'export default () => {}\n',
    'waits.mjs': 'export default () => new Promise(() => {})\n',
    'stands.mjs': 'await new Promise(() => {})\nexport default () => {}\n',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text)
})

afterAll(() => rmSync(cwd, { recursive: true }))

function sessd(...args: string[]): Promise<Result> {
  return run(process.execPath, [join(ROOT, 'bin', 'sessd.js'), ...args], { cwd })
}

/** The lines before the frame of each error. */
function sentences(stderr: string): string[] {
  return stderr.split('\n').filter((line) => /^(error|warning|note): /.test(line))
}

describe.each<[what: string, text: string | undefined, ...errors: string[]]>([
  ['a file that is not there', undefined, 'it.ini: there is no such file.'],
  [
    'an empty file',
    '',
    'it.ini: there is no [server:main].',
    'it.ini: there is no [app:main], [composite:main], [pipeline:main] or [filter-app:main].',
  ],
  ['no server', APP, 'it.ini: there is no [server:main].'],
  [
    'no app',
    SERVER,
    'it.ini: there is no [app:main], [composite:main], [pipeline:main] or [filter-app:main].',
  ],
  [
    'a port that is none',
    `[server:main]\nuse = egg:Paste#http\nport = abc\n${APP}`,
    'it.ini:3: [server:main] port: expected a whole number from 0 to 65535, got "abc"',
  ],
  [
    'an option that is none',
    `${SERVER}hots = ::1\n${APP}`,
    'it.ini:4: [server:main] hots: no such setting. Did you mean "host"?',
  ],
  ['a section twice', `${SERVER}${APP}${APP}`, 'it.ini:6: [app:main]: is there twice: first on line 4'],
  [
    'a key twice',
    `${SERVER}${APP}use = file:app.mjs\n`,
    'it.ini:6: [app:main] use: is there twice: first on line 5',
  ],
  [
    'a % in a secret',
    `${SESSION}beaker.session.secret = top%secret\n`,
    'it.ini:9: [filter:session] beaker.session.secret: expected %% or %(name)s. Write %% for a literal %',
  ],
  [
    'a session without a secret',
    SESSION,
    'it.ini:8: [filter:session] beaker.session.secret: missing: the key that signs cookies. `sessd secret` makes a good one',
  ],
  [
    'a factory that throws',
    `${SERVER}[app:main]\nuse = file:throws.mjs\n`,
    'it.ini:5: [app:main]: file:throws.mjs threw Error: no answer from postgres://app:***@db',
  ],
  [
    'a factory that gives back nothing',
    `${SERVER}[app:main]\nuse = file:nothing.mjs\n`,
    'it.ini:5: [app:main]: file:nothing.mjs gave back undefined, expected an app, which is a function (req, res)',
  ],
  [
    'a factory that waits for ever',
    `${SERVER}[app:main]\nuse = file:waits.mjs\n`,
    'it.ini:5: [app:main]: file:waits.mjs waits for what never comes',
  ],
  [
    'a module that waits for ever',
    `${SERVER}[app:main]\nuse = file:stands.mjs\n`,
    'it.ini:5: [app:main] use: file:stands.mjs waits at its top level for what never comes',
  ],
  [
    'a mount that waits for ever, beside one that is wrong',
    `${SERVER}[composite:main]\nuse = egg:Paste#urlmap\n/ = a\n/b = b\n[app:a]\nuse = file:waits.mjs\n[app:b]\nuse = file:throws.mjs\n`,
    'it.ini:9: [app:a]: file:waits.mjs waits for what never comes',
    'it.ini:11: [app:b]: file:throws.mjs threw Error: no answer from postgres://app:***@db',
  ],
  [
    'a package that is not installed',
    `${SERVER}[app:main]\nuse = npm:not-there\n`,
    `it.ini:5: [app:main] use: npm:not-there: no package "not-there" is installed, seen from ${cwd}.`,
  ],
])('%s', (_what, text, ...errors) => {
  beforeAll(() => {
    if (text === undefined) rmSync(join(cwd, 'it.ini'), { force: true })
    else writeFileSync(join(cwd, 'it.ini'), text)
  })

  test('is told by check, and by serve, which stops at the first', async () => {
    const [checked, served] = await Promise.all([sessd('check', 'it.ini'), sessd('serve', 'it.ini')])
    expect(sentences(checked.stderr)).toEqual(errors.map((error) => `error: ${error}`))
    expect(checked.stderr).toMatch(new RegExp(`\nit\\.ini: ${errors.length} errors?, no warnings\n$`))
    expect(sentences(served.stderr)).toEqual([`error: ${errors[0]}`])
    for (const { code, stdout, stderr } of [checked, served]) {
      expect({ code, stdout }).toEqual({ code: 78, stdout: '' })
      expect(stderr).not.toMatch(/^ {4}at /m)
      expect(stderr).not.toContain('top%secret')
    }
  })
})

test('a file with a mistake in each of 20,000 lines is told whole', async () => {
  writeFileSync(join(cwd, 'log.ini'), `[log]\n${'GET / 200\n'.repeat(20_000)}`)
  const { code, stderr } = await sessd('check', 'log.ini')
  expect(code).toBe(78)
  expect(stderr).toContain('\nlog.ini: 20002 errors, no warnings\n')
})

test('a wrong value of the command line is not laid at the door of the file', async () => {
  writeFileSync(join(cwd, 'right.ini'), `${SERVER}${APP}`)
  const { code, stderr } = await sessd('check', 'right.ini', 'port=abc')
  expect(code).toBe(78)
  expect(sentences(stderr)).toEqual([
    'error: right.ini:2: [server:main] port: expected a whole number from 0 to 65535, got "abc", from the command line',
  ])
})

test('a file without an end is refused', async () => {
  const { code, stderr } = await sessd('check', '/dev/zero')
  expect(code).toBe(78)
  expect(sentences(stderr)).toEqual(['error: /dev/zero: is longer than 16777216 bytes, expected an INI file'])
})

test('nothing of a file or a message moves the cursor', async () => {
  writeFileSync(join(cwd, 'bell.mjs'), "export default () => {\n  throw new Error('\\x1b]0;title\\x07')\n}\n")
  writeFileSync(join(cwd, 'bell.ini'), `${SERVER}[app:\x1b[2J]\nuse = file:bell.mjs\n`)
  const { stderr } = await sessd('check', 'bell.ini#\x1b[2J')
  expect(sentences(stderr)).toEqual(['error: bell.ini:5: [app:?[2J]: file:bell.mjs threw Error: ?]0;title?'])
  expect(stderr).not.toMatch(/[^\P{Cc}\n]/u)
})

test('a working directory that is gone has no files, and no stack', async () => {
  writeFileSync(join(cwd, 'here.ini'), `${SERVER}${APP}`)
  const script = 'mkdir gone && cd gone && rmdir ../gone && "$0" "$1" check here.ini; "$0" "$1" check "$2"'
  const args = ['-c', script, process.execPath, join(ROOT, 'bin', 'sessd.js'), join(cwd, 'here.ini')]
  const { stderr } = await run('sh', args, { cwd })
  const [missing, summary, found] = stderr.split('\n')
  expect([missing, summary]).toEqual([
    'error: here.ini: there is no such file.',
    'here.ini: 1 error, no warnings',
  ])
  expect(found).toMatch(/here\.ini: no errors, no warnings$/)
})
