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
      `| \`${prefix}${name}\` | ${cell(option.type.expected)} | ${cell(defaultOf(option))} | ${cell(option.doc)} |`,
    )
  }
  if (ignored.length > 0) {
    lines.push('', 'Taken, so that an INI loads unchanged, and ignored:', '')
    for (const [name, option] of ignored) lines.push(`- \`${prefix}${name}\`: ${option.ignored}.`)
  }
  return `${lines.join('\n')}\n`
}

function defaultOf(option: Option<unknown>): string {
  const { default: value, required } = option
  if (required === true) return 'required'
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return ''
  return `\`${String(value)}\``
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
