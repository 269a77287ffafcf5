// The URIs that a file may write wherever it writes a name: `config:x.ini#name`, `egg:Paste#urlmap`, `call:./x.js:make`.

import { isAbsolute, resolve } from 'node:path'
import { ConfigError } from '../config/errors.js'
import { nearest } from '../config/suggest.js'
import { strip } from './whitespace.js'

export const SCHEMES = ['config', 'egg', 'npm', 'file', 'call', 'connect'] as const
export type Scheme = (typeof SCHEMES)[number]

export interface Uri {
  readonly scheme: Scheme
  /** What stands between the scheme and the `#`. */
  readonly path: string
  /** What follows the first `#`; undefined when there is none. */
  readonly fragment: string | undefined
  readonly text: string
}

/** Whether a name is a URI: letters and a colon, so a section `[app:a:b]` can't be named and `[app:a1:b]` can. */
export function isUri(name: string): boolean {
  return /^[a-zA-Z]+:/.test(name)
}

/** Throws ConfigError (without a place) when there is no scheme, or one that is not known. */
export function parseUri(text: string): Uri {
  const hash = text.indexOf('#')
  const whole = hash < 0 ? text : text.slice(0, hash)
  const colon = whole.indexOf(':')
  const fragment = hash < 0 ? undefined : text.slice(hash + 1)
  if (colon < 0) {
    throw new ConfigError(
      'missing',
      `expected a URI such as config:app.ini#main, got ${JSON.stringify(text)}`,
    )
  }
  const written = whole.slice(0, colon)
  const scheme = SCHEMES.find((known) => known === written.toLowerCase())
  if (scheme === undefined) {
    const near = nearest(written, SCHEMES)
    const meant = near === undefined ? '' : ` Did you mean "${near}:"?`
    const known = SCHEMES.map((name) => `${name}:`).join(', ')
    throw new ConfigError('missing', `there is no scheme "${written}:".${meant} There is: ${known}.`)
  }
  return { scheme, path: whole.slice(colon + 1), fragment, text }
}

/**
 * The file that a `config:` or `file:` URI names: `\` counts as `/`, `///x` as `/x`, and `%23` is how a `#` is written.
 * Throws ConfigError (without a place) for a relative one when there is nothing to be relative to.
 */
export function pathOf(uri: Uri, relativeTo: string | undefined): string {
  const path = strip(percentDecode(uri.path.replaceAll('\\', '/').replace(/^\/\/\//, '/')))
  if (isAbsolute(path)) return resolve(path)
  if (relativeTo === undefined || relativeTo === '') {
    throw new ConfigError('file', `${uri.text} is relative, and there is no directory that it is relative to`)
  }
  return resolve(relativeTo, path)
}

/** As Python's `unquote`: what is no escape stays, and bytes that are no UTF-8 become U+FFFD. */
function percentDecode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
}
