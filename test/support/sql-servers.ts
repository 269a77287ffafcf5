// Real database servers for tests, from the system's binaries. Both refuse to run as root; `nobody` runs them then.

import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { testCertificate } from './certificate.js'
import { findProgram, startServer, type TestServer } from './servers.js'

/** Programs that the servers need, for `describeWith`. */
export const POSTGRES = ['initdb', 'postgres'] as const
export const MARIADB = ['mariadb-install-db', 'mariadbd'] as const

export const USER = 'sessd'
/** With all that means something in an url. */
export const PASSWORD = 'p@ss:w/rd%?#'

export interface SqlTestServer extends TestServer {
  /** With user, password and database `test`. */
  readonly url: string
  /** Runs a statement on a connection of its own; answers the rows. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
}

// Debian keeps these off the path.
const debian = '/usr/lib/postgresql'
for (const version of existsSync(debian) ? readdirSync(debian) : []) {
  process.env.PATH = [process.env.PATH, join(debian, version, 'bin')].join(delimiter)
}

const NOBODY = 65_534
const isRoot = process.getuid?.() === 0
/** Runs a command as somebody who is not root, in place of the command. */
const unprivileged = isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []

/** Makes a directory the server's, with a key and a certificate in it. */
function give(directory: string): void {
  writeFileSync(join(directory, 'key.pem'), testCertificate.key, { mode: 0o600 })
  writeFileSync(join(directory, 'cert.pem'), testCertificate.cert)
  if (!isRoot) return
  for (const name of ['.', 'key.pem', 'cert.pem']) chownSync(join(directory, name), NOBODY, NOBODY)
}

function run(command: string, args: readonly string[], cwd: string): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
}

function urlOf(scheme: string, port: number): string {
  return `${scheme}://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/test`
}

/** PostgreSQL, with TLS for who wants it. Pausing and killing takes all of its processes. */
export async function startPostgres(): Promise<SqlTestServer> {
  const [command = '', ...flags] = [...unprivileged, findProgram('postgres')!]
  const login = { host: '127.0.0.1', user: USER, password: PASSWORD, connectionTimeoutMillis: 1000 }
  const server = await startServer({
    command: isRoot ? command : 'postgres',
    args(port, directory) {
      const data = join(directory, 'data')
      if (!existsSync(data)) {
        give(directory)
        writeFileSync(join(directory, 'password'), PASSWORD)
        const auth = ['-A', 'scram-sha-256', '-U', USER, '--pwfile', 'password', '--no-sync']
        const [initdb = '', ...args] = [...unprivileged, findProgram('initdb')!, '-D', data, ...auth]
        run(initdb, [...args, '-E', 'UTF8', '--locale=C'], directory)
      }
      const tls = ['ssl=on', `ssl_cert_file=${directory}/cert.pem`, `ssl_key_file=${directory}/key.pem`]
      const fast = ['fsync=off', 'shared_buffers=16MB', 'max_connections=60', 'deadlock_timeout=100ms']
      return [
        ...(isRoot ? flags : []),
        ...['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', directory],
        ...[...fast, ...tls].flatMap((setting) => ['-c', setting]),
      ]
    },
    isReady: async (port) => {
      const client = new pg.Client({ ...login, port, database: 'postgres' })
      try {
        await client.connect()
        return true
      } catch {
        return false
      } finally {
        await client.end()
      }
    },
  })

  async function query(sql: string, values: readonly unknown[] = [], database = 'test') {
    const client = new pg.Client({ ...login, port: server.port, database })
    await client.connect()
    try {
      return (await client.query(sql, [...values])).rows as Record<string, unknown>[]
    } finally {
      await client.end()
    }
  }

  await query('CREATE DATABASE test', [], 'postgres')
  const family = () => familyOf(join(server.directory, 'data', 'postmaster.pid'))
  return {
    ...server,
    url: urlOf('postgresql', server.port),
    query: (sql, values) => query(sql, values),
    pause: () => pauseAll(family()),
    resume() {
      for (const pid of family()) kill(pid, 'SIGCONT')
    },
    async kill() {
      const pids = family()
      await server.kill()
      for (const pid of pids) kill(pid, 'SIGKILL')
      while (pids.some((pid) => kill(pid, 0))) await sleep(5)
    },
  }
}

