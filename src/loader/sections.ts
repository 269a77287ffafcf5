// Which section a name means. Prefix and name are case-sensitive, as all of the file is.

import { ConfigError } from '../config/errors.js'
import { offerFrom } from '../config/suggest.js'
import type { ConfigFile, Kind, Section, Shape } from './model.js'
import { strip } from './whitespace.js'

const SHAPES: ReadonlyMap<string, Shape> = new Map([
  ['app', 'app'],
  ['application', 'app'],
  ['composite', 'composite'],
  ['composit', 'composite'],
  ['pipeline', 'pipeline'],
  ['filter-app', 'filter-app'],
  ['filter', 'filter'],
  ['server', 'server'],
])

/** In one group the first spelling that is there hides the others; two groups are ambiguous. */
const GROUPS: Readonly<Record<Kind, readonly (readonly string[])[]>> = {
  app: [['app', 'application'], ['composite', 'composit'], ['pipeline'], ['filter-app']],
  filter: [['filter']],
  server: [['server']],
}

/** Takes the text between the brackets apart. A bare `[app]` is `[app:main]`. */
export function readTitle(title: string): { shape: Shape | undefined; name: string } {
  const colon = title.indexOf(':')
  const prefix = colon < 0 ? title : title.slice(0, colon)
  const shape = SHAPES.get(prefix)
  return { shape, name: colon < 0 ? (shape === undefined ? title : 'main') : strip(title.slice(colon + 1)) }
}

/** What a section of this shape is asked for as. */
export function kindOf(shape: Shape): Kind {
  return shape === 'filter' || shape === 'server' ? shape : 'app'
}

/** The word before the colon: `app`, `composit`. */
export function prefixOf(section: Section): string {
  return section.title.split(':', 1)[0]!
}

/**
 * Finds the section that `name` means when it is asked for as `kind`; `main` may be a bare `[app]`. Throws ConfigError
 * (without a place: the asker knows it) when there is none or more than one. `asker` is the file that asks.
 */
export function findSection(file: ConfigFile, kind: Kind, name: string, asker = file.path): Section {
  const named = GROUPS[kind].flatMap((prefixes) => firstOf(file, prefixes, `:${name}`))
  const found =
    named.length > 0 || name !== 'main' ? named : GROUPS[kind].flatMap((all) => firstOf(file, all, ''))
  if (found.length === 1) return found[0]!
  if (found.length > 1) {
    const places = found.map(({ title, line }) => `[${title}] (line ${line})`)
    throw new ConfigError(
      'ambiguous',
      `${JSON.stringify(name)} could be ${places.join(' or ')} of ${file.path}`,
    )
  }
  if (kind === 'app') {
    const filter = file.sections.get(`filter:${name}`)
    if (filter?.entries.has('next')) return filter
  }
  throw missing(file, kind, name, asker)
}

function firstOf(file: ConfigFile, prefixes: readonly string[], rest: string): readonly Section[] {
  for (const prefix of prefixes) {
    const found = indexOf(file).get(prefix + rest)
    if (found !== undefined) return found
  }
  return []
}

const indexes = new WeakMap<ConfigFile, Map<string, Section[]>>()

/** Sections by title without white space after the colon: `[app: x]` and `[app:x]` are two sections of one name. */
function indexOf(file: ConfigFile): Map<string, Section[]> {
  let index = indexes.get(file)
  if (index === undefined) {
    index = new Map()
    for (const section of file.sections.values()) {
      if (section.shape === undefined) continue
      const key = section.title.includes(':') ? `${prefixOf(section)}:${section.name}` : section.title
      index.set(key, [...(index.get(key) ?? []), section])
    }
    indexes.set(file, index)
  }
  return index
}

function missing(file: ConfigFile, kind: Kind, name: string, asker: string): ConfigError {
  const titles = GROUPS[kind].map(([prefix]) => `[${prefix}:${name}]`)
  const wanted = titles.length === 1 ? titles[0] : `${titles.slice(0, -1).join(', ')} or ${titles.at(-1)}`
  const where = asker === file.path ? '' : ` in ${file.path}`
  const comma = name.endsWith(',') ? ' Names are divided by spaces, not by commas.' : ''
  const empty = name === '' ? ' The name is empty.' : ''
  const offered = offerFrom(file, name, () => namesOf(file, kind))
  return new ConfigError('missing', `there is no ${wanted}${where}.${empty}${comma}${offered}`)
}

function namesOf(file: ConfigFile, kind: Kind): string[] {
  const all = [...file.sections.values()]
  return all.filter(({ shape }) => shape !== undefined && kindOf(shape) === kind).map(({ name }) => name)
}
