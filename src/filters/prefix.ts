// Tells the apps where they are to be found from outside: egg:PasteDeploy#prefix. Belongs outside of everything that reads
// path, address, host or scheme. What proxies say is believed only of those that are listed, and then taken out.

import type { IncomingMessage } from 'node:http'
import { boolean, type Converter, integer, oneOf, text, words } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answer, refuseUpgrade } from '../http/answer.js'
import { environ, mount, settle } from '../http/environ.js'
import { believeProxies, FORWARDED, makeTrust, trustedHeaders } from '../http/forwarded.js'
import { encodePath, isNormal, normalizeUrl } from '../http/path.js'
import { type TrustedProxies, trustedProxies } from '../http/trusted-proxies.js'
import type { App, Conf, Environ, Filter } from '../protocol.js'

const port: Converter<string> = {
  expected: 'a port, or nothing for the usual one',
  parse: (value) => (/^\d{0,5}$/.test(value.trim()) && Number(value) < 65_536 ? value.trim() : undefined),
  accepts: (value): value is string => typeof value === 'string' && port.parse(value) !== undefined,
}

export const options = {
  prefix: option({
    type: text,
    default: '/',
    doc: 'The path under which visitors find this; it is taken off where a request has it.',
  }),
  translate_forwarded_server: option({
    type: boolean,
    default: true,
    doc: 'Takes over what trusted proxies say in X-Forwarded-* or Forwarded, and removes these headers.',
  }),
  trusted_proxies: option({
    type: words,
    default: [],
    doc: 'Whose word counts: addresses, networks as 10.0.0.0/8, loopback, unix, or * for all. Default: nobody.',
  }),
  trusted_hops: option({
    type: integer(1, 100),
    default: undefined,
    doc: 'How many proxies stand in front, at most. Without trusted_proxies: whatever their addresses are.',
  }),
  trusted_headers: option({
    type: trustedHeaders,
    default: 'x-forwarded',
    doc: 'What the proxies write, all of them: x-forwarded, forwarded, or headers by name. No other is read.',
  }),
  force_port: option({
    type: port,
    default: undefined,
    doc: 'The port that visitors use, whatever the Host says; blank: the usual one.',
  }),
  scheme: option({
    type: oneOf('http', 'https'),
    default: undefined,
    doc: 'How visitors come here, whatever proxies say.',
  }),
} as const

/** egg:PasteDeploy#prefix. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  return makeFilter(readOptions(options, localConf))
}

/** The same for use in code: `prefix({ prefix: '/shop', trusted_proxies: ['10.0.0.0/8'] })(app)`. Throws OptionError. */
export function prefix(given: Partial<Values<typeof options>> = {}): Filter {
  return makeFilter(checkOptions(options, given))
}

function makeFilter(given: Values<typeof options>): Filter {
  const base = parsePrefix(given.prefix)
  const { trusted_proxies, trusted_hops, trusted_headers, force_port, scheme } = given
  const trust = makeTrust(readProxies(trusted_proxies, trusted_hops), trusted_hops, trusted_headers)

  /** False: a request that can't be served. */
  const apply = (req: IncomingMessage): boolean => {
    if (!settle(req)) return false
    const env = environ(req)
    let outside = ''
    if (given.translate_forwarded_server) {
      const said = believeProxies(req, trust)
      if (said?.host !== undefined) setHost(req, env, said.host)
      outside = said?.prefix ?? ''
      for (const name of FORWARDED) delete req.headers[name]
    }
    if (scheme !== undefined) env['wsgi.url_scheme'] = scheme
    if (force_port !== undefined && env.HTTP_HOST !== '') {
      const host = env.HTTP_HOST.replace(/:\d*$/, '')
      setHost(req, env, force_port === '' ? host : `${host}:${force_port}`)
    }
    if (base !== '') {
      if (isBelow(req.url!, base)) mount(req, base.length)
      else env.SCRIPT_NAME = given.prefix.replace(/\/+$/, '') + env.SCRIPT_NAME
    }
    if (outside !== '') env.SCRIPT_NAME = outside + env.SCRIPT_NAME
    return true
  }

  return (next) => {
    const app: App = (req, res) => (apply(req) ? next(req, res) : answer(res, 400))
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) =>
        apply(req) ? next.upgrade!(req, socket, head) : refuseUpgrade(socket, 400)
    }
    return app
  }
}

/** In normal form, without a slash at its end; '' for the root. */
function parsePrefix(prefix: string): string {
  const path = prefix.startsWith('/') && !/[?#]/.test(prefix) ? normalizeUrl(encodePath(prefix)) : undefined
  if (path === undefined || !isNormal(path)) {
    throw new OptionError('prefix', `expected a path that starts with /, got "${prefix}"`)
  }
  return path.replace(/\/$/, '')
}

function isBelow(url: string, base: string): boolean {
  if (!url.startsWith(base)) return false
  const next = url[base.length]
  return next === undefined || next === '/' || next === '?'
}

function setHost(req: IncomingMessage, env: Environ, host: string): void {
  env.HTTP_HOST = host
  req.headers.host = host // what frameworks read
}

/** Whether an address is that of a trusted proxy. With `hops` alone, whatever it is. */
function readProxies(proxies: readonly string[], hops: number | undefined): TrustedProxies {
  if (proxies.length === 0) return () => hops !== undefined
  const trusts = trustedProxies.parse(proxies.join(' '))
  if (trusts !== undefined) return trusts
  throw new OptionError('trusted_proxies', `expected ${trustedProxies.expected}, got "${proxies.join(' ')}"`)
}
