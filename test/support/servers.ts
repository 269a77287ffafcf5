// Real servers for tests, from the system's binaries: on free ports, in directories of their own, ended after the tests.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { describe, test } from 'vitest'

const run = promisify(execFile)

/** A server that a test may mistreat. */
export interface TestServer {
  readonly port: number
  /** `127.0.0.1:port` */
  readonly address: string
  readonly directory: string
  /** Stops answering, and keeps its connections (SIGSTOP). */
  pause(): void
  resume(): void
  /** Ends it without notice (SIGKILL). Resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same port, after `kill`. */
  restart(): Promise<void>
  /** Ends it for good and removes its directory. */
  stop(): Promise<void>
}

/** What makes one: the command line for a port and an empty directory. */
export interface ServerSpec {
  readonly command: string
  args(port: number, directory: string): readonly string[]
  /** Whether it can be used yet. Default: it accepts a connection. */
  isReady?(port: number): Promise<boolean>
  /** Which port to take. Default: any that is free. */
  choosePort?(): Promise<number>
}

/**
 * Describes tests that need programs of the system. Where one is missing they are skipped, with its name in the title,
 * and fail with CI=true.
 */
export function describeWith(programs: readonly string[], title: string, body: () => void): void {
  const missing = programs.filter((program) => findProgram(program) === undefined)
  if (missing.length === 0) describe(title, body)
  else if (process.env.CI !== 'true') describe.skip(`${title} (no ${missing.join(', no ')} here)`, body)
  else {
    test(title, () => {
      throw new Error(`these tests need ${missing.join(' and ')}`)
    })
  }
}

/** The path of a program; also looks where Debian keeps servers. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin']
  return directories.map((directory) => join(directory, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  return (await listenTo(0)) ?? freePort()
}

/**
 * One whose bus port, 10000 higher, is free as well: nodes of a cluster talk to each other there. Both are below the
 * ports that systems give to outgoing connections.
 */
async function freeNodePort(): Promise<number> {
  const port = 12_000 + Math.floor(Math.random() * 10_000)
  const isFree = (await listenTo(port)) !== undefined && (await listenTo(port + 10_000)) !== undefined
  return isFree ? port : freeNodePort()
}

