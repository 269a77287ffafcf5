// What a template of `sessd make-config` is: a text with holes, and the app files that this text mounts.

import { type Converter, duration, integer, text } from '../../config/converters.js'

/** A hole in a template, filled by `name=value` on the command line. */
export interface Variable {
  readonly type: Converter<unknown>
  /** undefined: made at random, or kept from the file that is overwritten. */
  readonly default: string | undefined
  readonly doc: string
}

/** What fills the holes, ready to stand in an INI file. */
export type Filling<Name extends string = string> = Readonly<Record<Name, string>>

export interface Template {
  readonly name: string
  /** One line for the help. */
  readonly summary: string
  readonly variables: Readonly<Record<string, Variable>>
  /** The INI file. Only what Paste Deploy reads the same way: comments on lines of their own, seconds as numbers. */
  render(values: Filling): string
  /** Modules that the file mounts unless the variable of that name says otherwise; made where they are missing. */
  readonly apps: Readonly<Record<string, AppFile>>
}

export interface AppFile {
  readonly file: string
  readonly source: string
}

/** Ties the names that `render` reads to the variables that are declared. */
export function template<V extends Readonly<Record<string, Variable>>>(
  spec: Omit<Template, 'variables' | 'render'> & {
    readonly variables: V
    render(values: Filling<keyof V & string>): string
  },
): Template {
  return spec
}

const cookieName: Converter<string> = {
  expected: 'a cookie name of letters, digits, _, - and .',
  parse: (value) => (/^[\w.-]+$/.test(value) ? value : undefined),
  accepts: (value): value is string => typeof value === 'string',
}

/** Every template has these. */
export const common = {
  host: { type: text, default: '127.0.0.1', doc: 'the address to listen on; 0.0.0.0 for all' },
  port: { type: integer(0, 65_535), default: '8080', doc: 'the port to listen on; 0 for any free one' },
  secret: { type: text, default: undefined, doc: 'signs the cookies; random, 256 bits' },
  key: { type: cookieName, default: 'session_id', doc: 'the name of the cookie' },
  timeout: { type: duration(1), default: '86400', doc: 'seconds without a request that end a session' },
  data_dir: { type: text, default: '%(here)s/data', doc: 'the directory of the stored sessions' },
} as const satisfies Readonly<Record<string, Variable>>

/** The variable for a module that is mounted at `path`. */
export function appVariable(file: string, path = '/'): Variable {
  return { type: text, default: file, doc: `what is at ${path}: a module, or whatever \`use\` takes` }
}

/** What stands after `use =` for such a module: a path becomes a `file:` URI, a URI stays. */
export function useOf(app: string): string {
  if (/^[a-z]+:/i.test(app)) return app
  return `file:${/^\.{0,2}\//.test(app) ? '' : './'}${app}`
}
