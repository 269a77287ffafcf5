// The types of the session filter's settings that no other part has.

import * as type from '../config/converters.js'
import { type OwnExport, ownExport } from './own-export.js'
import { hint, isTypeName, TYPE_NAMES } from './session-stores.js'

export const cookieExpires: type.Converter<boolean | number> = {
  expected: 'true (until the browser is closed), false (never), or a time as in 300, 30m, 12h or 7d',
  parse(text) {
    const word = text.trim()
    return /^\d/.test(word) ? type.duration(1).parse(word) : type.boolean.parse(word)
  },
  accepts: (value): value is boolean | number =>
    typeof value === 'boolean' || type.duration(1).accepts(value),
}

/** `true`, `false` or `auto`. */
export const secure = type.either(type.oneOf('auto'), type.boolean)

export const sameSite = type.oneOf('Lax', 'Strict', 'None', 'false')

/** A cookie name: a token of RFC 9110, without `=`, spaces or separators. */
export const cookieName: type.Converter<string> = {
  expected: "a cookie name: letters, digits and !#$%&'*+-.^_`|~",
  parse: (text) => (/^[\w!#$%&'*+\-.^`|~]+$/.test(text) ? text : undefined),
  accepts: (value): value is string => typeof value === 'string' && cookieName.parse(value) !== undefined,
}

/** Where a client's id may come from, nearest first. */
export type IdSource =
  | { readonly from: 'cookie' | 'bearer' }
  | { readonly from: 'header'; readonly name: string }

export const idSources: type.Converter<readonly IdSource[]> = {
  expected: 'cookie, bearer and header:NAME, divided by commas',
  parse(text) {
    const sources: IdSource[] = []
    for (const word of text.split(',').map((part) => part.trim())) {
      const header = /^header:([!#$%&'*+\-.^_`|~\w]+)$/i.exec(word)
      if (header !== null) sources.push({ from: 'header', name: header[1]!.toLowerCase() })
      else if (word === 'cookie' || word === 'bearer') sources.push({ from: word })
      else return undefined
    }
    return sources
  },
  accepts: (value): value is readonly IdSource[] =>
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item?.from === 'string'),
}

/** A word of the table, or an export of the user's own: `file:./x.js#Name`. */
export function ownOr<T>(other: type.Converter<T>): type.Converter<T | OwnExport> {
  return type.either(other, ownExport)
}

/** Of an option that takes nothing but an own export. */
export const nothing: type.Converter<never> = {
  expected: '',
  parse: () => undefined,
  accepts: (_value): _value is never => false,
}

export const asciiText: type.Converter<string> = {
  expected: 'ASCII text',
  parse: (text) => (/^[ -~]+$/.test(text) ? text : undefined),
  accepts: (value): value is string => typeof value === 'string' && asciiText.parse(value) !== undefined,
}

export const cookiePath: type.Converter<string> = {
  expected: 'a path that begins with /',
  parse: (text) => (/^\/[ -:<-~]*$/.test(text) ? text : undefined),
  accepts: (value): value is string => typeof value === 'string' && cookiePath.parse(value) !== undefined,
}

export const domain: type.Converter<string> = {
  expected: 'a host name as in example.com',
  parse: (text) => (/^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(text.trim()) ? text.trim() : undefined),
  accepts: (value): value is string => typeof value === 'string' && domain.parse(value) !== undefined,
}

export const storeName: type.Converter<string> = {
  expected: `${TYPE_NAMES.join(', ')} or express:PACKAGE`,
  parse(text) {
    const name = text.trim()
    return isTypeName(name) ? name : undefined
  },
  accepts: (value): value is string => typeof value === 'string' && storeName.parse(value) !== undefined,
  hint: (text) => hint(text.trim()),
}

export const text: type.Converter<string> = {
  expected: 'any text',
  parse: (value) => value,
  accepts: (value): value is string => typeof value === 'string',
}
