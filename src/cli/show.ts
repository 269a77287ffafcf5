// `sessd show`: the tree that a file composes, with the place of every part and every value.

import type { Command } from 'commander'
import { readTarget, type Target, takeTarget } from './arguments.js'
import { examples } from './help.js'
import { tapStrays, tapWarnings } from './process-events.js'
import { BAD_CONFIG, reportError, reportStray, reportWarning, shortName } from './report.js'
import type { Cli } from './terminal.js'
import { drawTrees } from './tree.js'

interface Options {
  readonly appName?: string
  readonly serverName?: string
  readonly settings?: true
  readonly json?: true
  readonly debug?: true
}

export function register(program: Command, cli: Cli): void {
  takeTarget(program.command('show'))
    .summary('draw what a file composes')
    .description(
      'Draws the server, filters, mounts and apps that an INI file composes, in the order in which a request meets ' +
        'them, each with its file and line. Makes them to find out, and listens nowhere.',
    )
    .option('-v, --settings', 'show each setting, and where it comes from')
    .option('--json', 'print { server, app } on stdout, settings included')
    .addHelpText(
      'after',
      examples([
        ['sessd show app.ini', 'the tree'],
        ['sessd show app.ini -v', 'and every setting; secrets are ***'],
        ['sessd show app.ini#admin', 'the tree of [app:admin]'],
      ]),
    )
    .action(async (file: string | undefined, assignments: string[], options: Options, command: Command) => {
      const target = readTarget(command, cli, file, assignments, options.appName)
      await show(cli, target, options)
    })
}

async function show(cli: Cli, { uri, name, globalConf }: Target, options: Options): Promise<void> {
  const debug = options.debug === true
  const stray = (error: unknown) => reportStray('nobody caught this', error, cli, debug)
  const taps = [
    tapWarnings((message) => reportWarning(message, cli)),
    tapStrays({ rejection: stray, exception: stray }),
  ]
  const { createLoader } = await import('../loader.js')
  const loader = createLoader()
  try {
    const server = await loader.load('server', uri, { name: options.serverName, globalConf, collect: true })
    const app = await loader.load('app', uri, { name, globalConf, collect: true })
    if (options.json === true) {
      cli.print(JSON.stringify({ server: server.node ?? null, app: app.node ?? null }, null, 2))
    } else {
      const roots = [server.node, app.node].filter((node) => node !== undefined)
      const fileName = (path: string) => shortName(path, cli)
      const settings = options.settings === true
      if (roots.length > 0)
        cli.print(drawTrees(roots, { settings, columns: cli.columns, paint: cli.paintOut, fileName }))
    }
    const errors = new Map([...server.errors, ...app.errors].map((error) => [error.message, error]))
    for (const error of errors.values()) reportError(error, cli, debug)
    if (errors.size > 0) cli.exitCode = BAD_CONFIG
  } finally {
    await loader.close()
    for (const end of taps) end()
  }
}
