// An option table as a page of Markdown: what users look up is what the code reads.

import type { Option, OptionTable } from './options.js'

/** A table row per option, in table order, those that are taken and ignored last. `prefix` stands before each name. */
export function optionsPage(table: OptionTable, prefix = ''): string {
  const all = Object.entries<Option<unknown>>(table)
  const used = all.filter(([, option]) => option.ignored === undefined)
  const ignored = all.filter(([, option]) => option.ignored !== undefined)
  const lines = ['| setting | takes | default | what it does |', '|---|---|---|---|']
  for (const [name, option] of used) {
    lines.push(
      `| \`${prefix}${name}\` | ${cell(option.type.expected)} | ${cell(defaultCell(option))} | ${cell(option.doc)} |`,
    )
  }
  if (ignored.length > 0) {
    lines.push('', 'Taken, so that an INI loads unchanged, and ignored:', '')
    for (const [name, option] of ignored) lines.push(`- \`${prefix}${name}\`: ${option.ignored}.`)
  }
  return `${lines.join('\n')}\n`
}

/**
 * The default of an option: a number or boolean as it is, a list and what has a spelling of its own as it would stand in a
 * file. undefined where there is none, and where it is no text that could stand there.
 */
export function defaultOf({ default: value, type }: Option<unknown>): string | number | boolean | undefined {
  if (value === undefined) return undefined
  if (type.show !== undefined) return type.show(value)
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.join(' ')
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : undefined
}

function defaultCell(option: Option<unknown>): string {
  if (option.required === true) return 'required'
  const value = defaultOf(option)
  return value === undefined ? '' : `\`${value}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
