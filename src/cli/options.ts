// `sessd options`: what can be set in a section, from the tables that read it.

import type { Command } from 'commander'
import { optionTables } from '../builtins.js'
import type { Option, OptionTable } from '../config/options.js'
import { defaultOf, optionsPage } from '../config/options-page.js'
import { hint } from '../config/suggest.js'
import { examples } from './help.js'
import type { Cli } from './terminal.js'

export function register(program: Command, cli: Cli): void {
  program
    .command('options')
    .summary('list the settings of a part')
    .usage('[options] [PART]')
    .description(
      'Prints the settings of a part: what each takes, its default, and what it does. Without PART, the parts; with ' +
        '--json or --md, all of them with their settings.',
    )
    .argument('[PART]', 'its name, as in http or egg:Paste#http')
    .option('--json', 'print { name: { takes, default, unit, doc, ... } }')
    .option('--md', 'print a table in Markdown, as docs/options has it')
    .addHelpText(
      'after',
      examples([
        ['sessd options', 'the parts that have settings'],
        ['sessd options http', 'those of the server'],
        ['sessd options beaker_session --md', 'as a page'],
        ['sessd options --json', 'all parts, for programs'],
      ]),
    )
    .action(async (part: string | undefined, options: { json?: true; md?: true }, command: Command) => {
      const known = new Map(Object.entries(optionTables))
      if (part === undefined) return cli.print(await allParts(known, options))
      const name = part.slice(part.indexOf('#') + 1)
      const load = known.get(name)
      if (load === undefined)
        command.error(`error: no part ${JSON.stringify(name)} has settings.${hint(name, [...known.keys()])}`)
      const table: OptionTable = await load()
      if (options.json === true) cli.print(JSON.stringify(toJson(table), null, 2))
      else if (options.md === true) cli.print(optionsPage(table).trimEnd())
      else cli.print(toText(table, cli))
    })
}

/** Every part by name, in the order of names; their settings in the form that was asked for, or the names alone. */
async function allParts(
  known: ReadonlyMap<string, () => Promise<OptionTable>>,
  { json, md }: { json?: true; md?: true },
): Promise<string> {
  const names = [...known.keys()].sort()
  if (json !== true && md !== true) return names.join('\n')
  const tables = await Promise.all(names.map(async (name) => [name, await known.get(name)!()] as const))
  if (json !== true)
    return tables
      .map(([name, table]) => `# ${name}\n\n${optionsPage(table)}`)
      .join('\n')
      .trimEnd()
  return JSON.stringify(Object.fromEntries(tables.map(([name, table]) => [name, toJson(table)])), null, 2)
}

function toText(table: OptionTable, cli: Cli): string {
  const all = Object.entries<Option<unknown>>(table)
  const used = all.filter(([, { ignored }]) => ignored === undefined)
  const ignored = all.filter(([, { ignored }]) => ignored !== undefined).map(([name]) => name)
  const blocks = used.map(([name, option]) => {
    const fallback = defaultOf(option)
    const value =
      option.required === true ? ' (required)' : fallback === undefined ? '' : ` = ${String(fallback)}`
    return `${cli.paintOut('cyan', name)}${value}\n    ${option.doc}\n    ${cli.paintOut('dim', option.type.expected)}`
  })
  if (ignored.length > 0) blocks.push(`Taken and ignored: ${ignored.join(', ')}`)
  return blocks.join('\n')
}

function toJson(table: OptionTable): Record<string, unknown> {
  const entries = Object.entries<Option<unknown>>(table).map(([name, option]) => {
    const { type, doc, unit, required, secret, aliases, ignored } = option
    return [
      name,
      {
        takes: type.expected,
        default: defaultOf(option) ?? null,
        unit,
        doc,
        required,
        secret,
        aliases,
        ignored,
      },
    ]
  })
  return Object.fromEntries(entries) as Record<string, unknown>
}
