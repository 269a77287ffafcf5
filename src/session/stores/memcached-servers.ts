// Which of several memcached servers has a key. Programs that share sessions must agree on it, and Python's clients each
// have a way of their own; with one server it makes no difference. No way looks elsewhere when a server is away: a
// session that was ended there would live on here.

import { crc32 } from 'node:zlib'
import type { MemcachedAddress } from './memcached-client.js'

/**
 * `consistent`: sessd's own; a server more or less moves only its share of the keys. `memcache`: python-memcached's.
 * `pylibmc`: that of pylibmc (libmemcached) as it is when nothing is set.
 */
export type Distribution = 'consistent' | 'memcache' | 'pylibmc'

/** Answers the index of the server for a key. */
export function chooseServer(way: Distribution, names: readonly string[]): (key: string) => number {
  const count = names.length
  if (count === 1) return () => 0
  if (way === 'memcache') return (key) => ((crc32(key) >>> 16) & 0x7fff || 1) % count
  if (way === 'pylibmc') return (key) => oneAtATime(key) % count
  const seeds = names.map(oneAtATime)
  return (key) => {
    const hash = oneAtATime(key)
    let best = 0
    let highest = -1
    for (let index = 0; index < count; index++) {
      const weight = mix(hash ^ seeds[index]!)
      if (weight <= highest) continue
      highest = weight
      best = index
    }
    return best
  }
}

/** Jenkins' one-at-a-time hash, libmemcached's default. */
function oneAtATime(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) {
    hash = (hash + text.charCodeAt(index)) | 0
    hash = (hash + (hash << 10)) | 0
    hash ^= hash >>> 6
  }
  hash = (hash + (hash << 3)) | 0
  hash ^= hash >>> 11
  return (hash + (hash << 15)) >>> 0
}

/** The end of MurmurHash3: every bit of the input changes every bit of the result. */
function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

const DEFAULT_PORT = 11211

/**
 * Reads `host:port` (the port may be missing), `[::1]:port` or `unix:/path`, several divided by `;`. Python's `inet:` and
 * `inet6:` in front are understood. undefined: something else.
 */
export function parseServers(text: string): MemcachedAddress[] | undefined {
  const addresses = text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseServer)
  return addresses.length > 0 && addresses.every((address) => address !== undefined) ? addresses : undefined
}

function parseServer(text: string): MemcachedAddress | undefined {
  if (/^unix:./.test(text)) return { name: text, where: { path: text.slice(5) } }
  const match = /^(?:inet6?:)?(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? DEFAULT_PORT)
  if (host === undefined || port < 1 || port > 65535) return undefined
  return { name: text, where: { host, port } }
}
