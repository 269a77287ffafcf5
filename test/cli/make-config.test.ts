import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { emptyDirectory } from '../support/directory.js'
import { run } from '../support/main.js'

let cwd = ''

beforeEach(() => {
  cwd = emptyDirectory()
})

const read = (name: string) => readFileSync(join(cwd, name), 'utf8')
const makeConfig = (...words: string[]) => run(['make-config', ...words], cwd)
const secretIn = (text: string) => /^beaker\.session\.secret = (.*)$/m.exec(text)?.[1]

describe('sessd make-config', () => {
  test.each([
    [[], ['app.ini', 'app.mjs']],
    [['development'], ['app.ini', 'app.mjs']],
    [['production'], ['app.ini', 'app.mjs']],
    [['composite'], ['api.mjs', 'app.ini', 'app.mjs']],
  ])('%j writes the file and the apps that it mounts', async (template, files) => {
    const { code, stdout, stderr } = await makeConfig(...template, 'app.ini')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(readdirSync(cwd).sort()).toEqual(files)
    for (const file of files) expect(stderr).toContain(`wrote ${file}\n`)
    expect(stderr).toMatch(/\nNext: sessd serve app\.ini\n$/)
  })

  test('makes a secret of 256 bits, for the owner alone', async () => {
    await makeConfig('one.ini')
    await makeConfig('two.ini')
    expect(statSync(join(cwd, 'one.ini')).mode & 0o777).toBe(0o600)
    expect(secretIn(read('one.ini'))).toMatch(/^[\w-]{43}$/)
    expect(secretIn(read('two.ini'))).not.toBe(secretIn(read('one.ini')))
  })

  test('never says the secret', async () => {
    await makeConfig('app.ini')
    const secret = secretIn(read('app.ini'))!
    for (const words of [
      ['app.ini', 'port=1'],
      ['production', 'app.ini', 'secret=another-secret-of-ours', '-f'],
    ]) {
      const { stdout, stderr } = await makeConfig(...words)
      expect(stdout + stderr).not.toContain(secret)
      expect(stdout + stderr).not.toContain('another-secret-of-ours')
    }
  })

  test('fills in what is given', async () => {
    await makeConfig(
      'app.ini',
      'host=0.0.0.0',
      'port=0',
      'key=shop',
      'secret=abc',
      'timeout=60',
      'data_dir=/var/x',
    )
    expect(
      read('app.ini')
        .split('\n')
        .filter((line) => line.includes(' = ')),
    ).toEqual([
      'use = egg:Paste#http',
      'host = 0.0.0.0',
      'port = 0',
      'use = file:./app.mjs',
      'filter-with = session',
      'use = egg:Beaker#beaker_session',
      'beaker.session.key = shop',
      'beaker.session.secret = abc',
      'beaker.session.type = file',
      'beaker.session.data_dir = /var/x',
      'beaker.session.timeout = 60',
    ])
  })

  test('mounts the app that is there', async () => {
    await makeConfig('app.ini', 'app=server.js')
    expect(read('app.ini')).toContain('\nuse = file:./server.js\n')
    expect(readdirSync(cwd)).toEqual(['app.ini'])
    await makeConfig('composite', 'two.ini', 'app=egg:Mine#page', 'api=../api.js')
    expect(read('two.ini')).toContain('\nuse = egg:Mine#page\n')
    expect(read('two.ini')).toContain('\nuse = file:../api.js\n')
    expect(readdirSync(cwd).sort()).toEqual(['app.ini', 'two.ini'])
  })

  test('leaves an app that is there alone', async () => {
    writeFileSync(join(cwd, 'app.mjs'), 'export default () => {}\n')
    const { stderr } = await makeConfig('app.ini')
    expect(stderr).toBe('wrote app.ini\n\nNext: sessd serve app.ini\n')
    expect(read('app.mjs')).toBe('export default () => {}\n')
  })

  test('doubles each % that is no %(here)s, so that it stays what it is', async () => {
    await makeConfig('app.ini', 'secret=100%(x)s%', 'data_dir=%(here)s/50%')
    expect(read('app.ini')).toContain('\nbeaker.session.secret = 100%%(x)s%%\n')
    expect(read('app.ini')).toContain('\nbeaker.session.data_dir = %(here)s/50%%\n')
  })

  test('prints the file when it is -, and writes nothing', async () => {
    const { code, stdout, stderr } = await makeConfig('production', '-', 'secret=abc')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^# For production, /)
    expect(secretIn(stdout)).toBe('abc')
    expect(readdirSync(cwd)).toEqual([])
  })
})