/** The process in a pid file, and its children. */
function familyOf(pidFile: string): number[] {
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10)
  const children = `/proc/${pid}/task/${pid}/children`
  return [
    pid,
    ...(existsSync(children) ? readFileSync(children, 'utf8') : '').split(' ').filter(Boolean).map(Number),
  ]
}

/** Stops processes, and returns when all of their threads stand still. */
function pauseAll(pids: readonly number[]): void {
  for (const pid of pids) kill(pid, 'SIGSTOP')
  const tasks = () =>
    pids.flatMap((pid) => {
      const folder = `/proc/${pid}/task`
      return existsSync(folder) ? readdirSync(folder).map((task) => join(folder, task, 'stat')) : []
    })
  // After the name, which stands in parentheses, comes the state.
  const runs = (stat: string) => existsSync(stat) && !/\) [TtZX] /.test(readFileSync(stat, 'latin1'))
  while (tasks().some(runs));
}

/** Whether there is such a process. */
function kill(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal)
  } catch {
    return false
  }
}

/** MariaDB, with TLS for who wants it. */
export async function startMariadb(): Promise<SqlTestServer> {
  const user = isRoot ? ['--user=nobody'] : []
  const login = { host: '127.0.0.1', user: USER, password: PASSWORD }
  const server = await startServer({
    command: 'mariadbd',
    args(port, directory) {
      const data = join(directory, 'data')
      // In the common temporary directory, one that starts takes away what another one has there.
      const own = [`--tmpdir=${directory}`, '--innodb-log-file-size=8M', '--innodb-buffer-pool-size=16M']
      if (!existsSync(data)) {
        give(directory)
        const install = ['--no-defaults', `--datadir=${data}`, '--skip-test-db', ...own, ...user]
        run('mariadb-install-db', install, directory)
        writeFileSync(
          join(directory, 'init.sql'),
          `CREATE DATABASE IF NOT EXISTS test;\n` +
            `CREATE USER IF NOT EXISTS '${USER}'@'%' IDENTIFIED BY '${PASSWORD}';\n` +
            `GRANT ALL ON *.* TO '${USER}'@'%' WITH GRANT OPTION;\n`,
          { mode: 0o644 },
        )
      }
      return [
        ...['--no-defaults', `--datadir=${data}`, `--port=${port}`, '--bind-address=127.0.0.1', ...user],
        ...[`--pid-file=${join(directory, 'pid')}`, `--socket=${join(directory, 'socket')}`],
        ...[`--init-file=${join(directory, 'init.sql')}`, ...own],
        ...['--innodb-flush-log-at-trx-commit=2', '--skip-log-bin'],
        ...[`--ssl-cert=${join(directory, 'cert.pem')}`, `--ssl-key=${join(directory, 'key.pem')}`],
      ]
    },
    isReady: async (port) => {
      try {
        const connection = await createConnection({ ...login, port, connectTimeout: 1000 })
        await connection.end()
        return true
      } catch {
        return false
      }
    },
  })
  return {
    ...server,
    url: urlOf('mysql', server.port),
    pause: () => pauseAll([Number.parseInt(readFileSync(join(server.directory, 'pid'), 'utf8'), 10)]),
    async query(sql, values = []) {
      const connection = await createConnection({ ...login, port: server.port, database: 'test' })
      try {
        const [rows] = await connection.query(sql, [...values] as string[])
        return rows as unknown as Record<string, unknown>[]
      } finally {
        await connection.end()
      }
    },
  }
}
