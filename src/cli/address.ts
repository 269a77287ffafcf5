// `-p` and `-H` in the words of a server's section, where `listen` says host and port, and `host` may say both.

import { makeConf } from '../config/conf.js'
import type { NodeSetting } from '../loader.js'
import type { Conf } from '../protocol.js'

export interface Address {
  readonly host?: string | undefined
  readonly port?: string | undefined
}

/** What to lay over the section's settings so that it listens on `given`, and for the rest where it did. */
export function addressOverrides(settings: readonly NodeSetting[], given: Address): Conf {
  const own = new Map(settings.filter(({ scope }) => scope === 'local').map(({ key, value }) => [key, value]))
  const words = own.get('listen')?.trim().split(/\s+/) ?? []
  // Of several addresses the first one that is none of a unix socket.
  const listen = own.has('listen')
    ? (words.find((word) => !word.startsWith('unix:')) ?? '127.0.0.1')
    : undefined
  const written = split(listen ?? own.get('host') ?? '')
  const host = given.host ?? written.host
  const port = given.port ?? written.port
  if (listen !== undefined)
    return makeConf([['listen', port === undefined ? host : `${bracketed(host)}:${port}`]])
  const isHostNew = given.host !== undefined || written.port !== undefined
  return makeConf([...pair('host', isHostNew ? host : undefined), ...pair('port', port)])
}

/** A bare IPv6 address has colons, and none of them means a port. */
function split(text: string): { host: string; port: string | undefined } {
  const [, host = text, port] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(text.trim()) ?? []
  return { host, port }
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function pair(key: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[key, value]]
}
