// Where something is mounted, as the key of a mount says it: `/path`, `domain foo.com port 8080 /path`, or in code
// `http://foo.com:8080/path`. An INI line is cut at its first colon, so the last form can't be written there.

import { domainToASCII } from 'node:url'
import { OptionError } from '../../config/errors.js'
import { decodePath, encodePath, normalizeUrl } from '../../http/path.js'

/** A place among hosts and paths. Two keys that mean the same place give equal places. */
export interface Place {
  /** Lower case, IPv6 in brackets; '' for every host. */
  readonly host: string
  /** '' for every port. */
  readonly port: string
  /** Decoded, without empty segments; '' for the root. */
  readonly path: string
}

/** Reads the key of a mount. Throws OptionError. */
export function parsePlace(key: string): Place {
  const [, authority, rest] = /^https?:\/\/([^/]*)(.*)$/i.exec(key) ?? []
  if (authority !== undefined) return { ...parseHost(key, authority), path: parsePath(key, rest!) }
  const { domain, port, path = '' } = parseExpression(key)
  if (domain === undefined) return { host: '', port: '', path: parsePath(key, path) }
  const host = parseHost(key, port === undefined ? domain : `${domain}:${port}`)
  return { ...host, path: parsePath(key, `/${path}`) }
}

type Word = 'domain' | 'port' | 'path'

const EXPECTED: Readonly<Record<Word, string>> = { domain: 'a domain', port: 'a port', path: 'a path' }

/** Paste's parse_path_expression: `domain D`, `port P` and one path, in any order, divided by spaces. */
function parseExpression(key: string): { readonly [W in Word]?: string } {
  const found: { [W in Word]?: string } = {}
  const words = key.split(/\s+/).filter((word) => word !== '')
  while (words.length > 0) {
    const first = words.shift()!
    const name = first === 'domain' || first === 'port' ? first : 'path'
    const value = name === 'path' ? first : words.shift()
    if (value === undefined)
      throw new OptionError(key, `expected ${EXPECTED[name]} after "${name}", got nothing`)
    if (found[name] !== undefined) {
      throw new OptionError(key, `expected one ${name}, got "${found[name]}" and "${value}"`)
    }
    found[name] = value
  }
  if (found.port !== undefined && found.domain === undefined) {
    throw new OptionError(key, 'expected a domain with the port, as in "domain foo.com port 8080 /path"')
  }
  return found
}

function parsePath(key: string, text: string): string {
  if (text !== '' && !text.startsWith('/')) {
    throw new OptionError(key, 'expected the path of a mount, which starts with /, or not_found_app')
  }
  const segments = text.split('/').filter((segment) => segment !== '')
  if (segments.includes('.') || segments.includes('..')) {
    throw new OptionError(
      key,
      'expected a path without . and .. segments: they are resolved before mounts are looked up',
    )
  }
  const path = segments.map((segment) => `/${segment}`).join('')
  const url = encodePath(path)
  if (path !== '' && (normalizeUrl(url) !== url || decodePath(url) !== path)) {
    throw new OptionError(key, `expected a path as plain text, not escaped: ${decodePath(url)}`)
  }
  return path
}

function parseHost(key: string, text: string): Omit<Place, 'path'> {
  const [, name = '', port] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text) ?? []
  const host = normalizeHost(name)
  if (host === '') {
    throw new OptionError(key, `expected a host name, an IPv4 address or an [IPv6] address, got "${text}"`)
  }
  if (port !== undefined && (!/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535)) {
    throw new OptionError(key, `expected a port from 1 to 65535, got "${port}"`)
  }
  return { host, port: port ?? '' }
}

/** A host as it is compared: lower case, international names in ASCII, IPv6 in its short form. '' if it is none. */
export function normalizeHost(name: string): string {
  if (name.startsWith('[')) return /^\[[0-9a-f:.]+\]$/i.test(name) ? domainToASCII(name) : ''
  return /^[\x21-\x7e]*$/.test(name) ? name.toLowerCase() : domainToASCII(name)
}
