// What commands take in common: `FILE[#app]` and `name=value`.

import { resolve, sep } from 'node:path'
import type { Command } from 'commander'
import { makeConf } from '../config/conf.js'
import type { Conf } from '../protocol.js'
import type { Cli } from './terminal.js'

/** What to load, in the loader's terms. */
export interface Target {
  /** Absolute. */
  readonly file: string
  /** As it was written, for messages. */
  readonly written: string
  /** `config:` and the file, escaped. */
  readonly uri: string
  /** The app's section; undefined: `main`. */
  readonly name: string | undefined
  readonly globalConf: Conf
}

/** Adds FILE and name=value to a command; `readTarget` reads them. */
export function takeTarget(command: Command): Command {
  return command
    .usage('[options] FILE[#app] [name=value ...]')
    .argument('[FILE]', 'the INI file; #x for its [app:x] in place of [app:main]')
    .argument('[name=value...]', 'settings that win over those of the file')
    .option('-n, --app-name <name>', 'the same as #name after FILE')
    .option('--server-name <name>', 'take [server:name] in place of [server:main]')
}

/** Ends the command with a usage error when there is no file, or an assignment has no `=`. */
export function readTarget(
  command: Command,
  cli: Cli,
  file: string | undefined,
  assignments: readonly string[],
  appName: string | undefined,
): Target {
  if (file === undefined) command.error('error: You must give a config file')
  const hash = file.indexOf('#')
  const written = hash < 0 ? file : file.slice(0, hash)
  if (written === '') command.error(`error: ${JSON.stringify(file)} names no file`)
  const path = resolve(cli.cwd, written)
  return {
    file: path,
    written,
    uri: `config:${path
      .split(sep)
      .join('/')
      .replace(/[%#\\]/g, encodeURIComponent)}`,
    name: appName ?? (hash < 0 ? undefined : file.slice(hash + 1)),
    globalConf: makeConf(readAssignments(command, assignments)),
  }
}

/** Splits each `name=value` at its first `=`. The value may be empty, the name may not. */
export function readAssignments(command: Command, assignments: readonly string[]): [string, string][] {
  return assignments.map((assignment) => {
    const equals = assignment.indexOf('=')
    if (equals < 1) command.error(`error: expected name=value, got ${JSON.stringify(assignment)}`)
    return [assignment.slice(0, equals), assignment.slice(equals + 1)]
  })
}
