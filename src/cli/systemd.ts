// `sessd systemd`: a unit for systemd, and the socket unit that keeps the port open while the service restarts.

import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Command } from 'commander'
import { createLoader } from '../loader.js'
import { readTarget, type Target, takeTarget } from './arguments.js'
import { examples } from './help.js'
import type { Cli } from './terminal.js'

interface Options {
  readonly appName?: string
  readonly serverName?: string
  readonly user?: string
  readonly socket?: true
}

export function register(program: Command, cli: Cli): void {
  takeTarget(program.command('systemd'))
    .summary('print a unit for systemd')
    .description(
      'Prints a service unit that serves an INI file: ready when it listens, SIGHUP on reload, drained on stop. With ' +
        '--socket, the socket unit beside it: systemd then holds the port, and no connection is refused in a restart.',
    )
    .option('--user <name>', 'the user that it runs as; without it a user of its own that nothing else has')
    .option('--socket', 'print the socket unit')
    .addHelpText(
      'after',
      examples([
        ['sessd systemd app.ini > /etc/systemd/system/app.service', ''],
        ['sessd systemd app.ini --socket > /etc/systemd/system/app.socket', ''],
      ]),
    )
    .action(async (file: string | undefined, assignments: string[], options: Options, command: Command) => {
      const target = readTarget(command, cli, file, assignments, options.appName)
      if (!existsSync(target.file)) command.error(`error: there is no file ${target.written}`)
      if (options.user !== undefined && !/^[\w.-]+$/.test(options.user))
        command.error(`error: --user: expected a user's name, got ${JSON.stringify(options.user)}`)
      const settings = await serverSettings(target, options.serverName)
      cli.print(
        options.socket === true
          ? socketUnit(target, settings)
          : serviceUnit(target, settings, options, assignments),
      )
    })
}

async function serverSettings(
  target: Target,
  name: string | undefined,
): Promise<ReadonlyMap<string, string>> {
  const loader = createLoader()
  try {
    const { uri, globalConf } = target
    const { node } = await loader.load('server', uri, { name, globalConf })
    return new Map(
      node!.settings.filter(({ scope }) => scope === 'local').map(({ key, value }) => [key, value]),
    )
  } finally {
    await loader.close()
  }
}

function serviceUnit(
  target: Target,
  settings: ReadonlyMap<string, string>,
  { user, serverName }: Options,
  assignments: readonly string[],
): string {
  const app = target.name === undefined ? target.file : `${target.file}#${target.name}`
  const more = serverName === undefined ? [] : ['--server-name', serverName]
  const grace = settings.get('graceful_timeout') ?? '30'
  return writeUnit({
    title: basename(target.file),
    directory: dirname(target.file),
    command: [process.execPath, process.argv[1] ?? 'sessd', 'serve', ...more, app, ...assignments],
    grace: /^\d+$/.test(grace) ? Number(grace) : undefined,
    who: user === undefined ? ['DynamicUser=yes', 'StateDirectory=sessd'] : [`User=${user}`],
    more: needsPrivilege(settings) ? ['AmbientCapabilities=CAP_NET_BIND_SERVICE'] : [],
  })
}

interface Unit {
  /** What it is called in lists. */
  readonly title: string
  readonly directory: string
  readonly command: readonly string[]
  /** `graceful_timeout` in seconds, where it is known. */
  readonly grace: number | undefined
  /** Lines that say who runs it. */
  readonly who: readonly string[]
  readonly more: readonly string[]
}

/** A service unit for `sessd serve`, without a line end behind it. */
export function writeUnit({ title, directory, command, grace, who, more }: Unit): string {
  return [
    '[Unit]',
    `Description=sessd ${title}`,
    'After=network-online.target',
    'Wants=network-online.target',
    '',
    '[Service]',
    'Type=notify',
    '# systemd-notify speaks for the server',
    'NotifyAccess=all',
    `WorkingDirectory=${unitText(directory)}`,
    `ExecStart=${command.map(unitWord).join(' ')}`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    '# the server tells its own workers',
    'KillMode=mixed',
    ...(grace === undefined ? [] : [`TimeoutStopSec=${grace + 15}`]),
    'Restart=on-failure',
    '# a wrong configuration gets no better by trying again',
    'RestartPreventExitStatus=2 78',
    'Environment=NODE_ENV=production',
    ...who,
    'NoNewPrivileges=yes',
    'PrivateTmp=yes',
    'ProtectSystem=full',
    ...more,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ].join('\n')
}

function socketUnit(target: Target, settings: ReadonlyMap<string, string>): string {
  return [
    '[Unit]',
    `Description=Sockets of sessd ${basename(target.file)}`,
    '',
    '[Socket]',
    ...listenLines(settings).map((line) => `ListenStream=${unitText(line)}`),
    'NoDelay=yes',
    '',
    '[Install]',
    'WantedBy=sockets.target',
  ].join('\n')
}

/** What the server would listen on, as systemd writes it. */
function listenLines(settings: ReadonlyMap<string, string>): string[] {
  const unix = settings.get('unix_socket')
  if (unix !== undefined) return [unix]
  const secure = settings.has('tls_cert') || settings.has('ssl_pem')
  const port = settings.get('port') ?? (secure ? '4443' : '8080')
  const listed = settings.get('listen')?.trim().split(/\s+/) ?? [settings.get('host')?.trim() || '127.0.0.1']
  return listed.map((word) => {
    if (word.startsWith('unix:')) return word.slice(5)
    const [, name = word, own = port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(word) ?? []
    if (name === '*' || name === '' || name === '0.0.0.0') return own
    return `${name === 'localhost' ? '127.0.0.1' : name.includes(':') && !name.startsWith('[') ? `[${name}]` : name}:${own}`
  })
}

function needsPrivilege(settings: ReadonlyMap<string, string>): boolean {
  return listenLines(settings).some(
    (line) => /^(?:.*:)?\d+$/.test(line) && Number(/\d+$/.exec(line)![0]) < 1024,
  )
}

/** systemd expands % and takes line ends for the end. */
function unitText(text: string): string {
  return text.replaceAll('%', '%%').replace(/[\r\n]/g, ' ')
}

/** One word of a command line (systemd.service(5), quoting; $ is expanded too). */
function unitWord(word: string): string {
  const text = unitText(word).replaceAll('$', '$$$$')
  return /^[\w@%+=:,./#$-]+$/.test(text) ? text : `"${text.replace(/[\\"]/g, '\\$&')}"`
}
