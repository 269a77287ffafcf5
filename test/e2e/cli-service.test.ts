// `sessd serve` and the machine around it: sockets from systemd, its notifications, a pid file, an environment file.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ROOT, serveFile } from '../support/cli.js'
import { directoryOf } from '../support/directory.js'
import { get } from '../support/load.js'

const BIN = join(ROOT, 'bin/sessd.js')

function site(server: string): string {
  return directoryOf({
    'app.mjs':
      'export default (globalConf, { word }) => (req, res) => res.end([process.pid, word, process.env.SESSD_TEST_WORD].join(" "))',
    'app.ini': `[server:main]\nuse = egg:Paste#http\n${server}\n[app:main]\nuse = file:app.mjs\nword = \${env:SESSD_TEST_WORD:-none}\n`,
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** Runs a program; answers its lines of stderr. */
function start(command: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface(child.stderr).on('line', (line) => lines.push(line))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const says = (pattern: RegExp) =>
    vi.waitFor(
      () => expect(lines.find((line) => pattern.test(line)) ?? lines.join('\n')).toMatch(pattern),
      10_000,
    )
  return { child, lines, says, ended }
}

const hasActivate = existsSync('/usr/bin/systemd-socket-activate')

describe('systemd', () => {
  test.runIf(hasActivate).each(['', 'workers = 2'])(
    'hands over its sockets, which take the place of host and port (%s)',
    async (more) => {
      const directory = site(`port = 1\n${more}`)
      const port = await freePort()
      const args = ['-l', `127.0.0.1:${port}`, process.execPath, BIN, 'serve', join(directory, 'app.ini')]
      const { child, ended, says } = start('systemd-socket-activate', args)
      await says(/^Listening on/)
      expect(await get(`http://127.0.0.1:${port}/`)).toMatch(/ none /)
      await says(new RegExp(`^serving on http://127.0.0.1:${port}$`))
      child.kill('SIGTERM')
      expect(await ended).toBe(0)
    },
  )

  const hasNotify = existsSync('/usr/bin/systemd-notify')
  test.runIf(hasNotify).each(['', 'workers = 2'])(
    'is told when it serves and when it stops (%s)',
    async (more) => {
      const directory = site(`port = 0\n${more}`)
      const path = join(directory, 'notify')
      const receiver = start('python3', ['-c', RECEIVER, path])
      await receiver.says(/^ready$/)
      const { child, says, ended } = start(process.execPath, [BIN, 'serve', join(directory, 'app.ini')], {
        NOTIFY_SOCKET: path,
      })
      await says(/^serving on/)
      await receiver.says(/READY=1/)
      child.kill('SIGTERM')
      await receiver.says(/STOPPING=1/)
      expect(await ended).toBe(0)
    },
  )
})

const RECEIVER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('ready', file=sys.stderr, flush=True)
while True: print(s.recv(4096).decode().strip().replace('\\n', ' '), file=sys.stderr, flush=True)
`

describe('pid_file', () => {
  test('holds the id of the process to signal, and is gone in the end', async () => {
    const directory = site('port = 0\npid_file = run.pid')
    const served = await serveFile(join(directory, 'app.ini'))
    const [pid] = (await get(served.url)).split(' ')
    await vi.waitFor(() => expect(readFileSync(join(directory, 'run.pid'), 'utf8')).toBe(`${pid}\n`), 5000)
    expect((await served.stop()).code).toBe(0)
    expect(existsSync(join(directory, 'run.pid'))).toBe(false)
  })
})

describe('--env-file', () => {
  test.each([[], ['--workers', '2']])(
    'sets what nobody else has set, for the file and the apps (%s)',
    async (...more) => {
      const directory = site('port = 0')
      const env = join(directory, '.env')
      writeFileSync(env, 'SESSD_TEST_WORD="from the file"\nNODE_ENV=no\n')
      const served = await serveFile(join(directory, 'app.ini'), '--env-file', env, ...more)
      expect(await get(served.url)).toMatch(/^\d+ from the file from the file$/)
    },
  )
})
