// Errors about what somebody wrote in a file. Whoever throws knows the reason; the one who knows the place adds the
// place: a factory throws OptionError(key, reason), the loader turns it into a ConfigError with file, line and section.

/** Where in a configuration something is written. Lines count from 1. */
export interface Place {
  readonly file: string
  readonly line?: number | undefined
  readonly section?: string | undefined
  readonly key?: string | undefined
}

/** What kind of mistake it is; for programs (`check --json`), never shown alone. */
export type ConfigCode =
  | 'file' // the file itself: missing, unreadable, not UTF-8
  | 'syntax' // a line that is no INI, a bad %( )s
  | 'duplicate' // a section, key or mount that is there twice
  | 'missing' // a section, key, package, export or variable that is not there
  | 'ambiguous' // two things answer to one name
  | 'cycle' // a section that needs itself
  | 'nesting' // more parts in each other than a request can go through
  | 'option' // a setting whose name or value is not taken
  | 'factory' // a factory threw, or gave back something that is no app, filter or server

/** A mistake in the configuration: `file:line: [section] key: reason`. Never holds a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code: ConfigCode
  /** The sentence without its place. */
  readonly reason: string
  readonly place: Place | undefined

  constructor(code: ConfigCode, reason: string, place?: Place, options?: ErrorOptions) {
    super(place === undefined ? reason : `${formatPlace(place)}${reason}`, options)
    this.code = code
    this.reason = reason
    this.place = place
  }
}

/** Several mistakes found in one go; `errors` holds a ConfigError each. */
export class ConfigErrors extends AggregateError {
  override readonly name = 'ConfigErrors'
  declare readonly errors: ConfigError[]

  constructor(errors: readonly ConfigError[]) {
    super(errors, errors.map((error) => error.message).join('\n'))
  }
}

/** What a factory throws about one of its settings. The loader adds file, line and section. */
export class OptionError extends Error {
  override readonly name = 'OptionError'
  readonly key: string
  readonly reason: string

  constructor(key: string, reason: string, options?: ErrorOptions) {
    super(`${key}: ${reason}`, options)
    this.key = key
    this.reason = reason
  }
}

/** Several wrong settings of one factory; `errors` holds an OptionError each. */
export class OptionErrors extends AggregateError {
  override readonly name = 'OptionErrors'
  declare readonly errors: OptionError[]

  constructor(errors: readonly OptionError[]) {
    super(errors, errors.map((error) => error.message).join('\n'))
  }
}

/** `file:line: [section] key: `, as much of it as is known. */
export function formatPlace({ file, line, section, key }: Place): string {
  let text = line === undefined ? `${file}:` : `${file}:${line}:`
  if (section !== undefined) text += ` [${section}]`
  if (key !== undefined) text += ` ${key}:`
  else if (section !== undefined) text += ':'
  return `${text} `
}
