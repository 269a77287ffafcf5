// Where Redis is, as it is written in a setting: one server, a cluster, or sentinels that know the server. Python's urls
// mean the same here. Nothing of an url gets into an error, as there may be a password in it.

import { OptionError } from '../../config/errors.js'

export interface RedisNode {
  readonly host: string
  readonly port: number
}

export interface RedisTarget {
  /** `single`: one server, in `nodes` or at `path`. `cluster`: some of its nodes. `sentinel`: the sentinels. */
  readonly kind: 'single' | 'cluster' | 'sentinel'
  readonly nodes: readonly RedisNode[]
  /** The socket in the file system, in place of a node. */
  readonly path?: string
  /** What sentinels call the server. */
  readonly name?: string
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

const EXPECTED =
  'expected redis://user:password@host:port/0 (rediss:// with TLS), several divided by commas for a cluster, ' +
  'redis+sentinel://host:port,host:port/name/0, or unix:///path/of/socket'

const URL = /^(rediss?|rediss?\+sentinel|unix):\/\/(?:([^@/]*)@)?([^/?@]*)(\/[^?]*)?(?:\?db=(\d+))?$/

/** `cluster`: whether also a single url means a cluster. Throws OptionError. */
export function parseRedisUrl(text: string, { cluster = false } = {}): RedisTarget {
  const trimmed = text.trim()
  if (trimmed.startsWith('unix:')) return cluster ? fail() : parseSocket(trimmed)
  if (/^rediss?\+sentinel:/.test(trimmed)) return cluster ? fail() : parseSentinel(trimmed)
  const [first, ...others] = trimmed.split(',').map((part) => part.trim())
  const target = parseNode(first!)
  if (others.length === 0 && !cluster) return target
  const scheme = target.tls ? 'rediss://' : 'redis://'
  const more = others.map((part) => parseNode(part.includes('://') ? part : scheme + part))
  const all = [target, ...more]
  if (all.some((node) => node.database !== 0)) throw new OptionError('url', 'a cluster has no database but 0')
  return { ...target, kind: 'cluster', nodes: all.flatMap(({ nodes }) => nodes) }
}

function parseNode(text: string): RedisTarget {
  const { scheme, userinfo, hosts, path, database } = split(text)
  const match = /^\/?(\d*)\/?$/.exec(path)
  if (match === null) fail()
  return {
    kind: 'single',
    nodes: [parseHost(hosts, 6379)],
    tls: scheme.startsWith('rediss'),
    ...userinfo,
    database: database ?? Number(match[1]),
  }
}

function parseSentinel(text: string): RedisTarget {
  const { scheme, userinfo, hosts, path, database } = split(text)
  const match = /^\/([^/]+)(?:\/(\d*))?$/.exec(path)
  if (match === null) fail()
  return {
    kind: 'sentinel',
    nodes: hosts.split(',').map((host) => parseHost(host, 26_379)),
    name: decode(match[1]!),
    tls: scheme.startsWith('rediss'),
    ...userinfo,
    database: database ?? Number(match[2] ?? 0),
  }
}

function parseSocket(text: string): RedisTarget {
  const { userinfo, hosts, path, database = 0 } = split(text)
  if (hosts !== '' || path.length < 2) fail()
  return { kind: 'single', nodes: [], path: decode(path), tls: false, ...userinfo, database }
}

function split(text: string) {
  const match = URL.exec(text)
  if (match === null) fail()
  const [, scheme = '', userinfo, hosts = '', path = '', database] = match
  return {
    scheme,
    userinfo: parseUserinfo(userinfo),
    hosts,
    path,
    database: database === undefined ? undefined : Number(database),
  }
}

function parseUserinfo(text: string | undefined): {
  username: string | undefined
  password: string | undefined
} {
  if (text === undefined) return { username: undefined, password: undefined }
  const colon = text.indexOf(':')
  const username = colon === -1 ? text : text.slice(0, colon)
  const password = colon === -1 ? '' : text.slice(colon + 1)
  return {
    username: username === '' ? undefined : decode(username),
    password: password === '' ? undefined : decode(password),
  }
}

function parseHost(text: string, defaultPort: number): RedisNode {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text.trim())
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? defaultPort)
  if (host === undefined || port < 1 || port > 65_535) fail()
  return { host, port }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    fail()
  }
}

function fail(): never {
  throw new OptionError('url', EXPECTED)
}
