// `sessd serve`: makes what the file describes, listens, and ends it in good order.

import type { Command } from 'commander'
import { makeConf } from '../config/conf.js'
import { integer } from '../config/converters.js'
import type { ConfigLoader, LoadOptions } from '../loader.js'
import type { Conf, RunningServer } from '../protocol.js'
import { type Address, addressOverrides } from './address.js'
import { readTarget, type Target, takeTarget } from './arguments.js'
import { examples } from './help.js'
import { tapSignals, tapStrays, tapWarnings } from './process-events.js'
import { reportStray, reportWarning } from './report.js'
import type { Cli } from './terminal.js'

interface Options {
  readonly appName?: string
  readonly serverName?: string
  readonly port?: string
  readonly host?: string
  readonly quiet?: true
  readonly debug?: true
}

const port = integer(0, 65_535)

export function register(program: Command, cli: Cli): void {
  takeTarget(program.command('serve'))
    .summary('serve what a file describes')
    .description(
      'Makes the apps that an INI file describes and serves them, until SIGINT (Ctrl-C) or SIGTERM.',
    )
    .option('-p, --port <port>', 'listen on this port; 0 for any free one')
    .option('-H, --host <host>', 'listen on this address')
    .option('-q, --quiet', 'say nothing but errors')
    .addHelpText(
      'after',
      examples([
        ['sessd serve app.ini', '[server:main] and [app:main] of app.ini'],
        ['sessd serve app.ini -p 0', 'on any free port'],
        ['sessd serve app.ini#admin', '[app:admin] in place of [app:main]'],
        ['sessd serve app.ini debug=true', 'debug = true, whatever the file says'],
      ]),
    )
    .action(async (file: string | undefined, assignments: string[], options: Options, command: Command) => {
      const target = readTarget(command, cli, file, assignments, options.appName)
      if (options.port !== undefined && port.parse(options.port) === undefined) {
        command.error(`error: --port: expected ${port.expected}, got ${JSON.stringify(options.port)}`)
      }
      await serve(cli, target, options)
    })
}

async function serve(cli: Cli, target: Target, options: Options): Promise<void> {
  const debug = options.debug === true
  const loud = options.quiet !== true
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const taps = [
    tapSignals(() => stop()),
    tapStrays({
      // One app's slip must not end everybody's service.
      rejection: (error) => reportStray('a promise was rejected and nobody handled it', error, cli, debug),
      exception(error) {
        reportStray('stopping, because nobody caught this', error, cli, debug)
        cli.exitCode = 1
        stop()
      },
    }),
    tapWarnings((message) => loud && reportWarning(message, cli)),
  ]
  const { createLoader } = await import('../loader.js')
  const warned = new Set<string>()
  const loader = createLoader({
    // Each load tells what is odd about the file as a whole.
    onWarning(warning) {
      if (loud && !warned.has(warning.message)) reportWarning(warning, cli)
      warned.add(warning.message)
    },
  })
  let running: RunningServer | undefined
  const start = async () => {
    const { uri, name, globalConf } = target
    const how = { name: options.serverName, globalConf }
    const localConf = await findOverrides(loader, uri, how, options)
    const server = await loader.load('server', uri, { ...how, localConf })
    const app = await loader.load('app', uri, { name, globalConf })
    running = await server.value!(app.value!)
    if (loud) for (const url of running.urls) cli.say(`serving on ${url}`)
  }
  try {
    await Promise.race([start().then(() => stopped), stopped])
    if (loud) tellWhyItTakesLong(cli)
    await running?.close()
  } finally {
    await loader.close()
    for (const end of taps) end()
  }
}

/** After a second; most stops are faster, and need no word. */
function tellWhyItTakesLong(cli: Cli): void {
  const hint = 'waiting for running requests; a second signal (Ctrl-C) ends them'
  setTimeout(() => cli.say(hint), 1000).unref()
}

/** What `-p` and `-H` change in the server's section. Its own address may be wrong, as long as it is not used. */
async function findOverrides(
  loader: ConfigLoader,
  uri: string,
  how: LoadOptions,
  given: Address,
): Promise<Conf> {
  if (given.host === undefined && given.port === undefined) return makeConf([])
  const server = await loader.load('server', uri, { ...how, collect: true })
  await server.close()
  return addressOverrides(server.node?.settings ?? [], given)
}
