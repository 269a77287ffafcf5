// The composed tree as text: what a request meets from top to bottom, what made it, and where that is written.

import type { Place } from '../config/errors.js'
import type { Node, NodeSetting } from '../loader.js'
import type { Paint } from './terminal.js'

export interface TreeOptions {
  /** Whether each part's settings stand below it. */
  readonly settings: boolean
  /** How wide lines may be. Where three columns don't fit, what made a part stands below it. */
  readonly columns: number
  readonly paint: Paint
  /** How a file is called. */
  fileName(file: string): string
}

/** A line; `rule` is the tree's own drawing. */
interface Row {
  readonly rule: string
  readonly label: string
  /** undefined: `label` has the place of both. */
  readonly use: string | undefined
  readonly place: string
}

/** A part, and the lines below it that are no parts. */
interface Block {
  readonly part: Row & { readonly use: string }
  /** The drawing in front of lines that belong to the part. */
  readonly rule: string
  readonly settings: readonly Row[]
}

const GAP = '  '

/** Draws some trees one below the other. */
export function drawTrees(roots: readonly Node[], options: TreeOptions): string {
  const blocks = roots.flatMap((root) => blocksOf(root, undefined, '', '', '', options))
  const wide = blocks.flatMap(({ part, settings }) => [part, ...settings])
  const fits = widthOf(wide) <= options.columns
  return draw(fits ? wide : blocks.flatMap(stacked), options.paint)
}

function blocksOf(
  node: Node,
  parent: Node | undefined,
  mount: string,
  lead: string,
  below: string,
  options: TreeOptions,
): Block[] {
  const { children } = node
  const mounts = mountsOf(node)
  const rule = `${below}${children.length > 0 ? '│' : ' '}    `
  const isSection = node.name !== node.use
  const title = isSection ? `[${node.shape}:${printable(node.name)}]` : printable(node.name)
  const part = {
    rule: lead,
    label: mount + title,
    use: isSection ? printable(node.use ?? node.shape) : '',
    place: placeName(node.place, options),
  }
  const settings = options.settings ? settingsOf(node, parent) : []
  return [
    { part, rule, settings: settings.map((setting) => settingRow(setting, rule, options)) },
    ...children.flatMap((child, index) => {
      const [branch, trunk] = index === children.length - 1 ? ['└─ ', '   '] : ['├─ ', '│  ']
      return blocksOf(child, node, mounts[index] ?? '', below + branch, below + trunk, options)
    }),
  ]
}

/** The keys that mount the apps of a composite, in a column. */
function mountsOf({ shape, children }: Node): string[] {
  if (shape !== 'composite') return []
  const keys = children.map(({ role }) => printable(role))
  const width = widest(keys, (key) => key.length)
  return keys.map((key) => key.padEnd(width) + GAP)
}

/** A part's settings as they are shown: its own without the mounts, which are drawn; then what it gets from above and its parent does not. */
export function settingsOf(node: Node, parent: Node | undefined): NodeSetting[] {
  const isGlobal = ({ scope }: NodeSetting) => scope === 'global'
  const mounts = new Set(node.shape === 'composite' ? node.children.map(({ role }) => role) : [])
  const handed = new Set(parent?.settings.filter(isGlobal).map(({ key, value }) => `${key}=${value}`))
  return [
    ...node.settings.filter((setting) => !isGlobal(setting) && !mounts.has(setting.key)),
    ...node.settings.filter((setting) => isGlobal(setting) && !handed.has(`${setting.key}=${setting.value}`)),
  ]
}

function settingRow({ key, value, from, place }: NodeSetting, rule: string, options: TreeOptions): Row {
  const where = placeName(place, options)
  const origin = from === 'section' ? where : `${where} (${from})`.trimStart()
  return { rule, label: `${printable(key)} = ${printable(value)}`, use: undefined, place: origin }
}

function placeName(place: Place | undefined, { fileName }: TreeOptions): string {
  if (place === undefined) return ''
  return place.line === undefined ? fileName(place.file) : `${fileName(place.file)}:${place.line}`
}

/** Values and names are data: none may move the cursor. */
function printable(text: string): string {
  return /\p{Cc}/u.test(text) ? JSON.stringify(text) : text
}

/** The part's name alone, what made it below. */
function stacked({ part, rule, settings }: Block): Row[] {
  const maker = { rule, label: part.use, use: undefined, place: part.place }
  return [{ ...part, use: '', place: '' }, maker, ...settings]
}

/** The widths of the columns: label, use, and both for a row that has no use. */
function columnsOf(rows: readonly Row[]): { label: number; use: number } {
  const labelOf = ({ rule, label }: Row) => rule.length + label.length
  const label = widest(
    rows.filter(({ use }) => use !== undefined && use !== ''),
    labelOf,
  )
  const both = widest(
    rows.filter(({ use }) => use === undefined),
    labelOf,
  )
  const use = widest(rows, ({ use }) => use?.length ?? 0)
  return { label, use: Math.max(use, both - label - GAP.length) }
}

function widthOf(rows: readonly Row[]): number {
  const { label, use } = columnsOf(rows)
  return label + use + widest(rows, ({ place }) => place.length) + 2 * GAP.length
}

/** Not by Math.max(...), which takes only so many arguments. */
function widest<T>(list: readonly T[], measure: (one: T) => number): number {
  return list.reduce((most, one) => Math.max(most, measure(one)), 0)
}

function draw(rows: readonly Row[], paint: Paint): string {
  const widths = columnsOf(rows)
  return rows
    .map(({ rule, label, use, place }) => {
      const width = use === undefined ? widths.label + GAP.length + widths.use : widths.label
      const text = label.padEnd(width - rule.length)
      const cells =
        use === undefined
          ? [text]
          : [paint('bold', text), ...(use === '' ? [] : [paint('cyan', use.padEnd(widths.use))])]
      return (paint('dim', rule) + [...cells, paint('dim', place)].join(GAP)).trimEnd()
    })
    .join('\n')
}
