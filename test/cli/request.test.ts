import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emptyDirectory } from '../support/directory.js'
import { run } from '../support/main.js'

const APP = `
import { buffer } from 'node:stream/consumers'
export default () => async (req, res) => {
  const session = await req.environ['beaker.session'].load()
  if (req.url === '/missing') res.statusCode = 404
  if (req.url === '/throw') throw new Error('out of the blue')
  if (req.url === '/cut') return res.destroy()
  if (req.url === '/count') {
    session.set('n', (session.get('n') ?? 0) + 1)
    session.save()
    return res.end('n = ' + session.get('n'))
  }
  const { REMOTE_ADDR, HTTP_HOST, PATH_INFO, QUERY_STRING } = req.environ
  const body = (await buffer(req)).toString()
  const { 'content-type': type, 'x-a': a, cookie } = req.headers
  res.end(JSON.stringify({ method: req.method, PATH_INFO, QUERY_STRING, HTTP_HOST, REMOTE_ADDR, type, a, cookie, body }))
}
`

const INI = `
[app:main]
use = file:app.mjs
filter-with = session
[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = a-secret-of-these-tests-alone
beaker.session.data_dir = %(here)s/data
`

function site(): string {
  const directory = emptyDirectory()
  writeFileSync(join(directory, 'app.mjs'), APP)
  writeFileSync(join(directory, 'app.ini'), INI)
  return directory
}

const json = (text: string) => JSON.parse(text) as Record<string, unknown>

describe('sessd request', () => {
  test('prints the body of the answer and nothing else', async () => {
    const { code, stdout, stderr } = await run(['request', 'app.ini', '/a%20b?x=1'], site())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(json(stdout)).toEqual({
      method: 'GET',
      PATH_INFO: '/a b',
      QUERY_STRING: 'x=1',
      HTTP_HOST: 'localhost',
      REMOTE_ADDR: '127.0.0.1',
      body: '',
    })
  })

  test('sends method, headers, cookies and data', async () => {
    const directory = site()
    const posted = await run(
      ['request', 'app.ini', '/', '-d', 'a=1&b=ü', '-H', 'X-A: one', '-H', 'host: example.org', '-b', 'c=d'],
      directory,
    )
    expect(json(posted.stdout)).toMatchObject({
      method: 'POST',
      type: 'application/x-www-form-urlencoded',
      a: 'one',
      HTTP_HOST: 'example.org',
      cookie: 'c=d',
      body: 'a=1&b=ü',
    })
    writeFileSync(join(directory, 'body.json'), '{"a":1}')
    const args = ['-m', 'PUT', '-d', '@body.json', '-H', 'Content-Type: application/json']
    const put = await run(['request', 'app.ini', '/', ...args], directory)
    expect(json(put.stdout)).toMatchObject({ method: 'PUT', type: 'application/json', body: '{"a":1}' })
  })

  test('keeps a session in a jar that only its owner may read', async () => {
    const directory = site()
    const count = async (...more: string[]) =>
      (await run(['request', 'app.ini', '/count', '-c', 'jar', ...more], directory)).stdout
    expect(await count()).toBe('n = 1')
    expect(await count('-b', 'jar')).toBe('n = 2')
    expect(await count('-b', 'jar')).toBe('n = 3')
    expect(readFileSync(join(directory, 'jar'), 'utf8')).toMatch(
      /^# Netscape HTTP Cookie File\n#HttpOnly_localhost\tFALSE\t\/\tFALSE\t\d+\tbeaker\.session\.id\t\S+\n$/,
    )
    expect(statSync(join(directory, 'jar')).mode & 0o777).toBe(0o600)
  })

  test('prints status and headers with -i, and exits with 1 for 400 and more', async () => {
    const { code, stdout } = await run(['request', 'app.ini', '/missing', '-i'], site())
    expect(code).toBe(1)
    expect(stdout).toMatch(/^HTTP\/1\.1 404 Not Found\n(.+: .+\n)+\n\{/)
  })

  test('answers 500 for an app that throws, and ends when one cuts the connection', async () => {
    const directory = site()
    const thrown = await run(['request', 'app.ini', '/throw'], directory)
    expect({ code: thrown.code, stdout: thrown.stdout }).toEqual({
      code: 1,
      stdout: '500 Internal Server Error\n',
    })
    const cut = await run(['request', 'app.ini', '/cut'], directory)
    expect(cut).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: the app closed the connection without an answer\n',
    })
  })

  test.each([
    [['nopath'], 'expected a path that starts with /, got "nopath"'],
    [['/', '-H', 'nonsense'], '--header: expected "Name: value", got "nonsense"'],
    [['/', '-m', 'G T'], '--method: expected a word as in GET, got "G T"'],
    [['/', '-d', '@body.json'], '--data: body.json: there is no such file'],
  ])('refuses %j', async (args, reason) => {
    expect(await run(['request', 'app.ini', ...args])).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: ${reason}\nTry: sessd request --help\n`,
    })
  })
})
