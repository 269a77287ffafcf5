// egg:Paste#grantip: vouches for clients by their address. Belongs inside of prefix, which knows the client's address
// behind a proxy, and outside of auth_basic, which lets pass whom somebody has vouched for.

import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { boolean } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { option, readOptions, throwAll } from '../config/options.js'
import { environ } from '../http/environ.js'
import { setIdentity } from '../http/identity.js'
import type { App, Conf, Filter } from '../protocol.js'

/** Lines `network user:role,role`; IPv6 networks, whose colons would cut an INI key, can only stand here. */
const lines = {
  expected: 'lines of a network and a user as in fd00::/8 admin:editor',
  parse: (text: string) => text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()])),
  accepts: (value: unknown): value is string[] =>
    Array.isArray(value) && value.every((line) => typeof line === 'string'),
}

export const options = {
  clobber_username: option({
    type: boolean,
    default: false,
    doc: 'Whether the name found here replaces one that a filter outside has found.',
  }),
  networks: option({
    type: lines,
    default: [],
    doc: 'One network a line, then user:role,role; for IPv6, where a key can not hold the colons.',
  }),
} as const

interface Grant {
  readonly list: BlockList
  /** undefined: the name stays as it is, only roles are added. */
  readonly user: string | undefined
  readonly roles: string | undefined
}

/** egg:Paste#grantip: `192.168.0.0/24 = user:role,role`, also `10.0.0.1-10.0.0.9`; `-` as user leaves the name alone. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  const isNetwork = (key: string) => /^[\d.]+(?:[/-][\d.]+)?$/.test(key)
  const { clobber_username, networks } = readOptions(options, localConf, { ignore: isNetwork })
  const pairs = [...localConf].filter(([key]) => isNetwork(key))
  for (const line of networks) {
    const [, network = line, user = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
    pairs.push([network, user])
  }
  return grantip(pairs, { clobber: clobber_username })
}

/**
 * The same for use in code: `grantip({ '192.168.0.0/24': 'user:role' })(app)`. The first network that holds the address
 * counts. Throws OptionError for what is no network.
 */
export function grantip(
  networks: Readonly<Record<string, string>> | Iterable<readonly [network: string, user: string]>,
  { clobber = false }: { readonly clobber?: boolean } = {},
): Filter {
  const pairs = Symbol.iterator in networks ? networks : Object.entries(networks)
  const errors: OptionError[] = []
  const grants: Grant[] = []
  for (const [network, text] of pairs) {
    const list = parseNetwork(network)
    const colon = text.indexOf(':')
    const user = (colon === -1 ? text : text.slice(0, colon)).trim()
    if (list === undefined)
      errors.push(
        new OptionError(
          network,
          'expected an address, a network (10.0.0.0/8) or a range (10.0.0.1-10.0.0.9)',
        ),
      )
    else if (user === '')
      errors.push(new OptionError(network, 'expected a user, or user:role,role, got nothing'))
    else
      grants.push({
        list,
        user: user === '-' ? undefined : user,
        roles: colon === -1 ? undefined : roles(text, colon),
      })
  }
  throwAll(errors)
  const grant = (req: IncomingMessage) => apply(req, grants, clobber)
  return (next) => {
    const app: App = (req, res) => {
      grant(req)
      return next(req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        grant(req)
        return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}

function roles(text: string, colon: number): string {
  return text
    .slice(colon + 1)
    .split(',')
    .map((role) => role.trim())
    .filter((role) => role !== '')
    .join(',')
}

function apply(req: IncomingMessage, grants: readonly Grant[], clobber: boolean): void {
  const env = environ(req)
  const address = env.REMOTE_ADDR
  if (isIP(address) === 0) return
  const type = isIPv6(address) ? 'ipv6' : 'ipv4'
  const found = grants.find(({ list }) => list.check(address, type))
  if (found === undefined) return
  if (found.user !== undefined && (clobber || env.REMOTE_USER === undefined))
    setIdentity(req, found.user, 'ip')
  if (found.roles !== undefined) {
    const held = env.REMOTE_USER_TOKENS
    env.REMOTE_USER_TOKENS = held ? `${held},${found.roles}` : found.roles
  }
}

function parseNetwork(text: string): BlockList | undefined {
  const [, first = '', sign, second = ''] = /^([^/-]+)(?:([/-])(.+))?$/.exec(text.trim()) ?? []
  const version = isIP(first)
  if (version === 0) return undefined
  const type = version === 6 ? 'ipv6' : 'ipv4'
  const list = new BlockList()
  if (sign === undefined) list.addAddress(first, type)
  else if (sign === '/') {
    if (!/^\d{1,3}$/.test(second) || Number(second) > (version === 6 ? 128 : 32)) return undefined
    list.addSubnet(first, Number(second), type)
  } else {
    if (isIP(second) !== version) return undefined
    try {
      list.addRange(first, second, type)
    } catch {
      return undefined // it ends before it begins
    }
  }
  return list
}
