// One section, read: what it hands down (global) and what it keeps (local), each value with where it comes from.
// Precedence is command line, section, [DEFAULT]; a key that stands in both of the latter is in both confs.

import { makeConf } from '../config/conf.js'
import { ConfigError, type Place } from '../config/errors.js'
import { isSecretKey } from '../config/secrets.js'
import { offerFrom } from '../config/suggest.js'
import type { Conf } from '../protocol.js'
import type { Origin, Section } from './model.js'
import type { Value } from './outside.js'
import type { FileScope } from './scope.js'
import { strip } from './whitespace.js'

/** One value on its way to a factory. */
export interface Setting extends Value {
  readonly from: Origin
  readonly place?: Place | undefined
  /** The file in which names in the value are looked up. */
  readonly scope?: FileScope | undefined
}

/** In order; changed in place while contexts are made, as Paste's dicts are. */
export type Settings = Map<string, Setting>

/** Settings as a factory gets them. */
export function toConf(settings: Settings): Conf {
  return makeConf([...settings].map(([key, { text }]) => [key, text] as const))
}

/** Settings out of what somebody's code gives: the command line's, or a composite's own global conf. */
export function fromConf(conf: Readonly<Record<string, string>> | Conf, from: Origin): Settings {
  const pairs: Iterable<readonly [string, string]> =
    Symbol.iterator in conf ? (conf as Conf) : Object.entries(conf)
  return new Map([...pairs].map(([key, text]) => [key, { text, secret: isSecretKey(key), from }] as const))
}

/** What a section says. */
export interface Reading {
  /** Its global conf: [DEFAULT], what was handed down over it, its own `set`s over that, the command line over all. */
  readonly globals: Settings
  /** Its `set`s alone, those of [DEFAULT] included. */
  readonly sets: Settings
  readonly locals: Settings
}

const SET = 'set '
const GET = 'get '

/** Whether a key is no setting but a `set NAME` or `get NAME`. */
export function isWord(key: string): boolean {
  return key.startsWith(SET) || key.startsWith(GET)
}

/** Reads a section. `handed` is the global conf of whoever asks for it; undefined: none. */
export function readSection(scope: FileScope, section: Section, handed: Settings | undefined): Reading {
  const { overrides, issues } = scope.surrounding
  const evaluate = scope.evaluator(section)
  const globals: Settings = new Map([...scope.defaults, ...(handed ?? []), ...overrides])
  const sets: Settings = new Map()
  const locals: Settings = new Map()
  const gets: Settings = new Map()
  const set = (name: string, setting: Setting) =>
    put(sets, name, overrides.get(name) ?? { ...setting, from: 'set' })
  for (const key of new Set([...section.entries.keys(), ...scope.globalWords])) {
    const setting = overrides.get(key) ?? evaluate(key)
    if (setting === undefined) continue
    if (key.startsWith(GET)) gets.set(strip(key.slice(GET.length)), setting)
    else if (key.startsWith(SET)) set(strip(key.slice(SET.length)), setting)
    else locals.set(key, setting)
  }
  for (const [name, setting] of sets) globals.set(name, setting)
  // Only now, because a "get" sees every "set", also one below it.
  for (const [name, get] of gets) {
    const found = globals.get(get.text)
    if (found === undefined) issues.report(missingGlobal(get, globals, scope))
    else put(locals, name, overrides.get(name) ?? { ...get, text: found.text, secret: found.secret })
  }
  return { globals, sets, locals }
}

/** A value that goes by another name than its line's is also secret by that name. */
function put(settings: Settings, name: string, setting: Setting): void {
  settings.set(name, isSecretKey(name) ? { ...setting, secret: true } : setting)
}

function missingGlobal(get: Setting, globals: Settings, { file }: FileScope): ConfigError {
  const name = JSON.stringify(get.text)
  const offered = offerFrom(file, get.text, () => globals.keys())
  const reason = `there is no ${name} in [DEFAULT], in a "set" or on the command line.${offered}`
  return new ConfigError('missing', reason, get.place)
}
