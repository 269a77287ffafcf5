import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { emptyDirectory } from '../support/directory.js'
import { run } from '../support/main.js'

function site(server: string): string {
  const directory = join(emptyDirectory(), '50% "mine"')
  mkdirSync(directory)
  writeFileSync(join(directory, 'app.ini'), `[server:main]\nuse = egg:Paste#http\n${server}\n`)
  return directory
}

const hasVerify = existsSync('/usr/bin/systemd-analyze')
if (!hasVerify && process.env.CI === 'true') throw new Error('systemd-analyze is not installed')

describe('sessd systemd', () => {
  test('prints a service that is told when to stop and when to load again', async () => {
    const directory = site('port = 443\ngraceful_timeout = 45')
    const { code, stdout } = await run(['systemd', 'app.ini', '--user', 'www-data', 'lang=a b$'], directory)
    expect(code).toBe(0)
    expect(stdout).toContain('Type=notify\n# systemd-notify speaks for the server\nNotifyAccess=all\n')
    expect(stdout).toContain(`WorkingDirectory=${directory.replace('%', '%%')}\n`)
    const file = `"${directory.replace('%', '%%').replaceAll('"', '\\"')}/app.ini"`
    expect(stdout).toMatch(/^ExecStart=\S+ .*serve /m)
    expect(stdout).toContain(` serve ${file} "lang=a b$$"\n`)
    expect(stdout).toContain('TimeoutStopSec=60\n')
    expect(stdout).toContain('User=www-data\n')
    expect(stdout).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE\n')
  })

  test.each([
    ['', ['127.0.0.1:8080']],
    ['host = *', ['8080']],
    ['host = ::1\nport = 90', ['[::1]:90']],
    [
      'listen = *:80 [::1]:81 unix:/run/app.sock localhost:82',
      ['80', '[::1]:81', '/run/app.sock', '127.0.0.1:82'],
    ],
    ['unix_socket = /run/app.sock', ['/run/app.sock']],
  ])('with --socket prints the socket of %j', async (server, streams) => {
    const { stdout } = await run(['systemd', 'app.ini', '--socket'], site(server))
    expect(stdout.match(/(?<=^ListenStream=).*/gm)).toEqual(streams)
  })

  test.runIf(hasVerify)('prints what systemd takes', async () => {
    const directory = site('')
    const units = emptyDirectory()
    for (const [name, args] of [
      ['app.service', ['--user', 'root']],
      ['app.socket', ['--socket']],
    ] as const) {
      writeFileSync(join(units, name), (await run(['systemd', 'app.ini', ...args], directory)).stdout)
    }
    execFileSync('systemd-analyze', [
      'verify',
      '--man=no',
      '--recursive-errors=no',
      join(units, 'app.service'),
    ])
    execFileSync('systemd-analyze', [
      'verify',
      '--man=no',
      '--recursive-errors=no',
      join(units, 'app.socket'),
    ])
  })

  test('asks for a file that is there', async () => {
    expect(await run(['systemd', 'none.ini'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'error: there is no file none.ini\nTry: sessd systemd --help\n',
    })
  })
})
