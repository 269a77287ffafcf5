// Database servers that a bench stops, pauses, kills and starts again, and a line to one of them that can be made bad.
// What they said was stored must survive all that: Redis appends each write to its file. Against a kill no fsync is needed.

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './backends.mjs'
import { findProgram, start } from './processes.mjs'
import { accepts } from './servers.mjs'

const isRoot = process.getuid() === 0
const NOBODY = 65_534
// PostgreSQL and MariaDB refuse to run as root.
const nobody = isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []

function run(command, cwd) {
  execFileSync(command[0], command.slice(1), { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

/** For each kind: the programs, the settings of the store, what prepares `directory`, the command, what it says when ready. */
const kinds = {
  redis: {
    programs: ['redis-server'],
    settings: (port) => ({ type: 'ext:redis', url: `redis://127.0.0.1:${port}` }),
    command: (port) => [
      ...['redis-server', '--port', port, '--bind', '127.0.0.1', '--save', ''],
      ...['--appendonly', 'yes', '--appendfsync', 'always'],
    ],
    ready: /Ready to accept connections/i,
  },
  memcached: {
    programs: ['memcached'],
    settings: (port) => ({ type: 'ext:memcached', url: `127.0.0.1:${port}` }),
    command: (port) => [
      'memcached',
      '-l',
      '127.0.0.1',
      '-p',
      port,
      '-U',
      '0',
      ...(isRoot ? ['-u', 'nobody'] : []),
    ],
    forgets: true,
  },
  PostgreSQL: {
    programs: ['initdb', 'postgres'],
    settings: (port) => ({ type: 'ext:database', url: `postgresql://bench@127.0.0.1:${port}/postgres` }),
    prepare(directory) {
      const how = [
        '-D',
        join(directory, 'data'),
        '-A',
        'trust',
        '-U',
        'bench',
        '--no-sync',
        '-E',
        'UTF8',
        '--locale=C',
      ]
      run([...nobody, findProgram('initdb'), ...how], directory)
    },
    command: (port, directory) => [
      ...[...nobody, findProgram('postgres'), '-D', join(directory, 'data')],
      ...['-h', '127.0.0.1', '-p', port, '-k', directory, '-c', 'fsync=off'],
    ],
    ready: /ready to accept connections/,
    gentle: 'SIGINT',
  },
  MariaDB: {
    programs: ['mariadb-install-db', 'mariadbd'],
    settings: (port) => ({ type: 'ext:database', url: `mysql://bench:bench@127.0.0.1:${port}/bench` }),
    prepare(directory) {
      const how = [
        '--no-defaults',
        `--datadir=${join(directory, 'data')}`,
        '--skip-test-db',
        `--tmpdir=${directory}`,
      ]
      run(['mariadb-install-db', ...how, ...(isRoot ? ['--user=nobody'] : [])], directory)
      const lines = [
        'CREATE DATABASE IF NOT EXISTS bench;',
        "CREATE USER IF NOT EXISTS 'bench'@'%' IDENTIFIED BY 'bench';",
        "GRANT ALL ON bench.* TO 'bench'@'%';",
      ]
      writeFileSync(join(directory, 'init.sql'), `${lines.join('\n')}\n`, { mode: 0o644 })
    },
    command: (port, directory) => [
      ...[findProgram('mariadbd'), '--no-defaults', `--datadir=${join(directory, 'data')}`, `--port=${port}`],
      ...['--bind-address=127.0.0.1', `--socket=${join(directory, 'socket')}`, `--tmpdir=${directory}`],
      ...[`--init-file=${join(directory, 'init.sql')}`, '--innodb-flush-log-at-trx-commit=2'],
      ...['--innodb-buffer-pool-size=16M', ...(isRoot ? ['--user=nobody'] : [])],
    ],
    ready: /ready for connections/,
  },
}

export const names = Object.keys(kinds)

/** Starts one in `directory`. Rejects with the reason where it can't be. */
export async function startMistreated(name, directory) {
  const kind = kinds[name]
  const missing = kind.programs.filter((program) => findProgram(program) === undefined)
  if (missing.length > 0) throw new Error(`no ${missing.join(', no ')} here`)
  mkdirSync(directory)
  if (isRoot) {
    chmodSync(dirname(directory), 0o711)
    chownSync(directory, NOBODY, NOBODY)
  }
  kind.prepare?.(directory)
  const port = await freePort()
  let server

  async function begin() {
    const [program, ...args] = kind.command(String(port), directory)
    server = start(program, args, { core: 'any', cwd: directory })
    if (kind.ready !== undefined) await server.says(kind.ready, 60_000)
    while (!(await accepts(port))) {
      if (server.child.exitCode !== null) throw new Error(`does not start: ${server.output().trim()}`)
      await sleep(10)
    }
  }

  async function end(signal) {
    const pids = family(server.pid)
    const gone = new Promise((resolve) => server.child.once('exit', resolve))
    server.child.kill(signal)
    await gone
    // Children of a dead one see that it is gone, and keep the next one from starting until then.
    if (signal === 'SIGKILL') sendAll(pids, signal)
    while (pids.some((pid) => send(pid, 0))) await sleep(5)
  }

  await begin()
  return {
    port,
    settings: kind.settings,
    /** Whether it loses all when it ends, as is its nature. */
    forgets: kind.forgets === true,
    begin,
    stop: () => end(kind.gentle ?? 'SIGTERM'),
    kill: () => end('SIGKILL'),
    pause: () => sendAll(family(server.pid), 'SIGSTOP'),
    resume: () => sendAll(family(server.pid), 'SIGCONT'),
  }
}

/** A process and its children. */
function family(pid) {
  const tasks = existsSync(`/proc/${pid}/task`) ? readdirSync(`/proc/${pid}/task`) : []
  const children = tasks.flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1')
        .split(' ')
        .filter(Boolean)
        .map(Number)
    } catch {
      return [] // the thread has ended meanwhile
    }
  })
  return [pid, ...children]
}

function sendAll(pids, signal) {
  for (const pid of pids) send(pid, signal)
}

/** Whether there is such a process. */
function send(pid, signal) {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/**
 * A line to `target` on a port of its own: `{ port, be(weather), close() }`. Weather: 'fine'; a number: answers come so many
 * milliseconds late; 'cut': each connection ends in the middle of its first answer; 'garbage': answers are random bytes.
 */
export async function openLine(target) {
  let weather = 'fine'
  const lines = new Set()

  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    const line = { near, held: [] }
    lines.add(line)
    const end = () => {
      lines.delete(line)
      near.destroy()
      far.destroy()
    }
    for (const socket of [near, far]) socket.on('error', end).on('close', end)
    near.on('data', (chunk) => far.write(chunk))
    far.on('data', (chunk) => {
      if (weather === 'cut') near.write(chunk.subarray(0, chunk.length >> 1), end)
      else if (weather === 'garbage') near.write(noise(chunk.length))
      else if (weather === 'fine' && line.held.length === 0) near.write(chunk)
      else hold(line, chunk, Number(weather) || 0)
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))

  function hold(line, chunk, milliseconds) {
    line.held.push(chunk)
    setTimeout(() => line.held.length > 0 && line.near.write(line.held.shift()), milliseconds)
  }

  return {
    port: server.address().port,
    be(next) {
      weather = next
      for (const line of lines) {
        for (const chunk of line.held.splice(0)) line.near.write(chunk)
        if (next === 'cut') line.near.destroy()
      }
    },
    close() {
      for (const { near } of lines) near.destroy()
      server.close()
    },
  }
}

function noise(length) {
  return Buffer.from(Array.from({ length }, () => Math.floor(Math.random() * 256)))
}
