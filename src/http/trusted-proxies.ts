// What proxies in front say of a request: X-Forwarded-For, -Proto and -Host. Each proxy appends to what it was sent, so
// the last entry is the nearest proxy's own word, and an entry counts only if all that came after it are trusted.

import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'
import { environ, peerAddress } from './environ.js'

/** Whether an address is a trusted proxy's; '' is the other end of a unix socket. */
export type TrustedProxies = (address: string) => boolean

const WORD = /^([0-9a-fA-F:.]+)(?:\/(\d{1,3}))?$/

/** Addresses and networks with spaces or commas between: `10.0.0.0/8 ::1 loopback unix`, or `*` for everybody. */
export const trustedProxies = {
  expected: 'addresses of proxies as in 10.0.0.0/8, 127.0.0.1, fd00::/8, loopback, unix or *',
  parse(text: string): TrustedProxies | undefined {
    const words = text.split(/[\s,]+/).filter((word) => word !== '')
    if (words.length === 0) return undefined
    const list = new BlockList()
    for (const word of words.flatMap((word) => (word === 'loopback' ? ['127.0.0.0/8', '::1'] : [word]))) {
      if (word === '*' || word === 'unix') continue
      if (!add(list, word)) return undefined
    }
    if (words.includes('*')) return () => true
    const unix = words.includes('unix')
    return (address) => {
      if (address === '') return unix
      return isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
    }
  },
  accepts: (value: unknown): value is TrustedProxies => typeof value === 'function',
}

function add(list: BlockList, word: string): boolean {
  const [, address = '', digits] = WORD.exec(word) ?? []
  const version = isIP(address)
  if (version === 0) return false
  const bits = version === 6 ? 128 : 32
  const prefix = digits === undefined ? bits : Number(digits)
  if (prefix > bits) return false
  list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
  return true
}

/**
 * Puts into the environ what trusted proxies say of the client: REMOTE_ADDR is the last address in X-Forwarded-For that
 * is no trusted proxy's, and scheme and host are those that the proxy which saw it told. A request of anybody else
 * stays as it is.
 */
export function readForwarded(req: IncomingMessage, isTrusted: TrustedProxies): void {
  if (!isTrusted(peerAddress(req))) return
  const env = environ(req)
  const hops = entries(req, 'x-forwarded-for').map(bareAddress)
  let at = hops.length - 1
  while (at > 0 && isTrusted(hops[at]!)) at--
  const client = hops[at]
  if (client !== undefined && isIP(client) !== 0) env.REMOTE_ADDR = client
  // How many entries from the end: each trusted proxy has added one.
  const back = Math.max(1, hops.length - at)
  const scheme = fromEnd(entries(req, 'x-forwarded-proto'), back)?.toLowerCase()
  if (scheme === 'http' || scheme === 'https') env['wsgi.url_scheme'] = scheme
  const host = fromEnd(entries(req, 'x-forwarded-host'), back)
  if (host !== undefined && /^[\w.:[\]-]+$/.test(host)) env.HTTP_HOST = host
}

function entries(req: IncomingMessage, name: string): string[] {
  const value = req.headers[name]
  const text = Array.isArray(value) ? value.join(',') : (value ?? '')
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
}

/** A proxy that sets rather than appends leaves one entry: it is the nearest one's, and all that there is. */
function fromEnd(list: readonly string[], back: number): string | undefined {
  return list[Math.max(0, list.length - back)]
}

/** `[v6]:port`, `v4:port` and v4 inside v6 as the bare address. */
function bareAddress(entry: string): string {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(entry)?.[1] ?? /^([\d.]+):\d+$/.exec(entry)?.[1] ?? entry
  return /^::ffff:([\d.]+)$/i.exec(bare)?.[1] ?? bare
}
