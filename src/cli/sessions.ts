// `sessd sessions`: what is stored behind the session filter of a file. Lists, shows, ends and clears away.

import type { Command } from 'commander'
import { createLoader } from '../loader.js'
import type { SessionAdmin, SessionSummary } from '../protocol.js'
import { readTarget } from './arguments.js'
import { examples } from './help.js'
import type { Cli } from './terminal.js'

interface Options {
  readonly appName?: string
  readonly key?: string
  readonly user?: string
  readonly json?: true
}

export function register(program: Command, cli: Cli): void {
  const sessions = program
    .command('sessions')
    .summary('look at stored sessions, or end them')
    .usage('ACTION FILE [ID ...]')
    .description('Works on what is stored behind the session filter of an INI file. No server needs to run.')
    .addHelpText(
      'after',
      examples([
        ['sessd sessions list app.ini', 'who is there'],
        ['sessd sessions show app.ini 6937c6a0ab38', 'the data of one session'],
        ['sessd sessions revoke app.ini 6937c6a0ab38', 'log it out'],
        ['sessd sessions revoke app.ini --user bob', 'log bob out everywhere'],
        ['sessd sessions purge app.ini', 'remove what has expired'],
      ]),
    )

  add(sessions, 'list', 'list live sessions')
    .option('-u, --user <name>', 'only those that are bound to this user')
    .action((file, options: Options, command: Command) =>
      withAdmin(cli, command, file, options, async (admin) => {
        if (admin.list === undefined) command.error("error: this store can't list its sessions")
        const rows: SessionSummary[] = []
        for await (const summary of admin.list()) {
          if (options.user === undefined || summary.user === options.user) rows.push(summary)
        }
        if (options.json === true) cli.print(JSON.stringify(rows, null, 2))
        else tellList(cli, rows)
      }),
    )

  add(sessions, 'show', 'show sessions with their data', true).action(
    (file, ids, options: Options, command: Command) =>
      withAdmin(cli, command, file, options, async (admin) => {
        for (const id of needIds(command, ids)) {
          const found = await admin.show(id)
          if (found === null) tellMissing(cli, id)
          else cli.print(JSON.stringify(found, bigintsAsText, 2))
        }
      }),
  )

  add(sessions, 'revoke', 'end sessions', true)
    .option('-u, --user <name>', 'all that are bound to this user, in place of ids')
    .action((file, ids, options: Options, command: Command) =>
      withAdmin(cli, command, file, options, async (admin) => {
        if (options.user !== undefined) return revokeUser(cli, command, admin, options.user)
        for (const id of needIds(command, ids)) {
          if (await admin.revoke(id)) cli.say(`revoked ${id}`)
          else tellMissing(cli, id)
        }
      }),
    )

  add(sessions, 'purge', 'remove expired sessions').action((file, options: Options, command: Command) =>
    withAdmin(cli, command, file, options, async (admin) => {
      if (admin.purge === undefined) command.error('error: this store removes expired sessions by itself')
      const removed = await admin.purge((sum) => cli.progress(`${sum} removed`))
      if (options.json === true) cli.print(JSON.stringify({ removed }))
      else cli.say(`${removed} expired ${removed === 1 ? 'session' : 'sessions'} removed`)
    }),
  )
}

function add(parent: Command, name: string, summary: string, takesIds = false): Command {
  const command = parent
    .command(name)
    .summary(summary)
    .description(`${summary[0]!.toUpperCase()}${summary.slice(1)}.`)
    .usage(`[options] FILE${takesIds ? ' ID ...' : ''}`)
    .argument('[FILE]', 'the INI file; #x for its [app:x] in place of [app:main]')
  if (takesIds) command.argument('[ID...]', 'ids, as `list` prints them')
  return command
    .option('-k, --key <cookie>', 'which filter, by its cookie name, if the file has several')
    .option('--json', 'print JSON on stdout')
    .option('--debug', 'show the stack of every error')
    .helpOption('-h, --help', 'print this')
}

/** Loads the file, finds the filter, works on it, and closes everything again. */
async function withAdmin(
  cli: Cli,
  command: Command,
  file: string | undefined,
  options: Options,
  work: (admin: SessionAdmin) => Promise<void>,
): Promise<void> {
  const { uri, name, globalConf } = readTarget(command, cli, file, [], options.appName)
  const loader = createLoader()
  try {
    const { made } = await loader.load('app', uri, { name, globalConf })
    await work(pickAdmin(command, made, options.key))
  } finally {
    await loader.close()
  }
}

function pickAdmin(command: Command, made: readonly object[], key: string | undefined): SessionAdmin {
  const admins = made.flatMap((one) => ('sessions' in one ? [one.sessions as SessionAdmin] : []))
  const picked = key === undefined ? admins : admins.filter((admin) => admin.name === key)
  const [admin, another] = picked
  const names = admins.map((one) => one.name).join(', ')
  if (admins.length === 0)
    command.error('error: the file has no session filter that keeps sessions in a store')
  if (admin === undefined) command.error(`error: no session filter has the cookie ${key}: there is ${names}`)
  if (another !== undefined) command.error(`error: several session filters: say which by --key, of ${names}`)
  return admin
}

async function revokeUser(cli: Cli, command: Command, admin: SessionAdmin, user: string): Promise<void> {
  if (admin.revokeUser === undefined) command.error("error: these sessions can't be bound to users")
  const count = await admin.revokeUser(user)
  cli.say(`${count} ${count === 1 ? 'session' : 'sessions'} of ${user} revoked`)
}

function needIds(command: Command, ids: readonly string[]): readonly string[] {
  if (ids.length === 0) command.error('error: You must give an id')
  return ids
}

function tellMissing(cli: Cli, id: string): void {
  cli.say(`no session ${id}`)
  cli.exitCode = 1
}

function tellList(cli: Cli, rows: readonly SessionSummary[]): void {
  for (const { id, created, accessed, expiresAt, bytes, user, problem } of rows) {
    const times = [created, accessed, expiresAt].map(time)
    cli.print(
      [id, ...times, `${bytes} B`, user ?? '', problem ?? ''].filter((part) => part !== '').join('  '),
    )
  }
  cli.say(
    `${rows.length} ${rows.length === 1 ? 'session' : 'sessions'}${rows.length > 0 ? ': id, created, used, dies, size' : ''}`,
  )
}

function time(milliseconds: number | null): string {
  return milliseconds === null
    ? 'never'.padEnd(20)
    : new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z')
}

function bigintsAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
