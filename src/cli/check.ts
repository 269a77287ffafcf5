// `sessd check`: makes everything that a file describes, listens nowhere, and tells all that is wrong with it at once.

import type { Command } from 'commander'
import { ConfigError, ConfigErrors, type Place } from '../config/errors.js'
import { type CheckReport, type ConfigWarning, createLoader } from '../loader.js'
import { readTarget, type Target, takeTarget } from './arguments.js'
import { examples } from './help.js'
import { drainProcessEvents, tapStrays, tapWarnings } from './process-events.js'
import { BAD_CONFIG, reportError, reportNote, reportWarning, shortName, withoutPasswords } from './report.js'
import { unsharedSessions } from './scope-of-sessions.js'
import type { Cli } from './terminal.js'

interface Options {
  readonly appName?: string
  readonly serverName?: string
  readonly json?: true
  readonly debug?: true
}

export function register(program: Command, cli: Cli): void {
  takeTarget(program.command('check'))
    .summary('find every mistake in a file')
    .description(
      'Makes the apps, filters and the server of an INI file, those that nothing uses included, listens nowhere, ' +
        'and tells all mistakes at once. Exits with 78 if there are any.',
    )
    .option('--json', 'print { ok, errors, warnings, unused } on stdout')
    .addHelpText(
      'after',
      examples([
        ['sessd check app.ini', 'before each deployment'],
        ['sessd check app.ini --json', 'for programs'],
      ]),
    )
    .action(async (file: string | undefined, assignments: string[], options: Options, command: Command) => {
      const target = readTarget(command, cli, file, assignments, options.appName)
      const findings = await find(target, options.serverName)
      if (findings.errors.length > 0) cli.exitCode = BAD_CONFIG
      if (options.json === true) cli.print(JSON.stringify(toJson(findings), null, 2))
      else tell(cli, target, findings, options.debug === true)
    })
}

interface Findings extends Pick<CheckReport, 'errors' | 'unused'> {
  /** Those of parts, which come as process warnings, are strings: nobody knows their place. */
  readonly warnings: readonly (ConfigWarning | string)[]
}

async function find(target: Target, serverName: string | undefined): Promise<Findings> {
  const warnings: string[] = []
  const strays: ConfigError[] = []
  const stray = (error: unknown) => {
    const reason = `an error reached nobody while its parts were made: ${String(error)}`
    strays.push(new ConfigError('factory', reason, { file: target.file }, { cause: error }))
  }
  const taps = [
    tapWarnings((message) => warnings.push(message)),
    tapStrays({ rejection: stray, exception: stray }),
  ]
  const loader = createLoader()
  try {
    const { uri, name, globalConf } = target
    const report = await loader.checkAll(uri, { name, serverName, globalConf })
    await drainProcessEvents()
    return {
      errors: [...report.errors, ...scopeErrors(target, report), ...strays],
      warnings: [...report.warnings, ...warnings],
      unused: report.unused,
    }
  } catch (error) {
    if (error instanceof ConfigErrors) return { errors: error.errors, warnings, unused: [] }
    if (error instanceof ConfigError) return { errors: [error], warnings, unused: [] }
    throw error
  } finally {
    await loader.close()
    for (const end of taps) end()
  }
}

/** At the line that asks for the workers. */
function scopeErrors({ file }: Target, { made, server }: CheckReport): ConfigError[] {
  const reason = unsharedSessions(made.app, made.server?.workers ?? 1)
  if (reason === undefined) return []
  const setting = server?.settings.find(({ key }) => key === 'workers')
  return [new ConfigError('option', reason, setting?.place ?? { file })]
}

function tell(cli: Cli, target: Target, { errors, warnings, unused }: Findings, debug: boolean): void {
  for (const error of errors) reportError(error, cli, debug)
  for (const warning of warnings) reportWarning(warning, cli)
  for (const { title, place } of unused)
    reportNote({ ...place, section: undefined, key: undefined }, `nothing uses [${title}]`, cli)
  const counts = [count(errors.length, 'error'), count(warnings.length, 'warning')].join(', ')
  const summary = `${shortName(target.file, cli)}: ${counts}`
  cli.say(cli.paintErr(errors.length > 0 ? 'red' : 'green', summary))
}

function count(number: number, noun: string): string {
  return `${number === 0 ? 'no' : number} ${noun}${number === 1 ? '' : 's'}`
}

function toJson({ errors, warnings, unused }: Findings) {
  const told = ({
    message,
    reason,
    place,
  }: {
    message: string
    reason: string
    place?: Place | undefined
  }) => {
    const { file = null, line = null, section = null, key = null } = place ?? {}
    return { message: withoutPasswords(message), file, line, section, key, reason: withoutPasswords(reason) }
  }
  return {
    ok: errors.length === 0,
    errors: errors.map((error) => ({ code: error.code, ...told(error) })),
    warnings: warnings.map((warning) =>
      told(typeof warning === 'string' ? { message: warning, reason: warning } : warning),
    ),
    unused: unused.map(({ title, place }) => ({
      section: title,
      file: place.file,
      line: place.line ?? null,
    })),
  }
}
