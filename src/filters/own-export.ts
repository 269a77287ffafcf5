// Something of the user's own as the value of a setting: `file:./auth.js#check`, relative to the INI's directory.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Converter } from '../config/converters.js'
import { OptionError } from '../config/errors.js'

/** An export of a file. */
export interface OwnExport {
  readonly file: string
  readonly name: string
}

/** `file:./x.js#Name`. */
export const ownExport: Converter<OwnExport> = {
  expected: 'an export of yours as in file:./x.js#Name',
  parse(text) {
    const match = /^file:([^#]+)#(.+)$/.exec(text.trim())
    return match === null ? undefined : { file: match[1]!, name: match[2]! }
  },
  accepts: (value): value is OwnExport => typeof (value as OwnExport | null)?.file === 'string',
}

/** The same, of which a function is expected. */
export const ownFunction: Converter<OwnExport> = {
  ...ownExport,
  expected: 'a function of yours as in file:./auth.js#check',
}

/** Imports it. Rejects with OptionError for setting `key` when there is no such export. */
export async function importExport(key: string, own: OwnExport, directory: string): Promise<unknown> {
  const module: Record<string, unknown> = await import(pathToFileURL(resolve(directory, own.file)).href)
  const found = module[own.name]
  if (found === undefined) throw noSuch(key, own, '', module)
  return found
}

/** Imports a function. Rejects with OptionError for setting `key` when there is no such function. */
export async function importFunction<F>(key: string, own: OwnExport, directory: string): Promise<F> {
  const module: Record<string, unknown> = await import(pathToFileURL(resolve(directory, own.file)).href)
  const found = module[own.name]
  if (typeof found !== 'function') throw noSuch(key, own, 'function ', module)
  return found as F
}

function noSuch(key: string, { file, name }: OwnExport, what: string, module: object): OptionError {
  const names = Object.keys(module).join(', ') || 'nothing'
  return new OptionError(key, `${file} exports no ${what}"${name}": it exports ${names}`)
}
