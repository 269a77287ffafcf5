// The command line: argv in, exit code out. A command is one file with a `register`, put into the list below.

import { Command, CommanderError } from './commander.js'
import { glossary, section, styleHelp } from './help.js'
import { exitCodeOf, reportError } from './report.js'
import { type Cli, makeCli, type Streams } from './terminal.js'
import { version } from './version.js'

type Register = (program: Command, cli: Cli) => void

/** In the order of the help. Only the one that is asked for is imported: a server starts without the rest. */
const commands: Readonly<Record<string, () => Promise<{ readonly register: Register }>>> = {
  serve: () => import('./serve.js'),
  check: () => import('./check.js'),
  show: () => import('./show.js'),
  request: () => import('./request.js'),
  init: () => import('./init.js'),
  'make-config': () => import('./make-config.js'),
  options: () => import('./options.js'),
  secret: () => import('./secret.js'),
  sessions: () => import('./sessions.js'),
  systemd: () => import('./systemd.js'),
  completion: () => import('./completion.js'),
}

/**
 * Runs one command line (without `node` and the script). Resolves with the exit code: 0, 1 for trouble at run time,
 * 2 for wrong usage, 78 for a wrong configuration. Never rejects.
 */
export async function main(argv: readonly string[], streams: Streams = processStreams()): Promise<number> {
  const cli = makeCli(streams)
  try {
    const program = await makeProgram(cli, argv[0])
    await program.parseAsync(argv, { from: 'user' })
    return cli.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    reportError(error, cli, argv.includes('--debug'))
    return exitCodeOf(error)
  }
}

/** `asked`: the first word, which is a command unless somebody is lost. */
async function makeProgram(cli: Cli, asked: string | undefined): Promise<Command> {
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
  // `completion` tells of all commands, as `help` does.
  const isOne = asked !== undefined && asked !== 'completion' && Object.hasOwn(commands, asked)
  const modules = isOne ? [commands[asked]!()] : Object.values(commands).map((load) => load())
  for (const { register } of await Promise.all(modules)) register(program, cli)
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
