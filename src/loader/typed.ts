// Text settings as typed options, for middleware from npm that knows nothing of INI files.

import { OptionError } from '../config/errors.js'
import type { Conf } from '../protocol.js'

type Options = Record<string, unknown>

/**
 * `true` and `false`, decimal numbers and JSON in `{}`, `[]` or `""` get their types; all else is text. A dot in a key
 * reaches inside: `hsts.maxAge = 60`. Throws OptionError for JSON that is none, and for a key that is both value and
 * table.
 */
export function typedOptions(conf: Conf): Options {
  const options: Options = {}
  const tables = new Set<unknown>([options])
  for (const [key, text] of conf) {
    const path = key.split('.')
    const last = path.pop()!
    let table = options
    for (const name of path) {
      if (!Object.hasOwn(table, name)) tables.add(define(table, name, {}))
      if (!tables.has(table[name]))
        throw new OptionError(key, `${name} has a value already, so it can't have parts`)
      table = table[name] as Options
    }
    if (Object.hasOwn(table, last)) throw new OptionError(key, "has parts already, so it can't have a value")
    define(table, last, typedValue(key, text))
  }
  return options
}

/** Assignment that makes `__proto__` an ordinary key. */
function define(table: Options, name: string, value: unknown): unknown {
  Object.defineProperty(table, name, { value, enumerable: true, configurable: true, writable: true })
  return value
}

function typedValue(key: string, text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  if (/^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/.test(text)) return Number(text)
  if (!/^(?:\{.*\}|\[.*\]|".*")$/s.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    throw new OptionError(key, 'expected JSON, as it begins and ends like some')
  }
}
