// A function of the user's own as the value of a setting: `file:./auth.js#check`, relative to the INI's directory.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Converter } from '../config/converters.js'
import { OptionError } from '../config/errors.js'

/** An export of a file. */
export interface OwnFunction {
  readonly file: string
  readonly name: string
}

/** `file:./x.js#name`. */
export const ownFunction: Converter<OwnFunction> = {
  expected: 'a function of yours as in file:./auth.js#check',
  parse(text) {
    const match = /^file:([^#]+)#(.+)$/.exec(text.trim())
    return match === null ? undefined : { file: match[1]!, name: match[2]! }
  },
  accepts: (value): value is OwnFunction => typeof (value as OwnFunction | null)?.file === 'string',
}

/** Imports it. Rejects with OptionError for setting `key` when there is no such function. */
export async function importFunction<F>(key: string, own: OwnFunction, directory: string): Promise<F> {
  const module: Record<string, unknown> = await import(pathToFileURL(resolve(directory, own.file)).href)
  const found = module[own.name]
  if (typeof found === 'function') return found as F
  const names = Object.keys(module).join(', ')
  throw new OptionError(key, `${own.file} exports no function "${own.name}": it exports ${names || 'nothing'}`)
}
