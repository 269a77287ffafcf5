// `sessd serve`: makes what the file describes, listens, and ends it in good order. With --reload or several workers this
// process serves nothing itself, it only looks after those that do.

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseEnv } from 'node:util'
import type { Command } from 'commander'
import { makeConf } from '../config/conf.js'
import { either, integer, oneOf } from '../config/converters.js'
import { type ConfigLoader, type ConfigWarning, createLoader, type LoadOptions } from '../loader.js'
import type { Conf } from '../protocol.js'
import { type Address, addressOverrides } from './address.js'
import { readTarget, type Target, takeTarget } from './arguments.js'
import { examples } from './help.js'
import { type EndTap, tapStrays, tapWarnings } from './process-events.js'
import { exitCodeOf, reportError, reportStray, reportWarning } from './report.js'
import { serveAlone } from './serve-alone.js'
import type { ServeOptions } from './serve-given.js'
import { makeServiceLog } from './service-log.js'
import type { Cli } from './terminal.js'
import { ownWorker } from './worker-link.js'

const port = integer(0, 65_535)
const workers = either(integer(1, 1024), oneOf('auto'))

export function register(program: Command, cli: Cli): void {
  takeTarget(program.command('serve'))
    .summary('serve what a file describes')
    .description(
      'Makes the apps that an INI file describes and serves them, until SIGINT (Ctrl-C) or SIGTERM. SIGHUP loads ' +
        'the file again; nobody waits for that.',
    )
    .option('-p, --port <port>', 'listen on this port; 0 for any free one')
    .option('-H, --host <host>', 'listen on this address')
    .option('-w, --workers <count>', 'serve from so many processes; auto: one for each processor')
    .option('--reload', 'load again when a file or module changes')
    .option('--env-file <file>', 'take variables of the environment from a file, those that are not set')
    .option('-q, --quiet', 'say nothing but errors')
    .addHelpText(
      'after',
      examples([
        ['sessd serve app.ini', '[server:main] and [app:main] of app.ini'],
        ['sessd serve app.ini -p 0', 'on any free port'],
        ['sessd serve app.ini#admin', '[app:admin] in place of [app:main]'],
        ['sessd serve app.ini --reload', 'while you work on it'],
        ['sessd serve app.ini debug=true', 'debug = true, whatever the file says'],
      ]),
    )
    .action(
      async (file: string | undefined, assignments: string[], options: ServeOptions, command: Command) => {
        const target = readTarget(command, cli, file, assignments, options.appName)
        if (options.port !== undefined && port.parse(options.port) === undefined) {
          command.error(`error: --port: expected ${port.expected}, got ${JSON.stringify(options.port)}`)
        }
        if (options.workers !== undefined && workers.parse(options.workers) === undefined) {
          command.error(
            `error: --workers: expected ${workers.expected}, got ${JSON.stringify(options.workers)}`,
          )
        }
        await serve(cli, target, options)
      },
    )
}

async function serve(cli: Cli, target: Target, options: ServeOptions): Promise<void> {
  const worker = await ownWorker()
  const loud = options.quiet !== true && (worker === undefined || worker.id === 1)
  const { stopped, stop, taps, onWarning } = begin(cli, loud, options.debug === true)
  const log = makeServiceLog(cli, target, worker?.id)
  try {
    const env = readEnvFile(cli, options.envFile)
    await (await log.read(env))()
    const loader = createLoader({ env })
    const how = { name: options.serverName, globalConf: target.globalConf }
    const localConf = await findOverrides(loader, target.uri, how, options)
    const readLog = () => log.read(env)
    const given = { cli, target, options, env, localConf, loud, taps, stopped, stop, onWarning, readLog }
    if (worker !== undefined) {
      Object.assign(process.env, env)
      const { serveAsWorker } = await import('./serve-workers.js')
      return await serveAsWorker(given, worker.count)
    }
    const { value: server, close } = await loader.load('server', target.uri, { ...how, localConf })
    await close()
    const count = countOf(options.workers) ?? server!.workers ?? 1
    const pidFile = server!.pidFile
    // Workers read the environment's file for themselves, so that those that start later find what it says then.
    if (count > 1 || options.reload === true) {
      const { serveByWorkers } = await import('./serve-workers.js')
      return await serveByWorkers(given, count, server!)
    }
    Object.assign(process.env, env)
    await serveAlone(given, pidFile)
  } catch (error) {
    if (!log.isJson) throw error
    reportError(error, cli, options.debug === true)
    cli.exitCode = exitCodeOf(error)
  } finally {
    for (const end of taps) end()
    await log.end()
  }
}

/** Hears what reaches nobody else. */
function begin(cli: Cli, loud: boolean, debug: boolean) {
  let stop = () => {}
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const taps: EndTap[] = [
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
  const warned = new Set<string>()
  // Each load tells what is odd about the file as a whole.
  const onWarning = (warning: ConfigWarning) => {
    if (loud && !warned.has(warning.message)) reportWarning(warning, cli)
    warned.add(warning.message)
  }
  return { stopped, stop, taps, onWarning }
}

/** The environment, with what the file sets where nobody else did. */
function readEnvFile(cli: Cli, file: string | undefined): NodeJS.ProcessEnv {
  if (file === undefined) return process.env
  const given = parseEnv(readFileSync(resolve(cli.cwd, file), 'utf8'))
  return { ...given, ...process.env }
}

function countOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : text === 'auto' ? availableParallelism() : Number(text)
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
