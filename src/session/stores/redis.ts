// Rows in Redis or Valkey, shared by every host that reaches it: one server, a cluster, or one behind sentinels. Redis
// removes what has expired by its own clock; it is told spans, so its time need not be ours.

import * as type from '../../config/converters.js'
import { OptionError } from '../../config/errors.js'
import { type OptionTable, option } from '../../config/options.js'
import { type Clock, systemClock } from '../clock.js'
import type { Revision, SaveResult, SessionStore, StoredSession } from '../store.js'
import { accessBy, accessTo, type RedisAccess } from './redis-access.js'
import { RedisRows, type RowTask } from './redis-rows.js'
import { digestOf } from './redis-scripts.js'
import { parseRedisUrl, type RedisTarget } from './redis-url.js'
import { type KeyNames, rowKeys } from './row-keys.js'

export { importRedis } from './redis-open.js'

export const options = {
  url: option({
    type: type.text,
    default: undefined,
    required: true,
    secret: true,
    doc: 'Where Redis is: redis://user:password@host:port/0, rediss:// with TLS, several with commas for a cluster.',
  }),
  redis_prefix: option({
    type: type.text,
    default: undefined,
    doc: "What keys begin with. Without it: sessd: before the id, or, in Beaker's formats, beaker_cache:.",
  }),
  redis_ca: option({
    type: type.text,
    default: undefined,
    doc: "File of the certificates (PEM) that the server's must come from. Without it: those that Node knows.",
  }),
} as const satisfies OptionTable

/** Beaker's names: `beaker_cache:`, the id and `:session`. */
export const beakerKeys: KeyNames = { prefix: 'beaker_cache:', suffix: ':session' }

export interface RedisStoreOptions {
  /**
   * `redis://user:password@host:port/0`; `rediss://` with TLS; several, divided by commas, for a cluster;
   * `redis+sentinel://host:port,host:port/name/0`; `unix:///path`. Needs @redis/client.
   */
  readonly url?: string | undefined
  /** In place of `url`: a client of redis, @redis/client, ioredis or iovalkey. The app connects and closes it. */
  readonly client?: unknown
  /** Whether a single url means a cluster. Default: no. */
  readonly cluster?: boolean | undefined
  /** With TLS: a file of certificates (PEM) that the server's must come from. */
  readonly ca?: string | undefined
  /** Default: `sessd:` before the id. */
  readonly keys?: KeyNames | undefined
  /** How long an operation may take, in milliseconds. Default: 2000. */
  readonly timeout?: number | undefined
  readonly clock?: Clock | undefined
}

/** A row that was set aside is kept for a week. */
const ASIDE = 7 * 86_400_000

/**
 * Makes a store. Nothing is connected before it is used; what can't be reached rejects, and is tried again later.
 * Throws OptionError for an url that is none.
 */
export function redisStore(given: RedisStoreOptions): SessionStore {
  const { clock = systemClock, keys = { prefix: 'sessd:' } } = given
  const { keyOf, idOf } = rowKeys(keys)
  const access = accessFor(given)
  const rows = new RedisRows(access, clock, keys.prefix)

  function rowOf(payload: unknown, left: unknown): StoredSession | null {
    // -1: never; -2: it was there a moment ago.
    if (!(payload instanceof Buffer) || typeof left !== 'number' || left === -2) return null
    return { payload, revision: payload, expiresAt: left < 0 ? null : clock() + left }
  }

  async function* listIds(): AsyncGenerator<string> {
    const nodes = await access.run((link) => link.nodes().then((all) => ({ all, prefix: link.keyPrefix })))
    const pattern = `${escapeGlob(nodes.prefix + keys.prefix)}*${escapeGlob(keys.suffix ?? '')}`
    for (const send of nodes.all) {
      let cursor = '0'
      do {
        const page = await access.run(() => send(['SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000']))
        const [next, found] = page as [unknown, readonly unknown[]]
        cursor = String(next)
        for (const key of found) {
          const id = idOf(String(key).slice(nodes.prefix.length))
          if (id !== undefined) yield id
        }
      } while (cursor !== '0')
    }
  }

  return {
    scope: 'network',

    load: (id) => rows.ask({ key: keyOf(id), kind: 'L', bytes: NONE, read: rowOf }),

    save(id, payload, { expiresAt, expected }) {
      const row = bufferOf(payload)
      return rows.ask<SaveResult>({
        key: keyOf(id),
        ...replacing(row, expected),
        expiresAt,
        read: (value, left) =>
          value === 1 ? { saved: true, revision: row } : { saved: false, current: rowOf(value, left) },
      })
    },

    delete: (id) => rows.ask({ key: keyOf(id), kind: 'D', bytes: NONE, read: isDone }),

    touch: (id, expiresAt) => rows.ask({ key: keyOf(id), kind: 'T', expiresAt, bytes: NONE, read: isDone }),

    ids: () => listIds(),

    setAside: (id) =>
      rows.ask({ key: keyOf(id), kind: 'A', expiresAt: clock() + ASIDE, bytes: NONE, read: () => undefined }),

    shardOf: (id) => access.shardOf(keyOf(id)),

    async ping() {
      await access.run(async (link) => {
        const nodes = await link.nodes()
        await Promise.all(nodes.map((send) => send(['PING'])))
      })
    },

    close() {
      rows.flush()
      return access.close()
    },
  }
}

const NONE: readonly Buffer[] = []

const isDone = (value: unknown): boolean => value === 1

/** A row up to this length is compared with all of its bytes; of a longer one only the digest goes along. */
const WHOLE = 2048

/** A save in the terms of the script. */
function replacing(row: Buffer, expected: Revision | null): Pick<RowTask<SaveResult>, 'kind' | 'bytes'> {
  if (expected === null) return { kind: 'I', bytes: [row] }
  if (!(expected instanceof Uint8Array)) return { kind: 'H', bytes: [row, NO_DIGEST] }
  if (expected.length <= WHOLE) return { kind: 'S', bytes: [row, bufferOf(expected)] }
  return { kind: 'H', bytes: [row, Buffer.from(digestOf(expected), 'latin1')] }
}

/** What no row has: revisions of other stores. */
const NO_DIGEST = Buffer.from('none')

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

function accessFor({ url, client, cluster = false, ca, timeout = 2000 }: RedisStoreOptions): RedisAccess {
  if (client !== undefined) return accessBy(client, { timeout, name: 'redis' })
  if (url === undefined) throw new OptionError('url', 'missing: where Redis is')
  const target = parseRedisUrl(url, { cluster })
  return accessTo({ target, ca, timeout }, { timeout, name: nameOf(target) })
}

/** What errors call it; no part of it is secret. */
function nameOf({ kind, nodes, path, name }: RedisTarget): string {
  if (path !== undefined) return `redis at ${path}`
  const list = nodes.map(({ host, port }) => `${host}:${port}`).join(', ')
  if (kind === 'single') return `redis at ${list}`
  return kind === 'cluster' ? `redis cluster of ${list}` : `redis ${name} of sentinels ${list}`
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&')
}