describe('a file that is there already', () => {
  test('is not overwritten; what would change is shown', async () => {
    await makeConfig('app.ini')
    const before = read('app.ini')
    const { code, stdout, stderr } = await makeConfig('app.ini', 'port=9000')
    expect(code).toBe(1)
    expect(stdout).toBe(
      [
        '--- app.ini',
        '+++ app.ini',
        '@@ -3,7 +3,7 @@',
        ' [server:main]',
        ' use = egg:Paste#http',
        ' host = 127.0.0.1',
        '-port = 8080',
        '+port = 9000',
        ' ',
        ' [app:main]',
        ' use = file:./app.mjs',
        '',
      ].join('\n'),
    )
    expect(stderr).toBe('\napp.ini is there already: --force overwrites it, and keeps its secret\n')
    expect(read('app.ini')).toBe(before)
  })

  test('is fine when nothing would change', async () => {
    await makeConfig('app.ini')
    expect(await makeConfig('app.ini')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'app.ini is there already, just like this\n\nNext: sessd serve app.ini\n',
    })
  })

  test('is overwritten with --force, and keeps the secret', async () => {
    await makeConfig('app.ini')
    const secret = secretIn(read('app.ini'))
    const { code, stdout, stderr } = await makeConfig('production', 'app.ini', '--force')
    expect(code).toBe(0)
    expect(stdout).toContain('\n+beaker.session.samesite = Lax\n')
    expect(stdout).toContain('\n beaker.session.secret = ***\n')
    expect(stderr).toBe('\noverwrote app.ini\n\nNext: sessd serve app.ini\n')
    expect(secretIn(read('app.ini'))).toBe(secret)
    expect(statSync(join(cwd, 'app.ini')).mode & 0o777).toBe(0o600)
    expect(readdirSync(cwd).sort()).toEqual(['app.ini', 'app.mjs'])
  })

  test('keeps a secret that it reads from elsewhere', async () => {
    writeFileSync(join(cwd, 'app.ini'), `[filter:s]\nsession.secret: \${env:SECRET} \n`)
    await makeConfig('app.ini', '-f')
    expect(secretIn(read('app.ini'))).toBe(`\${env:SECRET}`)
  })

  test('gets a new secret when one is given', async () => {
    await makeConfig('app.ini')
    await makeConfig('app.ini', '-f', 'secret=brand-new')
    expect(secretIn(read('app.ini'))).toBe('brand-new')
  })

  test('keeps its group readers, and loses all others', async () => {
    writeFileSync(join(cwd, 'app.ini'), '', { mode: 0o644 })
    await makeConfig('app.ini', '-f')
    expect(statSync(join(cwd, 'app.ini')).mode & 0o777).toBe(0o640)
  })

  test('stays where a symbolic link says that it is', async () => {
    mkdirSync(join(cwd, 'etc'))
    writeFileSync(join(cwd, 'etc', 'real.ini'), '')
    symlinkSync('etc/real.ini', join(cwd, 'app.ini'))
    await makeConfig('app.ini', '-f')
    expect(read('etc/real.ini')).toBe(read('app.ini'))
    expect(readdirSync(join(cwd, 'etc'))).toEqual(['real.ini'])
  })
})

describe('wrong words', () => {
  test.each([
    [[], 'You must give a FILE to write'],
    [['port=1'], 'You must give a FILE to write'],
    [['production'], 'production is a template: after it, give a FILE to write'],
    [['prodution', 'x.ini'], 'there is no template "prodution". Did you mean "production"?'],
    [['big', 'x.ini'], 'there is no template "big". There is: development, production, composite.'],
    [['development', 'x.ini', 'y.ini'], 'expected TEMPLATE and FILE, got 3 names'],
    [['x.ini', 'prot=1'], 'template development has no variable "prot". Did you mean "port"?'],
    [
      ['x.ini', 'zzzzzzz=1'],
      'template development has no variable "zzzzzzz". There is: host, port, secret, key, timeout, data_dir, app.',
    ],
    [
      ['x.ini', '__proto__=1'],
      'template development has no variable "__proto__". There is: host, port, secret, key, timeout, data_dir, app.',
    ],
    [['x.ini', 'port=abc'], 'port: expected a whole number from 0 to 65535, got "abc"'],
    [['x.ini', 'host='], 'host: expected some text, got ""'],
    [['x.ini', 'host=a\nb'], 'host: expected some text, got "a\\nb"'],
    [['x.ini', 'secret=a\nsecrets'], 'secret: expected some text, got something else'],
    [['x.ini', 'key=a b'], 'key: expected a cookie name of letters, digits, _, - and ., got "a b"'],
    [['x.ini', '=1'], 'expected name=value, got "=1"'],
  ])('%j: %s', async (words, message) => {
    expect(await makeConfig(...words)).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: ${message}\nTry: sessd make-config --help\n`,
    })
    expect(readdirSync(cwd)).toEqual([])
  })

  test('name a directory that is not there', async () => {
    expect(await makeConfig('etc/app.ini')).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: there is no directory ${join(cwd, 'etc')}\n`,
    })
  })

  test('name a directory in place of a file', async () => {
    mkdirSync(join(cwd, 'etc'))
    expect(await makeConfig('etc')).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: ${join(cwd, 'etc')} is a directory, expected a file to write\n`,
    })
    expect(existsSync(join(cwd, 'app.mjs'))).toBe(false)
  })
})
