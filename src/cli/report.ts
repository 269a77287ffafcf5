// Errors as a person reads them: what, where, and the lines around it. No stack unless asked for.

import { readFileSync } from 'node:fs'
import { isAbsolute, relative } from 'node:path'
import { inspect } from 'node:util'
import {
  ConfigError,
  ConfigErrors,
  formatPlace,
  OptionError,
  OptionErrors,
  type Place,
} from '../config/errors.js'
import { codeFrame } from '../config/frame.js'
import type { Logger } from '../config/logging.js'
import { maskValue } from '../config/secrets.js'
import type { ConfigWarning } from '../loader.js'
import type { Cli } from './terminal.js'

/** BSD's EX_CONFIG. */
export const BAD_CONFIG = 78

/** The exit code that an error stands for. */
export function exitCodeOf(error: unknown): number {
  const configuration = [ConfigError, ConfigErrors, OptionError, OptionErrors]
  return configuration.some((type) => error instanceof type) ? BAD_CONFIG : 1
}

/** Tells about an error on stderr: several if it holds several. `debug` adds stacks, those of causes included. */
export function reportError(error: unknown, cli: Cli, debug: boolean): void {
  if (cli.log !== undefined) {
    record(error, cli.log, cli)
    return
  }
  if (error instanceof ConfigErrors) for (const each of error.errors) reportOne(each, cli)
  else reportOne(error, cli)
  if (debug) cli.say(cli.paintErr('dim', framesOf(error)))
}

/** The same in a log: mistakes of the configuration have a place, all else has a stack. */
function record(error: unknown, log: Logger, cli: Cli): void {
  if (error instanceof ConfigErrors) for (const each of error.errors) record(each, log, cli)
  else if (error instanceof ConfigError && error.place !== undefined)
    log.error(located(error.place, error.reason, cli))
  else log.error({ err: error }, sentence(error))
}

/** The same for an error that reached nobody but the process. */
export function reportStray(what: string, error: unknown, cli: Cli, debug: boolean): void {
  if (cli.log !== undefined) {
    cli.log.error({ err: error }, `${what}: ${sentence(error)}`)
    return
  }
  const hint = debug ? '' : ' (--debug shows where)'
  cli.say(`${cli.paintErr('red', 'error:')} ${what}: ${sentence(error)}${hint}`)
  if (debug) cli.say(cli.paintErr('dim', framesOf(error)))
}

/** The same for what is allowed and probably a slip; a string has no place. */
export function reportWarning(warning: ConfigWarning | string, cli: Cli): void {
  const text = typeof warning === 'string' ? warning : located(warning.place, warning.reason, cli)
  if (cli.log !== undefined) cli.log.warn(text)
  else cli.say(`${cli.paintErr('yellow', 'warning:')} ${text}`)
}

/** The same for what may be just right. */
export function reportNote(place: Place, text: string, cli: Cli): void {
  cli.say(`${cli.paintErr('cyan', 'note:')} ${located(place, text, cli)}`)
}

/** A file's name as the user would write it: relative to the working directory if it is in there. */
export function shortName(file: string, cli: Cli): string {
  const short = relative(cli.cwd, file)
  return short === '' || short.startsWith('..') || isAbsolute(short) ? file : short
}

/** Somebody's message may quote the URL of a database. */
export function withoutPasswords(text: string): string {
  return maskValue(text, false)
}

/** Names in a file and messages of others may hold what moves the cursor or rings the bell. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '?')
}

function reportOne(error: unknown, cli: Cli): void {
  if (!(error instanceof ConfigError) || error.place === undefined) {
    cli.say(`${cli.paintErr('red', 'error:')} ${sentence(error)}`)
    return
  }
  cli.say(`${cli.paintErr('red', 'error:')} ${located(error.place, error.reason, cli)}`)
  const frame = frameOf(error.place, cli)
  if (frame !== '') cli.say(`\n${frame}\n`)
}

function located(place: Place, reason: string, cli: Cli): string {
  const where = formatPlace({ ...place, file: shortName(place.file, cli) })
  const shown = printable(where.trimEnd())
  return `${cli.log === undefined ? cli.paintErr('bold', shown) : shown} ${printable(withoutPasswords(reason))}`
}

function frameOf(place: Place, cli: Cli): string {
  if (place.line === undefined) return ''
  try {
    return codeFrame(sourceOf(place.file, cli), place, { color: cli.colors.err })
  } catch {
    return ''
  }
}

/** The files that a command has shown frames of: a file that is no INI at all has an error in each of its lines. */
const sources = new WeakMap<Cli, Map<string, string>>()

function sourceOf(file: string, cli: Cli): string {
  const known = sources.get(cli) ?? new Map<string, string>()
  sources.set(cli, known)
  const source = known.get(file) ?? readFileSync(file, 'utf8')
  known.set(file, source)
  return source
}

function sentence(error: unknown): string {
  if (!(error instanceof Error)) return `somebody threw ${inspect(error, { depth: 1 })}`
  const text = error.name === 'Error' ? error.message : `${error.name}: ${error.message}`
  return listenFault(error) ?? printable(withoutPasswords(text))
}

/** Why a port can't be opened, in words; undefined for every other error. */
function listenFault(error: NodeJS.ErrnoException & { address?: string; port?: number; hostname?: string }) {
  const { code, syscall, address, port, hostname } = error
  if (syscall === 'getaddrinfo' && hostname !== undefined)
    return `there is no host ${JSON.stringify(hostname)}`
  if (syscall !== 'listen' && syscall !== 'bind') return undefined // a worker's parent binds for it
  if (address !== undefined && (port === undefined || port < 0)) {
    if (code === 'EADDRINUSE') return `another program listens on ${address}`
    if (code === 'EACCES') return `this user may not listen on ${address}`
    return undefined
  }
  const at = `${address?.includes(':') ? `[${address}]` : address}:${port}`
  if (code === 'EADDRINUSE') return `port ${port} is taken: another program listens on ${at}`
  if (code === 'EADDRNOTAVAIL') return `this machine has no address ${address}`
  if (code === 'EACCES') return `this user may not listen on ${at}`
  return undefined
}

/** Where it was thrown, and its causes: lines of stacks without messages, which might hold what a report leaves out. */
function framesOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error) || depth > 5) return '    (no stack)'
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  const inner =
    error instanceof AggregateError ? error.errors : error.cause === undefined ? [] : [error.cause]
  return [...frames, ...inner.map((each: unknown) => `  caused by\n${framesOf(each, depth + 1)}`)].join('\n')
}
