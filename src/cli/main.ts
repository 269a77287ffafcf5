// The command line: argv in, exit code out. A command is one file with a `register`, put into the list below.

import { Command, CommanderError } from 'commander'
import { register as check } from './check.js'
import { register as completion } from './completion.js'
import { glossary, section, styleHelp } from './help.js'
import { register as init } from './init.js'
import { register as makeConfig } from './make-config.js'
import { register as options } from './options.js'
import { exitCodeOf, reportError } from './report.js'
import { register as request } from './request.js'
import { register as secret } from './secret.js'
import { register as serve } from './serve.js'
import { register as sessions } from './sessions.js'
import { register as show } from './show.js'
import { register as systemd } from './systemd.js'
import { type Cli, makeCli, type Streams } from './terminal.js'
import { version } from './version.js'

/** In the order of the help. */
const commands: readonly ((program: Command, cli: Cli) => void)[] = [
  serve,
  check,
  show,
  request,
  init,
  makeConfig,
  options,
  secret,
  sessions,
  systemd,
  completion,
]

/**
 * Runs one command line (without `node` and the script). Resolves with the exit code: 0, 1 for trouble at run time,
 * 2 for wrong usage, 78 for a wrong configuration. Never rejects.
 */
export async function main(argv: readonly string[], streams: Streams = processStreams()): Promise<number> {
  const cli = makeCli(streams)
  try {
    await makeProgram(cli).parseAsync(argv, { from: 'user' })
    return cli.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    reportError(error, cli, argv.includes('--debug'))
    return exitCodeOf(error)
  }
}

function makeProgram(cli: Cli): Command {
  const program = new Command('sessd')
    .usage('COMMAND [options]')
    .description('One INI file, many apps, one session: Paste Deploy and Beaker for Node.')
    .version(version(), '-V, --version')
    .helpOption('-h, --help')
    .helpCommand(true)
    .showHelpAfterError('Try: sessd --help')
    .addHelpText(
      'after',
      [
        glossary('Options', [
          ['-V, --version', 'print the version'],
          ['-h, --help', 'print this; after a command, all about it'],
        ]),
        section('Exit codes', ['0 done, 1 trouble at run time, 2 wrong usage, 78 wrong configuration']),
      ].join('\n'),
    )
    .exitOverride()
  styleHelp(program, cli)
  for (const register of commands) register(program, cli)
  for (const command of program.commands) {
    command
      .option('--debug', 'show the stack of every error')
      .helpOption('-h, --help', 'print this')
      .showHelpAfterError(`Try: sessd ${command.name()} --help`)
  }
  return program
}

function processStreams(): Streams {
  return { stdout: process.stdout, stderr: process.stderr, cwd: workingDirectory() }
}

/** Where relative names start. A directory that was removed under us has no files any more, but still a name. */
function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    return process.env.PWD ?? '/'
  }
}
