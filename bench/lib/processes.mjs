// Processes of the bench: started on a core of their own, their CPU and memory read from /proc, ended with the bench.
// The core of the load is this process' own and that of redis, postgres and memcached.

import { execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const cores = allowedCores()
/** The server under test runs here, and nothing else of ours. */
const SERVER_CORE = cores[0]
/** Load and databases run here. */
const LOAD_CORE = cores[1]

/** What is said about the cores in each report. */
export const pinning =
  LOAD_CORE === undefined || findProgram('taskset') === undefined
    ? 'not pinned: this needs two cores and taskset'
    : `servers on core ${SERVER_CORE}, load on core ${LOAD_CORE}`
const isPinned = pinning.startsWith('servers')

function allowedCores() {
  if (!existsSync('/proc/self/schedstat')) {
    throw new Error('this bench reads /proc/PID/task/*/schedstat: it needs Linux')
  }
  const [, list] = /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

/** Moves this process to the core of the load. */
export function pinLoad() {
  if (isPinned)
    execFileSync('taskset', ['-a', '-p', '-c', String(LOAD_CORE), String(process.pid)], { stdio: 'ignore' })
}

/** The path of a program of the system, or undefined; also looks where Debian keeps servers. */
export function findProgram(name) {
  const postgres = '/usr/lib/postgresql'
  const versions = existsSync(postgres) ? readdirSync(postgres) : []
  const directories = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    ...versions.map((version) => join(postgres, version, 'bin')),
  ]
  return directories
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

// A bench that is killed ends nothing itself: the kernel does.
const dieWithUs = findProgram('setpriv') === undefined ? [] : ['setpriv', '--pdeathsig', 'KILL']

const running = new Set()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/**
 * Starts a program on the core of the servers ('server'), of the load ('load') or on 'any'. `output()` is what it said so far, of
 * which the last kilobytes are kept.
 */
export function start(command, args, { core = 'server', env = {}, cwd } = {}) {
  const isFree = !isPinned || core === 'any'
  const pin = isFree ? [] : ['taskset', '-c', String(core === 'server' ? SERVER_CORE : LOAD_CORE)]
  const [program, ...rest] = [...dieWithUs, ...pin, command, ...args]
  const child = spawn(program, rest, {
    cwd,
    env: { ...process.env, NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  let said = ''
  const hear = (text) => {
    said = (said + text).slice(-8192)
    child.emit('said')
  }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear)
  child.once('exit', () => running.delete(child))
  child.once('error', (error) => hear(error.message))
  return {
    child,
    pid: child.pid,
    output: () => said,
    /** The first match of a pattern in what it says. Rejects when it ends without, or takes too long. */
    says(pattern, milliseconds = 20_000) {
      return new Promise((resolve, reject) => {
        const done = (settle, value) => {
          clearTimeout(timer)
          child.off('said', look).off('exit', ended)
          settle(value)
        }
        const look = () => {
          const match = pattern.exec(said)
          if (match !== null) done(resolve, match)
        }
        const ended = () => setImmediate(() => done(reject, new Error(`does not start: ${gist(said)}`)))
        const late = () => done(reject, new Error(`does not start within ${milliseconds / 1000} seconds`))
        const timer = setTimeout(late, milliseconds)
        child.on('said', look).on('exit', ended)
        look()
        if (child.exitCode !== null) ended()
      })
    },
    /** Ends it, by SIGTERM when `gently`, and waits until it is gone. */
    async stop(gently = false) {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill(gently ? 'SIGTERM' : 'SIGKILL')
      await gone
    },
  }
}

/** The line that names an error, or the last one. */
function gist(text) {
  const lines = text.trim().split('\n')
  return (lines.find((line) => /^\S*(error|exception)\b/i.test(line)) ?? lines.at(-1)) || 'it says nothing'
}

/** CPU time in microseconds that a process, its threads and its children have used. */
export function cpuOf(pid) {
  let nanoseconds = 0
  for (const task of tasksOf(pid)) {
    nanoseconds += Number(read(`${task}/schedstat`).split(' ')[0])
    for (const child of read(`${task}/children`).split(' ').filter(Boolean))
      nanoseconds += cpuOf(child) * 1000
  }
  return nanoseconds / 1000
}

/** Resident memory in bytes of a process and its children. */
export function memoryOf(pid) {
  const [, kilobytes = 0] = /^VmRSS:\s*(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? []
  let bytes = Number(kilobytes) * 1024
  for (const task of tasksOf(pid)) {
    for (const child of read(`${task}/children`).split(' ').filter(Boolean)) bytes += memoryOf(child)
  }
  return bytes
}

function tasksOf(pid) {
  try {
    return readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`)
  } catch {
    return []
  }
}

/** A thread may end between being listed and being read. */
function read(path) {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return ''
  }
}
