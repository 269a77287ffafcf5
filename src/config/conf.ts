// A section's settings as factories see them. Integer-like keys (`404 = /nf`) would jump to the front of a plain
// object, so the file order is kept by the iterator.

import type { Conf } from '../protocol.js'

/**
 * Makes a frozen Conf of pairs in file order. A key given twice keeps its first place and its last value. `beside` are
 * further properties, which no iteration shows.
 */
export function makeConf(
  pairs: Iterable<readonly [string, string]>,
  beside: Readonly<Record<string, unknown>> = {},
): Conf {
  const map = new Map(pairs)
  const conf: Record<string, string> = Object.create(null)
  for (const [key, value] of map) conf[key] = value
  Object.defineProperty(conf, Symbol.iterator, { value: () => map.entries() })
  for (const [name, value] of Object.entries(beside)) {
    Object.defineProperty(conf, name, { value, enumerable: false })
  }
  return Object.freeze(conf) as Conf
}
