// One table describes the settings of a part: name, type, default, unit and sentence. Reading a section, the reference
// pages and completion all come from it; a default is written there and nowhere else.

import type { Conf } from '../protocol.js'
import type { Converter } from './converters.js'
import { OptionError, OptionErrors } from './errors.js'
import { hint } from './suggest.js'

/** One setting. */
export interface Option<T, D = T | undefined> {
  readonly type: Converter<T>
  /** Used when the setting is absent; undefined means "none". */
  readonly default: D
  /** One sentence for the reference page. */
  readonly doc: string
  /** What a bare number counts: seconds, milliseconds, bytes. */
  readonly unit?: 'seconds' | 'milliseconds' | 'bytes'
  /** Never printed, in no error and no listing. */
  readonly secret?: true
  /** Absent is an error. */
  readonly required?: true
  /** Other spellings that mean the same. */
  readonly aliases?: readonly string[]
  /** Why it does nothing here: a setting of the Python original that is taken and ignored. `check` says so. */
  readonly ignored?: string
}

// biome-ignore lint/suspicious/noExplicitAny: a table mixes options of every type; `Values` gets each one back
export type OptionTable = Readonly<Record<string, Option<any, any>>>

/** The values that a table describes, each of its own type. */
export type Values<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends Option<infer V, infer D>
    ? T[K] extends { required: true }
      ? V
      : D extends undefined
        ? V | undefined
        : V
    : never
}

/** Declares one option; exists so that the compiler infers the type of its value. */
export function option<T>(
  spec: Option<T, undefined> & { required: true },
): Option<T, undefined> & { required: true }
export function option<T>(spec: Option<T, undefined>): Option<T, undefined>
export function option<T>(spec: Option<T, NoInfer<T>>): Option<T, T>
export function option<T>(spec: Option<T>): Option<T> {
  return spec
}

/** Where a setting may come from, nearest first. */
export interface ReadOptions {
  /** Prefixes that are cut from keys; the bare name counts as well. */
  readonly prefixes?: readonly string[]
  /** Keys of the section that are none of the table's business. */
  readonly ignore?: (key: string) => boolean
  /** Inherited settings: only keys that carry a prefix are read from here, and the section's own win. */
  readonly inherited?: Conf
}

/**
 * Reads a section by a table: defaults filled in, every value of its type.
 * Throws OptionError (or OptionErrors for several): unknown key, value that its type does not take, missing, given twice.
 */
export function readOptions<T extends OptionTable>(table: T, conf: Conf, how: ReadOptions = {}): Values<T> {
  const errors: OptionError[] = []
  const found = new Map<string, { key: string; text: string }>()
  const prefixes = how.prefixes ?? []
  const names = new Map<string, string>()
  for (const [name, spec] of Object.entries(table)) {
    names.set(name, name)
    for (const alias of spec.aliases ?? []) names.set(alias, name)
  }
  for (const [key, text] of conf) {
    if (how.ignore?.(key)) continue
    const prefix = prefixes.find((candidate) => key.startsWith(candidate)) ?? ''
    const name = names.get(key.slice(prefix.length))
    const earlier = name === undefined ? undefined : found.get(name)
    if (name === undefined) {
      // A slip may be in the prefix too.
      const starts = prefix === '' && key.includes('.') ? ['', ...prefixes] : [prefix]
      const known = starts.flatMap((start) => [...names.keys()].map((known) => start + known))
      errors.push(new OptionError(key, `no such setting.${hint(key, known)}`))
    } else if (earlier !== undefined && earlier.text !== text) {
      errors.push(new OptionError(key, `given twice: ${earlier.key} says the same with another value`))
    } else {
      found.set(name, { key, text })
    }
  }
  for (const [key, text] of how.inherited ?? []) {
    const prefix = prefixes.find((candidate) => key.startsWith(candidate))
    const name = prefix === undefined ? undefined : names.get(key.slice(prefix.length))
    if (name !== undefined && !found.has(name)) found.set(name, { key, text })
  }
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(table)) {
    const given = found.get(name)
    if (given === undefined) {
      if (spec.required === true)
        errors.push(new OptionError((prefixes[0] ?? '') + name, `missing: ${spec.doc}`))
      values[name] = spec.default
      continue
    }
    if (spec.ignored !== undefined) {
      const message = `${given.key} is ignored: ${spec.ignored}`
      process.emitWarning(message, { type: 'SessdWarning', code: 'SESSD_IGNORED' })
    }
    const value = spec.type.parse(given.text)
    if (value === undefined) {
      errors.push(new OptionError(given.key, wrongValue(spec, given.text)))
    }
    values[name] = value
  }
  throwAll(errors)
  return values as Values<T>
}

/**
 * The same for settings given in code: values of their types, or text that is parsed. Unknown names are errors.
 */
export function checkOptions<T extends OptionTable>(
  table: T,
  given: Readonly<Record<string, unknown>>,
): Values<T> {
  const errors: OptionError[] = []
  const values: Record<string, unknown> = {}
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name))
      errors.push(new OptionError(name, `no such setting.${hint(name, Object.keys(table))}`))
  }
  for (const [name, spec] of Object.entries(table)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    if (value === undefined) {
      if (spec.required === true) errors.push(new OptionError(name, `missing: ${spec.doc}`))
      values[name] = spec.default
    } else if (spec.type.accepts(value)) {
      values[name] = value
    } else {
      const parsed = typeof value === 'string' ? spec.type.parse(value) : undefined
      if (parsed === undefined) errors.push(new OptionError(name, wrongValue(spec, String(value))))
      values[name] = parsed
    }
  }
  throwAll(errors)
  return values as Values<T>
}

/** The sentence about a value that an option does not take. */
export function wrongValue(spec: Option<unknown>, text: string): string {
  const got = spec.secret === true ? 'something else' : text === '' ? 'nothing' : JSON.stringify(text)
  const hint = spec.secret === true ? '' : (spec.type.hint?.(text) ?? '')
  return `expected ${spec.type.expected}, got ${got}${hint === '' ? '' : `.${hint}`}`
}

/** Throws what was found: one as it is, several as OptionErrors. */
export function throwAll(errors: readonly OptionError[]): void {
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new OptionErrors(errors)
}
