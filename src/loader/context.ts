// What a section means, before anything is made: Paste Deploy's contexts. Maps of settings are shared and changed in
// place exactly where Paste shares its dicts, because that decides which `set` reaches which part.

import type { Place } from '../config/errors.js'
import type { Factory } from './factories.js'
import type { Kind } from './model.js'
import type { FileScope } from './scope.js'
import type { Setting, Settings } from './settings.js'

interface Common {
  readonly kind: Kind
  readonly globals: Settings
  /** What was asked for. A section that `use`s another puts its own name here. */
  asked: Asked
}

/** A section, or a URI that names no section. */
export interface Asked {
  /** The section's name without prefix, or the URI. */
  readonly name: string
  /** How it is named to people: `[app:main]`, `egg:Paste#urlmap`. */
  readonly title: string
  /** The same for the same section or URI. */
  readonly id: string
  /** The file that it is in; undefined: code asks for a URI. */
  readonly scope: FileScope | undefined
  /** The line that says what makes it; for a URI, where it is written. */
  readonly place: Place | undefined
  /** The line that asks for it. */
  readonly via: Place | undefined
}

/** One factory with its settings. */
export interface Part extends Common {
  readonly type: 'part'
  readonly factory: Factory
  readonly locals: Settings
}

/** `[filter-app:]`: a filter before an app. */
export interface FilterApp extends Common {
  readonly type: 'filter-app'
  readonly filter: Context
  readonly next: Context
}

/** `[pipeline:]`: filters, the first outermost, before an app. */
export interface Pipeline extends Common {
  readonly type: 'pipeline'
  readonly filters: readonly Context[]
  readonly app: Context
}

/** `filter-with`: a filter around an app or around another filter. */
export interface Filtered extends Common {
  readonly type: 'filtered'
  readonly filter: Context
  readonly inner: Context
}

/** Stands where an error was found and errors are gathered. */
export interface Broken extends Common {
  readonly type: 'broken'
}

export type Context = Part | FilterApp | Pipeline | Filtered | Broken

/** The part whose settings are those of the whole: of a filter-app, the filter. */
export function mainPart(context: Context): Part | undefined {
  let main = context
  for (let next: Context | undefined = context; next !== undefined; next = bearer(next)) main = next
  return main.type === 'part' ? main : undefined
}

/** What has the settings of one that is made of two. It may be made of two as well, any number of times. */
function bearer(context: Context): Context | undefined {
  if (context.type === 'filter-app') return context.filter
  return context.type === 'filtered' ? context.inner : undefined
}

/**
 * Lays the settings of a section over the context that it `use`s: they win, and new keys come last. `refuse` hears of
 * those that find no taker, because a pipeline has no settings.
 */
export function overlay(
  context: Context,
  locals: Settings,
  sets: Settings,
  refuse: (key: string, setting: Setting) => void,
): void {
  for (let next: Context | undefined = context; next !== undefined; next = bearer(next)) {
    for (const [name, setting] of sets) next.globals.set(name, setting)
    if (next.type === 'part') for (const [key, setting] of locals) next.locals.set(key, setting)
    if (next.type === 'pipeline') for (const [key, setting] of locals) refuse(key, setting)
  }
}

/** Whether two have the same settings, in whatever order. */
export function sameSettings(a: Settings, b: Settings): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [key, { text }] of a) if (b.get(key)?.text !== text) return false
  return true
}
