// Where commands write: data to stdout, talk to stderr, each with colours only if that stream shows them. Nothing else
// in src/cli touches process.stdout, process.stderr or process.cwd().

import type { Writable } from 'node:stream'
import { styleText } from 'node:util'
import type { Level, Logger } from '../config/logging.js'

/** Puts a colour or weight on text; gives it back as it is where the stream shows none (no TTY, NO_COLOR). */
export type Paint = (format: Parameters<typeof styleText>[0], text: string) => string

/** What `main` runs in; a test makes one of two streams of its own. */
export interface Streams {
  readonly stdout: Writable
  readonly stderr: Writable
  /** Relative names start here. */
  readonly cwd: string
}

export interface Cli {
  readonly cwd: string
  /** How wide stdout is; 80 when nobody knows. */
  readonly columns: number
  /** Writes data, and ends it with a newline. */
  print(text: string): void
  /** Writes data as it is. */
  write(bytes: Uint8Array): void
  /** Writes talk, and ends it with a newline; where there is a log, as its record of `level` (info). */
  say(text: string, level?: Level): void
  /** Shows how far a long work is, in one line of a terminal that the next one replaces; elsewhere nothing. */
  progress(text: string): void
  readonly paintOut: Paint
  readonly paintErr: Paint
  /** Whether stdout and stderr show colours. */
  readonly colors: { readonly out: boolean; readonly err: boolean }
  /** Takes the talk of a service that logs as [logging] of its file says. */
  log: Logger | undefined
  /** What `main` answers when a command comes to its end. */
  exitCode: number
}

const CLEAR_LINE = '\r\x1b[K'

export function makeCli({ stdout, stderr, cwd }: Streams): Cli {
  const paintOut = painter(stdout)
  const paintErr = painter(stderr)
  const isTerminal = 'isTTY' in stderr && stderr.isTTY === true
  const cli: Cli = {
    cwd,
    columns: ('columns' in stdout && typeof stdout.columns === 'number' && stdout.columns) || 80,
    print: (text) => void stdout.write(`${text}\n`),
    write: (bytes) => void stdout.write(bytes),
    say(text, level = 'info') {
      if (cli.log === undefined || text === '') stderr.write(`${isTerminal ? CLEAR_LINE : ''}${text}\n`)
      else cli.log[level](text)
    },
    progress: (text) => void (isTerminal && stderr.write(`${CLEAR_LINE}${text}`)),
    paintOut,
    paintErr,
    colors: { out: paintOut('bold', 'x') !== 'x', err: paintErr('bold', 'x') !== 'x' },
    log: undefined,
    exitCode: 0,
  }
  return cli
}

function painter(stream: Writable): Paint {
  return (format, text) => styleText(format, text, { stream, validateStream: true })
}
