// `sessd completion`: a script for a shell that completes commands, their options and files, made from the commands.

import type { Command } from 'commander'
import { examples } from './help.js'
import type { Cli } from './terminal.js'

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

export function register(program: Command, cli: Cli): void {
  program
    .command('completion')
    .summary('complete commands in a shell')
    .usage('SHELL')
    .description('Prints a script that completes commands and options in bash, zsh or fish.')
    .argument('[SHELL]', SHELLS.join(', '))
    .addHelpText(
      'after',
      examples([
        ['eval "$(sessd completion bash)"', 'in ~/.bashrc'],
        ['eval "$(sessd completion zsh)"', 'in ~/.zshrc, after compinit'],
        ['sessd completion fish | source', 'in ~/.config/fish/config.fish'],
      ]),
    )
    .action((shell: string | undefined, _options: object, command: Command) => {
      const known = SHELLS.find((name) => name === shell)
      if (known === undefined)
        command.error(
          `error: expected ${SHELLS.slice(0, -1).join(', ')} or ${SHELLS.at(-1)}, got ${JSON.stringify(shell ?? '')}`,
        )
      cli.print(scripts[known](program.commands.map(describe)))
    })
}

interface Described {
  readonly name: string
  readonly summary: string
  readonly options: readonly { readonly flags: readonly string[]; readonly doc: string }[]
  readonly words: readonly string[]
}

function describe(command: Command): Described {
  return {
    name: command.name(),
    summary: command.summary(),
    options: [...command.options, { short: '-h', long: '--help', description: 'print this' }].map(
      (option) => ({
        flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
        doc: option.description,
      }),
    ),
    words: command.name() === 'completion' ? SHELLS : command.commands.map((inner) => inner.name()),
  }
}

const wordsOf = ({ options, words }: Described) =>
  [...words, ...options.flatMap(({ flags }) => flags)].join(' ')

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

const scripts: Readonly<Record<Shell, (commands: readonly Described[]) => string>> = {
  bash: (commands) => `_sessd() {
  local words='' current="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${commands.map(({ name }) => name).join(' ')} help --help --version'
  else
    case "\${COMP_WORDS[1]}" in
${commands.map((command) => `      ${command.name}) words='${wordsOf(command)}' ;;`).join('\n')}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _sessd sessd`,
  zsh: (commands) => `_sessd() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands.map(({ name, summary }) => `      ${quote(`${name}:${summary}`)}`).join('\n')}
    )
    _describe command commands
  else
    case "$words[2]" in
${commands.map((command) => `      ${command.name}) compadd -- ${wordsOf(command)} ;;`).join('\n')}
    esac
    _files
  fi
}
compdef _sessd sessd`,
  fish: (commands) =>
    commands
      .flatMap(({ name, summary, options, words }) => [
        `complete -c sessd -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
        ...words.map((word) => `complete -c sessd -n '__fish_seen_subcommand_from ${name}' -a ${word}`),
        ...options.map(({ flags, doc }) => {
          const written = flags.map((flag) =>
            flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`,
          )
          return `complete -c sessd -n '__fish_seen_subcommand_from ${name}' ${written.join(' ')} -d ${quote(doc)}`
        }),
      ])
      .join('\n'),
}
