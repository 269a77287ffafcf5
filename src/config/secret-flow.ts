// Which settings of a file feed a secret: `password = %(db)s` makes `db` one, whatever its own name says. Read from the
// text alone, so it is known before anything is worked out, and of sections that nothing uses too.

import { isSecretKey } from './secrets.js'

/** One setting as it is written. `id` stands for it in the answer. */
export interface Written<T> {
  readonly section: string
  readonly key: string
  readonly value: string
  readonly id: T
}

export interface SecretFlow<T> {
  /** The settings that feed a secret. */
  readonly feeding: ReadonlySet<T>
  /** The names by which they, and what is no setting of this file, are put into one. */
  readonly names: ReadonlySet<string>
}

const DEFAULT = 'DEFAULT'

type Sections<T> = ReadonlyMap<string, ReadonlyMap<string, Written<T>>>

/** Finds them. A name means what interpolation takes it for: of its own section, else of [DEFAULT]. */
export function secretFlow<T>(settings: Iterable<Written<T>>): SecretFlow<T> {
  const sections = bySection(settings)
  const defaults = sections.get(DEFAULT) ?? new Map<string, Written<T>>()
  const feeding = new Set<T>()
  const names = new Set<string>()
  const follow = (own: ReadonlyMap<string, Written<T>>, start: readonly Written<T>[]) => {
    const seen = new Set(start)
    for (const setting of seen) {
      for (const name of namesIn(setting)) {
        names.add(name)
        const found = [own.get(name), defaults.get(name)].filter((one) => one !== undefined)
        const target = found.find((one) => one !== setting)
        if (target === undefined) continue
        seen.add(target)
        feeding.add(target.id)
      }
    }
  }
  const sinks = [...defaults.values()].filter(({ key }) => isSecretKey(key))
  follow(defaults, sinks)
  const shared = new Set(names)
  for (const own of sections.values()) {
    if (own === defaults) continue
    // A secret of [DEFAULT] takes a section's own value where there is one.
    const fed = [...own.values()].filter(({ key }) => shared.has(key))
    for (const { id } of fed) feeding.add(id)
    const secret = [...own.values()].filter(({ key }) => isSecretKey(key))
    follow(own, [...secret, ...fed])
  }
  return { feeding, names }
}

function bySection<T>(settings: Iterable<Written<T>>): Sections<T> {
  const sections = new Map<string, Map<string, Written<T>>>()
  for (const setting of settings) {
    const section = sections.get(setting.section) ?? new Map<string, Written<T>>()
    sections.set(setting.section, section.set(setting.key, setting))
  }
  return sections
}

/** What of a value is looked at: an escape, the begin and end of `${...}`, a default in it, a name. */
const MARKS = /%%|\$\$\{|\$\{(env|file):|:-|\}|%\(([^)]+)\)s/g

/** The names whose values become part of this one. Those of a variable or a file to fetch from do not. */
function namesIn({ key, value }: Written<unknown>): string[] {
  if (key.startsWith('get ')) return [value.trim()]
  if (!value.includes('%(')) return []
  const names: string[] = []
  let source: string | undefined
  for (const [mark, opened, name] of value.matchAll(MARKS)) {
    if (source === undefined) source = opened
    else if (mark === '}' || (mark === ':-' && source === 'env')) source = undefined
    if (name !== undefined && source === undefined) names.push(name)
  }
  return names
}
