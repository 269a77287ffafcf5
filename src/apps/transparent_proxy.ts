// Passes requests on to the host that they name, path and all: egg:Paste#transparent_proxy. Only to hosts that the file
// lists: without that, whoever can reach this server could reach everything that this server can.

import { duration, oneOf, text, words } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answer } from '../http/answer.js'
import { environ, settle } from '../http/environ.js'
import type { App, Conf } from '../protocol.js'
import { proxy, options as proxyOptions } from './proxy.js'

export const options = {
  force_host: option({
    type: text,
    default: undefined,
    doc: 'Where all requests go, as host or host:port; their Host header stays as it is.',
  }),
  allowed_hosts: option({
    type: words,
    default: [],
    doc: 'Without force_host: the hosts that requests may name, with the port where it is not the usual one.',
  }),
  force_scheme: option({
    type: oneOf('http', 'https'),
    default: 'http',
    doc: 'How the host is spoken to.',
  }),
  timeout: option({ ...proxyOptions.timeout, type: duration(), default: 10 }),
  proxy_timeout: option({ ...proxyOptions.proxy_timeout, type: duration(), default: 120 }),
} as const

/** egg:Paste#transparent_proxy. */
export function factory(_globalConf: Conf, localConf: Conf): App {
  return makeProxy(readOptions(options, localConf))
}

/** The same for use in code: `transparentProxy({ allowed_hosts: ['old.example.org'] })`. Throws OptionError. */
export function transparentProxy(given: Partial<Values<typeof options>>): App {
  return makeProxy(checkOptions(options, given))
}

function makeProxy(given: Values<typeof options>): App {
  const { force_host, allowed_hosts, force_scheme, timeout, proxy_timeout } = given
  if (force_host === undefined && allowed_hosts.length === 0) {
    throw new OptionError('allowed_hosts', 'missing: the hosts that requests may name, or give force_host')
  }
  const to = (host: string): App => {
    if (!/^[a-z0-9._-]+(?::\d+)?$|^\[[0-9a-f:.]+\](?::\d+)?$/i.test(host)) {
      const key = force_host === undefined ? 'allowed_hosts' : 'force_host'
      throw new OptionError(key, `expected a host, or host:port, got "${host}"`)
    }
    return proxy({ address: `${force_scheme}://${host}`, preserve_host: true, timeout, proxy_timeout })
  }
  const forced = force_host === undefined ? undefined : to(force_host)
  const byHost = new Map(forced ? [] : allowed_hosts.map((host) => [host.toLowerCase(), to(host)] as const))
  const app: App = (req, res) => {
    if (!settle(req)) return answer(res, 400)
    const target = forced ?? byHost.get(environ(req).HTTP_HOST.toLowerCase())
    if (target === undefined) return answer(res, 403)
    const mounted = req as { originalUrl?: string; baseUrl?: string }
    if (mounted.originalUrl !== undefined) Object.assign(req, { url: mounted.originalUrl, baseUrl: '' })
    return target(req, res)
  }
  app.close = async () => {
    for (const each of forced ? [forced] : byHost.values()) await each.close?.()
  }
  return app
}
