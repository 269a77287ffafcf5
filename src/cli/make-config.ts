// `sessd make-config`: writes an INI file to start from, and the small apps that it mounts. It never overwrites without
// --force, and then keeps the secret: a new one would end every session that there is.

import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { isSecretKey, MASK } from '../config/secrets.js'
import { hint } from '../config/suggest.js'
import { readAssignments } from './arguments.js'
import { examples, glossary } from './help.js'
import { createPrivateFile, readIfThere, replacePrivateFile } from './private-file.js'
import { shortName } from './report.js'
import { randomSecret } from './secret.js'
import { composite } from './templates/composite.js'
import { development } from './templates/development.js'
import { production } from './templates/production.js'
import type { Filling, Template } from './templates/template.js'
import type { Cli } from './terminal.js'
import { unifiedDiff } from './unified-diff.js'

/** The first is the default. */
const templates: readonly Template[] = [development, production, composite]

export function register(program: Command, cli: Cli): void {
  program
    .command('make-config')
    .summary('write a file to start from')
    .description(
      'Writes an INI file with a random secret that only its owner may read, and beside it the small apps that it ' +
        'mounts, where there are none yet.',
    )
    .usage('[options] [TEMPLATE] FILE [name=value ...]')
    .argument('[words...]')
    .option('-f, --force', 'overwrite FILE; its secret stays unless secret=... is given')
    .addHelpText(
      'after',
      [
        glossary(
          'Templates',
          templates.map(({ name, summary }, index) => [name, index === 0 ? `${summary} (default)` : summary]),
        ),
        glossary('Variables', variableEntries()),
        examples([
          ['sessd make-config app.ini', 'app.ini and app.mjs, ready to serve'],
          ['sessd make-config app.ini app=./server.js', 'for the app that you have'],
          ['sessd make-config composite site.ini', 'two apps that share a session'],
          ['sessd make-config production -', 'print it, write nothing'],
        ]),
      ].join('\n'),
    )
    .action((words: string[], options: { force?: true }, command: Command) => {
      const { template, file, assignments } = readWords(command, words)
      const given = readVariables(command, template, assignments)
      if (file === '-') cli.print(render(template, given, undefined).trimEnd())
      else makeConfig(cli, template, resolve(cli.cwd, file), given, options.force === true)
    })
}

function readWords(command: Command, words: readonly string[]) {
  const names = words.filter((word) => !word.includes('='))
  const assignments = words.filter((word) => word.includes('='))
  if (names.length > 2) command.error(`error: expected TEMPLATE and FILE, got ${names.length} names`)
  const file = names.at(-1)
  if (file === undefined) command.error('error: You must give a FILE to write')
  const name = names.length === 2 ? names[0]! : templates[0]!.name
  const template = templates.find((candidate) => candidate.name === name)
  const known = templates.map((candidate) => candidate.name)
  if (template === undefined) {
    command.error(`error: there is no template ${JSON.stringify(name)}.${hint(name, known)}`)
  }
  if (names.length === 1 && known.includes(file)) {
    command.error(`error: ${file} is a template: after it, give a FILE to write`)
  }
  return { template, file, assignments }
}

/** Checks what was given against the template's variables; every value ready to stand in the file. */
function readVariables(
  command: Command,
  { name: template, variables }: Template,
  words: readonly string[],
): Filling {
  const given = new Map<string, string>()
  for (const [name, value] of readAssignments(command, words)) {
    if (!Object.hasOwn(variables, name)) {
      const reason = `template ${template} has no variable ${JSON.stringify(name)}.${hint(name, Object.keys(variables))}`
      command.error(`error: ${reason}`)
    }
    const { type } = variables[name]!
    if (type.parse(value) === undefined || /[\0-\x1f\x7f]/.test(value)) {
      const got = isSecretKey(name) ? 'something else' : JSON.stringify(value)
      command.error(`error: ${name}: expected ${type.expected}, got ${got}`)
    }
    given.set(name, value.trim().replace(/%(?!\((?:here|__file__)\)s)/g, '%%'))
  }
  return Object.fromEntries(given)
}

function render(template: Template, given: Filling, keptSecret: string | undefined): string {
  const defaults = Object.entries(template.variables).map(([name, variable]) => [name, variable.default])
  const secret = keptSecret ?? randomSecret()
  return template.render({ ...Object.fromEntries(defaults), secret, ...given })
}

function makeConfig(cli: Cli, template: Template, path: string, given: Filling, force: boolean): void {
  const name = shortName(path, cli)
  const before = readIfThere(path)
  const after = render(template, given, before === undefined ? undefined : secretOf(before))
  if (before === undefined) {
    createPrivateFile(path, after)
    cli.say(`wrote ${name}`)
  } else if (before === after) {
    cli.say(`${name} is there already, just like this`)
  } else {
    cli.print(maskedDiff(name, before, after, cli))
    if (!force) {
      const kept = given.secret === undefined ? ', and keeps its secret' : ''
      cli.say(`\n${name} is there already: --force overwrites it${kept}`)
      cli.exitCode = 1
      return
    }
    replacePrivateFile(path, after)
    cli.say(`\noverwrote ${name}`)
  }
  for (const [variable, app] of Object.entries(template.apps)) {
    const file = join(dirname(path), app.file)
    if (given[variable] !== undefined || readIfThere(file) !== undefined) continue
    writeFileSync(file, app.source, { flag: 'wx' })
    cli.say(`wrote ${shortName(file, cli)}`)
  }
  cli.say(`\nNext: sessd serve ${name}`)
}

/** The secret that a file has, as it is written: `${env:...}` stays what it is. */
function secretOf(text: string): string | undefined {
  return /^(?:beaker\.)?session\.secret[ \t]*[=:](.*)$/m.exec(text)?.[1]?.trim() || undefined
}

function maskedDiff(name: string, before: string, after: string, cli: Cli): string {
  const lines = unifiedDiff(name, before, after).map((line) => {
    const setting = /^(.([^=:]*?)\s*[=:]\s*)\S/.exec(line)
    return setting !== null && isSecretKey(setting[2]!) ? setting[1] + MASK : line
  })
  const colors = { '-': 'red', '+': 'green', '@': 'cyan' } as const
  return lines
    .map((line) => {
      const color = colors[line[0] as keyof typeof colors]
      return color === undefined ? line : cli.paintOut(color, line)
    })
    .join('\n')
}

function variableEntries(): [string, string][] {
  const all = new Map(templates.flatMap(({ variables }) => Object.entries(variables)).reverse())
  return [...all]
    .reverse()
    .map(([name, { default: value, doc }]) => [name, value === undefined ? doc : `${doc} (${value})`])
}
