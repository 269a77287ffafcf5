// Rows in memcached, shared by every host that reaches the servers. A cache, not a database: rows go when the memory is
// full or a server is started anew, and nothing can list them. Expiry counts in whole seconds; a row lives up to two
// seconds longer than it was told, and never shorter.

import * as type from '../../config/converters.js'
import { OptionError } from '../../config/errors.js'
import { type OptionTable, option } from '../../config/options.js'
import { type Clock, systemClock } from '../clock.js'
import type { SaveResult, SessionStore, StoredSession } from '../store.js'
import { MemcachedClient } from './memcached-client.js'
import { flagOf, type Reply } from './memcached-replies.js'
import { chooseServer, type Distribution, parseServers } from './memcached-servers.js'
import { type KeyNames, rowKeys } from './row-keys.js'

const servers: type.Converter<string> = {
  expected: 'servers as in 127.0.0.1:11211;10.0.0.2:11211',
  parse: (text) => (parseServers(text) === undefined ? undefined : text),
  accepts: (value): value is string => typeof value === 'string' && parseServers(value) !== undefined,
}

export const options = {
  url: option({
    type: servers,
    default: undefined,
    required: true,
    doc: 'The memcached servers, divided by semicolons, as in 127.0.0.1:11211;10.0.0.2:11211.',
  }),
  memcache_module: option({
    type: type.oneOf('auto', 'memcache', 'pylibmc'),
    default: 'auto',
    doc: 'Whose way to choose among several servers: that of a Python client which shares them, or (auto) our own.',
  }),
  memcached_prefix: option({
    type: type.text,
    default: undefined,
    doc: "What keys begin with. Without it: sessd: before the id, or, in Beaker's formats, _session behind it.",
  }),
  memcached_max_size: option({
    type: type.bytes(1024),
    default: undefined,
    doc: 'Largest session. Without it: 1,000,000 bytes. The servers have to take it: see memcached -I.',
  }),
} as const satisfies OptionTable

/** Beaker's names: the id and `_session`. */
export const beakerKeys: KeyNames = { prefix: '', suffix: '_session' }

export interface MemcachedStoreOptions {
  /** As in `127.0.0.1:11211;10.0.0.2:11211`, in the same order wherever they are shared. */
  readonly servers: string
  /** Default: `sessd:` before the id. */
  readonly keys?: KeyNames | undefined
  /** How to choose among several servers. Default: `consistent`. */
  readonly distribution?: Distribution | undefined
  /** memcached's client flags of a row: what kind of value it is, to Python. Default: 0. */
  readonly flagsFor?: ((payload: Uint8Array) => number) | undefined
  /** Largest row, in bytes. Default: 1,000,000. A server loses the old row when it refuses a new one as too large. */
  readonly maxSize?: number | undefined
  /** How long an operation may take, in milliseconds. Default: 2000. */
  readonly timeout?: number | undefined
  readonly clock?: Clock | undefined
}

/** Keys of memcached have at most 250 bytes; an id has up to 128. */
const MAX_AFFIXES = 250 - 128

/** Makes a store. Nothing is connected before it is used; what can't be reached rejects, and is tried again later. */
export function memcachedStore(given: MemcachedStoreOptions): SessionStore {
  const { clock = systemClock, flagsFor = () => 0, maxSize = 1_000_000, timeout = 2000 } = given
  const addresses = parseServers(given.servers)
  if (addresses === undefined) throw new OptionError('url', `expected ${servers.expected}`)
  const { keyOf } = rowKeys(checkNames(given.keys ?? { prefix: 'sessd:' }))
  const clients = addresses.map((address) => new MemcachedClient(address, timeout))
  const indexFor = chooseServer(
    given.distribution ?? 'consistent',
    addresses.map(({ name }) => name),
  )

  function send(key: string, command: string, payload?: Uint8Array): Promise<Reply> {
    return clients[indexFor(key)]!.send(command, payload)
  }

  async function loadKey(key: string): Promise<StoredSession | null> {
    const reply = await send(key, `mg ${key} v c t`)
    const revision = flagOf(reply, 'c')
    if (reply.value === undefined || revision === undefined) return null
    const left = Number(flagOf(reply, 't'))
    return { payload: reply.value, revision, expiresAt: left < 0 ? null : clock() + left * 1000 }
  }

  async function saveKey(key: string, payload: Uint8Array, condition: string, expiresAt: number | null) {
    if (payload.length > maxSize) {
      throw new RangeError(
        `a session of ${payload.length} bytes: at most ${maxSize} can be stored in memcached`,
      )
    }
    const seconds = secondsUntil(expiresAt, clock())
    return send(key, `ms ${key} ${payload.length} c F${flagsFor(payload)} T${seconds} ${condition}`, payload)
  }

  return {
    scope: 'network',

    async load(id) {
      return loadKey(keyOf(id))
    },

    async save(id, payload, { expiresAt, expected }): Promise<SaveResult> {
      const key = keyOf(id)
      const condition = expected === null ? 'ME' : `C${expected}`
      if (!isCondition(condition)) return { saved: false, current: await loadKey(key) }
      const reply = await saveKey(key, payload, condition, expiresAt)
      const revision = flagOf(reply, 'c')
      if (reply.status === 'HD' && revision !== undefined) return { saved: true, revision }
      return { saved: false, current: reply.status === 'NF' ? null : await loadKey(key) }
    },

    async delete(id) {
      const key = keyOf(id)
      return (await send(key, `md ${key}`)).status === 'HD'
    },

    async touch(id, expiresAt) {
      const key = keyOf(id)
      return (await send(key, `mg ${key} T${secondsUntil(expiresAt, clock())}`)).status === 'HD'
    },

    ...(addresses.length > 1 && { shardOf: (id: string) => addresses[indexFor(keyOf(id))]!.name }),

    async ping() {
      await Promise.all(clients.map((client) => client.send('mn')))
    },

    async close() {
      await Promise.all(clients.map((client) => client.close()))
    },
  }
}

/** Insert only, or the number of a version: what others made of a revision can never be a command of its own. */
function isCondition(text: string): boolean {
  return /^(ME|C[1-9]\d{0,19})$/.test(text)
}

/** Longer spans are taken for points in time. */
const LONGEST_SPAN = 30 * 86_400
/** Points in time beyond 2038 don't fit. */
const LATEST = 2 ** 31 - 1

/**
 * memcached's exptime: a span, or a point in epoch seconds. Its clock ticks once a second, so the present second counts
 * as over: one more, lest the row die early.
 */
function secondsUntil(expiresAt: number | null, now: number): number {
  if (expiresAt === null) return 0
  if (expiresAt <= now) return -1
  const span = Math.ceil((expiresAt - now) / 1000) + 1
  if (span <= LONGEST_SPAN) return span
  const point = Math.ceil(expiresAt / 1000) + 1
  return point > LATEST ? 0 : point
}

function checkNames(keys: KeyNames): KeyNames {
  const text = keys.prefix + (keys.suffix ?? '')
  if (!/^[!-~]*$/.test(text) || text.length > MAX_AFFIXES) {
    throw new OptionError(
      'memcached_prefix',
      `expected up to ${MAX_AFFIXES} letters, digits and signs, got ${JSON.stringify(text)}`,
    )
  }
  return keys
}
