// Redis, memcached, PostgreSQL: from the system's binaries, on free ports, on the core of the load, without a disk.

import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findProgram, start } from './processes.mjs'
import { accepts } from './servers.mjs'

const isRoot = process.getuid() === 0
const NOBODY = 65_534

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function whenReady(server, isReady) {
  while (server.child.exitCode === null) {
    if (await isReady()) return
    await sleep(20)
  }
  throw new Error(server.output().trim())
}

const REDIS = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--loglevel', 'warning']

const makers = {
  redis: {
    programs: ['redis-server'],
    async make(directory) {
      const port = await freePort()
      const server = start('redis-server', ['--port', String(port), ...REDIS], {
        core: 'load',
        cwd: directory,
      })
      await whenReady(server, () => accepts(port))
      return `redis://127.0.0.1:${port}`
    },
  },
  memcached: {
    programs: ['memcached'],
    async make(directory) {
      const port = await freePort()
      const user = isRoot ? ['-u', 'nobody'] : []
      const args = ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-t', '1', '-m', '1024', ...user]
      const server = start('memcached', args, { core: 'load', cwd: directory })
      await whenReady(server, () => accepts(port))
      return `127.0.0.1:${port}`
    },
  },
  postgres: {
    programs: ['initdb', 'postgres', 'psql'],
    async make(directory) {
      const port = await freePort()
      const data = join(directory, 'data')
      // PostgreSQL refuses to run as root.
      const nobody = isRoot
        ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--pdeathsig', 'KILL']
        : []
      if (isRoot) {
        chownSync(directory, NOBODY, NOBODY)
        chmodSync(dirname(directory), 0o711)
      }
      const init = [
        ...nobody,
        findProgram('initdb'),
        '-D',
        data,
        '-A',
        'trust',
        '-U',
        'bench',
        '--no-sync',
        '-E',
        'UTF8',
        '--locale=C',
      ]
      execFileSync(init[0], init.slice(1), { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
      const args = ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', directory]
      const settings = ['fsync=off', 'synchronous_commit=off', 'max_connections=400'].flatMap((one) => [
        '-c',
        one,
      ])
      const command = [...nobody, findProgram('postgres'), ...args, ...settings]
      const server = start(command[0], command.slice(1), { core: 'load', cwd: directory })
      await server.says(/ready to accept connections/)
      return `postgresql://bench@127.0.0.1:${port}/postgres`
    },
  },
}

/** Starts each backend once, when it is first asked for. `directory`: where they may write. */
export function openBackends(directory) {
  const open = new Map()
  let count = 0
  return {
    /** Where a new, empty place of this kind is: a directory or a URL. Rejects with the reason why there is none. */
    async locate(kind) {
      const own = join(directory, `${kind}-${count++}`)
      mkdirSync(own)
      if (kind === 'directory') return own
      const { programs, make } = makers[kind]
      const missing = programs.filter((program) => findProgram(program) === undefined)
      if (missing.length > 0) throw new Error(`no ${missing.join(', no ')} here`)
      if (!open.has(kind)) open.set(kind, make(own))
      return open.get(kind)
    },
  }
}