/** Listens for a moment; answers the port, or undefined when somebody else has it. */
async function listenTo(wanted: number): Promise<number | undefined> {
  const server = createServer()
  const port = await new Promise<number | undefined>((resolve) => {
    server.on('error', () => resolve(undefined))
    server.listen(wanted, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts one. When somebody else was faster to take the port, another is tried. */
export async function startServer(spec: ServerSpec): Promise<TestServer> {
  const command = findProgram(spec.command)
  if (command === undefined) throw new Error(`no ${spec.command} here`)
  const { isReady = accepts, choosePort = freePort } = spec
  const directory = mkdtempSync(join(tmpdir(), `${spec.command}-`))

  async function launch(port: number): Promise<ChildProcess | undefined> {
    const child = spawn(command!, spec.args(port, directory), { cwd: directory, stdio: 'ignore' })
    endWithUs(child, directory)
    while (child.exitCode === null && child.signalCode === null) {
      if (await isReady(port)) return child
      await sleep(10)
    }
    return undefined
  }

  let port = 0
  let child: ChildProcess | undefined
  for (let attempt = 0; attempt < 5 && child === undefined; attempt++) {
    port = await choosePort()
    child = await launch(port)
  }
  if (child === undefined) throw new Error(`${spec.command} does not start`)
  let current = child

  async function kill(): Promise<void> {
    if (current.exitCode !== null || current.signalCode !== null) return
    const gone = new Promise((resolve) => current.once('exit', resolve))
    current.kill('SIGKILL')
    await gone
  }

  return {
    port,
    address: `127.0.0.1:${port}`,
    directory,
    pause() {
      current.kill('SIGSTOP')
      while (isRunning(current)) {
        // The signal is on its way.
      }
    },
    resume: () => void current.kill('SIGCONT'),
    kill,
    async restart() {
      const again = await launch(port)
      if (again === undefined) throw new Error(`${spec.command} does not start again`)
      current = again
    },
    async stop() {
      await kill()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Ends a server, and removes its directory, when this process ends, in whatever way: a test run that is broken off. */
function endWithUs(child: ChildProcess, directory: string): void {
  const script = 'cat > /dev/null; kill -9 "$0"; rm -rf "$1"'
  const watcher = spawn('/bin/sh', ['-c', script, String(child.pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watcher.unref()
  // Who reads what we never write learns when we are gone.
  ;(watcher.stdin as Socket).unref()
  child.once('exit', () => watcher.kill('SIGKILL'))
}

/** Whether the system shows the process as something else than stopped. Where it shows nothing: no. */
function isRunning({ pid }: ChildProcess): boolean {
  try {
    return !/\) T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    return await new Promise((resolve) => {
      socket.on('connect', () => resolve(true))
      socket.on('error', () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}

/** memcached; `args` are more arguments of its command line. */
export function startMemcached(...args: string[]): Promise<TestServer> {
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  return startServer({
    command: 'memcached',
    args: (port) => ['-l', '127.0.0.1', '-p', String(port), '-U', '0', ...user, ...args],
  })
}

/** A Redis server that keeps nothing on disk; `args` are more settings, as in `--requirepass`, `secret`. */
export function startRedis(...args: string[]): Promise<TestServer> {
  return startServer({
    command: 'redis-server',
    args: (port) => ['--port', String(port), ...REDIS, ...args],
  })
}

const REDIS = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--loglevel', 'warning']

/** A Redis server that takes TLS connections alone, with a certificate of its own: `directory/cert.pem`. */
export function startTlsRedis(): Promise<TestServer> {
  return startServer({
    command: 'redis-server',
    args(port, directory) {
      writeFileSync(join(directory, 'cert.pem'), certificate.cert)
      writeFileSync(join(directory, 'key.pem'), certificate.key)
      const files = ['--tls-cert-file', 'cert.pem', '--tls-key-file', 'key.pem', '--tls-auth-clients', 'no']
      return ['--port', '0', '--tls-port', String(port), ...files, ...REDIS]
    },
  })
}

let certificate = { cert: '', key: '' }

/** Makes the certificate of `startTlsRedis`, for 127.0.0.1, with openssl. */
export async function makeCertificate(): Promise<void> {
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const { stdout } = await run('openssl', ['req', ...kind, ...subject, '-keyout', '-', '-out', '-'])
  const end = stdout.indexOf('-----BEGIN CERTIFICATE-----')
  certificate = { key: stdout.slice(0, end), cert: stdout.slice(end) }
}

/** What a command of Redis answers, as redis-cli prints it. */
export async function redisCli(port: number, ...args: string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-p', String(port), ...args])
  return stdout.trim()
}

/**
 * Waits until every replica has what the server at `port` has now. (WAIT knows of the writes of its own connection alone.)
 * `options`: how redis-cli gets in.
 */
export async function untilReplicated(port: number, ...options: string[]): Promise<void> {
  const info = () => redisCli(port, ...options, 'info', 'replication')
  const wanted = Number(/^master_repl_offset:(\d+)/m.exec(await info())![1])
  await until(async () => {
    const now = await info()
    // On a busy machine it may have been taken for dead: then another one has all that it has.
    if (!now.includes('role:master')) return true
    const replicas = [...now.matchAll(/^slave\d+:.*\boffset=(\d+)/gm)]
    return replicas.length > 0 && replicas.every(([, offset]) => Number(offset) >= wanted)
  })
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  while (!(await isDone())) await sleep(20)
}

export interface TestServers {
  readonly servers: readonly TestServer[]
  stop(): Promise<void>
}

/**
 * A Redis cluster of three masters; with `replicas`, each with a replica, six servers in all. `partial`: when one is gone
 * for good, the others go on with what they have.
 */
export async function startRedisCluster({ replicas = false, partial = false } = {}): Promise<TestServers> {
  const node: ServerSpec = {
    command: 'redis-server',
    choosePort: freeNodePort,
    args: (port) => [
      ...['--port', String(port), '--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'],
      ...['--cluster-require-full-coverage', partial ? 'no' : 'yes'],
      ...REDIS,
    ],
  }
  const servers: TestServer[] = []
  while (servers.length < (replicas ? 6 : 3)) servers.push(await startServer(node))
  const addresses = servers.map(({ address }) => address)
  const shape = ['--cluster-replicas', replicas ? '1' : '0', '--cluster-yes']
  await run('redis-cli', ['--cluster', 'create', ...addresses, ...shape])
  await until(async () => {
    const states = await Promise.all(servers.map(({ port }) => redisCli(port, 'cluster', 'info')))
    return states.every((state) => state.includes('cluster_state:ok'))
  })
  if (replicas) {
    await until(async () => {
      const links = await Promise.all(servers.map(({ port }) => redisCli(port, 'info', 'replication')))
      return links.every((link) => link.includes('role:master') || link.includes('master_link_status:up'))
    })
  }
  return { servers, stop: async () => void (await Promise.all(servers.map((server) => server.stop()))) }
}

export interface SentinelServers extends TestServers {
  readonly primary: TestServer
  readonly replica: TestServer
  /** The name that the sentinel knows them by is `main`. */
  readonly sentinel: TestServer
}

/** A primary, its replica and a sentinel that notices within two seconds when the primary is gone. */
export async function startSentinel(password = 'secret'): Promise<SentinelServers> {
  const auth = ['--requirepass', password, '--masterauth', password]
  const primary = await startRedis(...auth)
  const replica = await startRedis(...auth, '--replicaof', '127.0.0.1', String(primary.port))
  const quiet = ['--no-auth-warning', '-a', password]
  await until(async () =>
    (await redisCli(replica.port, ...quiet, 'info', 'replication')).includes('master_link_status:up'),
  )
  const sentinel = await startServer({
    command: 'redis-server',
    args(port, directory) {
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        `sentinel monitor main 127.0.0.1 ${primary.port} 1`,
        `sentinel auth-pass main ${password}`,
        'sentinel down-after-milliseconds main 1500',
        'sentinel failover-timeout main 2000',
      ]
      writeFileSync(join(directory, 'sentinel.conf'), `${lines.join('\n')}\n`)
      return ['sentinel.conf', '--sentinel']
    },
  })
  await until(async () =>
    (await redisCli(sentinel.port, 'sentinel', 'master', 'main')).includes('num-slaves\n1'),
  )
  const servers = [sentinel, primary, replica]
  return {
    servers,
    primary,
    replica,
    sentinel,
    stop: async () => void (await Promise.all(servers.map((server) => server.stop()))),
  }
}
