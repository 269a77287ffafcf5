// Where a server listens: TCP addresses, unix sockets, and sockets that systemd opened before we started.

import { isIPv6 } from 'node:net'
import { type Converter, integer } from '../../config/converters.js'

export interface TcpAddress {
  /** A name or address without brackets; '' for all interfaces. */
  readonly host: string
  readonly port: number | undefined
}

export type Address = TcpAddress | { readonly path: string } | { readonly fd: number }

export const LOOPBACK: TcpAddress = { host: '127.0.0.1', port: undefined }

export const port = integer(0, 65_535)

/** `host`, `host:port`, `[v6]`, `[v6]:port`; `*` is all interfaces. Blank is the default, as in Paste. */
export const tcpAddress: Converter<TcpAddress> = {
  expected: 'a host as in 127.0.0.1, localhost:8080, [::1]:8080 or *:8080',
  parse(text) {
    const written = text.trim()
    if (written === '') return LOOPBACK
    const bare = isBareIPv6(written)
      ? [written, written]
      : /^(?:\[([^\]]*)\]|([^\s:/[\]]*))(?::(\d+))?$/.exec(written)
    if (bare === null) return undefined
    const [, v6, name, digits] = bare
    if (v6 !== undefined && !isIPv6(v6)) return undefined
    const given = digits === undefined ? undefined : port.parse(digits)
    if (digits !== undefined && given === undefined) return undefined
    const host = v6 ?? name ?? ''
    return { host: host === '*' ? '' : host, port: given }
  },
  accepts: (value): value is TcpAddress => typeof value === 'object' && value !== null && 'host' in value,
}

/** Without its two colons it is none: to compile Node's expression for them takes longer than to read a small file. */
export function isBareIPv6(text: string): boolean {
  return /:.*:/.test(text) && isIPv6(text)
}

/** Some of them with spaces between: `*:80 [::1]:80 unix:/run/app.sock`. */
export const addresses: Converter<readonly Address[]> = {
  expected: 'addresses as in localhost:8080, *:80 [::1]:80 or unix:/run/app.sock',
  parse(text) {
    const found = text
      .trim()
      .split(/\s+/)
      .map((word) => (/^unix:./.test(word) ? { path: word.slice(5) } : tcpAddress.parse(word)))
    return found.every((one) => one !== undefined) ? found : undefined
  },
  accepts: (value): value is readonly Address[] => Array.isArray(value) && value.length > 0,
}

/**
 * The ports that port = 0 got when `sessd serve` started its first worker, by the place of the address: a worker that starts
 * when no other holds them asks for them again.
 */
export function keptPorts(env: NodeJS.ProcessEnv): (number | undefined)[] {
  return (env.SESSD_KEPT_PORTS ?? '').split(',').map((digits) => (digits === '' ? undefined : Number(digits)))
}

/** systemd hands over sockets from this descriptor on (sd_listen_fds(3)). */
const FIRST_FD = 3

/**
 * The sockets that systemd opened for this process; none when it opened none, or for another process. A worker listens
 * through its parent, so the parent's are its own.
 */
export function activatedSockets(env: NodeJS.ProcessEnv, pids: readonly number[]): Address[] {
  const count = /^\d{1,3}$/.test(env.LISTEN_FDS ?? '') ? Number(env.LISTEN_FDS) : 0
  if (!pids.includes(Number(env.LISTEN_PID))) return []
  return Array.from({ length: count }, (_, index) => ({ fd: FIRST_FD + index }))
}
