// How help looks. The texts themselves stand with their commands.

import { styleText } from 'node:util'
import { type Command, Help } from './commander.js'
import type { Cli } from './terminal.js'

type Format = Parameters<typeof styleText>[0]

/** Always coloured: commander strips it where colours don't show. */
const paint = (format: Format, text: string) => styleText(format, text, { validateStream: false })

/** The block of examples under a command's options: what to type, and what it does. */
export function examples(lines: readonly (readonly [typed: string, does: string])[]): string {
  const width = Math.max(...lines.filter(([, does]) => does !== '').map(([typed]) => typed.length))
  return section(
    'Examples',
    lines.map(([typed, does]) =>
      does === '' ? paint('cyan', typed) : `${paint('cyan', typed.padEnd(width))}  ${does}`,
    ),
  )
}

/** A titled block of lines, for `addHelpText('after', ...)`. */
export function section(title: string, lines: readonly string[]): string {
  return ['', paint('bold', `${title}:`), ...lines.map((line) => `  ${line}`)].join('\n')
}

/** A block of names, each with its sentence. */
export function glossary(title: string, entries: readonly (readonly [name: string, doc: string])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length))
  return section(
    title,
    entries.map(([name, doc]) => `${paint('cyan', name.padEnd(width))}  ${doc}`),
  )
}

/** Makes `program`, and the commands that are added to it later, print help and errors in our way. */
export function styleHelp(program: Command, cli: Cli): void {
  const plain = new Help()
  program
    .configureHelp({
      styleTitle: (title) => paint('bold', title),
      styleSubcommandTerm: (term) => paint('cyan', term),
      styleOptionTerm: (term) => paint('cyan', term),
      subcommandTerm: (command) => `${command.name()} ${command.usage()}`.replace(' [options]', ''),
      subcommandDescription: (command) => command.summary(),
      // `sessd help serve` works, and needs no line of its own.
      visibleCommands: (command) => [...command.commands],
      // Of the program itself, commander would put options before commands: they are added below.
      visibleOptions: (command) => (command === program ? [] : plain.visibleOptions(command)),
    })
    .configureOutput({
      writeOut: (text) => cli.print(text.replace(/\n$/, '')),
      writeErr: (text) => cli.say(text.replace(/\n$/, '')),
      getOutHasColors: () => cli.colors.out,
      getErrHasColors: () => cli.colors.err,
      getOutHelpWidth: () => cli.columns,
      getErrHelpWidth: () => cli.columns,
      outputError: (text, write) => write(text.replace(/^error:/, cli.paintErr('red', 'error:'))),
    })
}
