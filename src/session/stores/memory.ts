// Rows in this process: gone with it, and shared with nobody. Every method answers at once.
// A row in use is the bytes as they were saved; an idle one is packed into a string of one byte per character, which
// the garbage collector can move together: 100,000 small Buffers would take half as much again.

import * as type from '../../config/converters.js'
import { type OptionTable, option } from '../../config/options.js'
import { type Clock, systemClock } from '../clock.js'
import type { SaveOptions, SaveResult, SessionStore, StoredSession } from '../store.js'
import { type Link, SLOT_MS, type Timed, TimerWheel } from './timer-wheel.js'

export const options = {
  max_sessions: option({
    type: type.integer(1),
    default: undefined,
    doc: 'At most so many sessions are kept; the ones saved or touched longest ago go first. Without it: no limit.',
  }),
} as const satisfies OptionTable

export interface MemoryStoreOptions {
  readonly clock?: Clock | undefined
  /** At most so many rows; default: no limit. */
  readonly maxSessions?: number | undefined
}

/** What the store holds and what it let go since it was made. */
export interface MemoryStats {
  readonly rows: number
  /** Of payloads alone; a row takes about 200 more. */
  readonly bytes: number
  readonly expired: number
  /** Rows that went before their time because of `maxSessions`. */
  readonly evicted: number
}

/** A store that never makes its caller wait. */
export interface MemoryStore extends SessionStore {
  load(id: string): StoredSession | null
  save(id: string, payload: Uint8Array, options: SaveOptions): SaveResult
  delete(id: string): boolean
  touch(id: string, expiresAt: number | null): boolean
  sweep(limit: number): number
  ids(): Iterable<string>
  ping(): void
  close(): void
  stats(): MemoryStats
}

class Row implements Timed {
  readonly id: string
  /** The payload: bytes while in use, packed (latin1) when idle. */
  body: Uint8Array | string = ''
  revision = 0
  expiresAt: number
  // The wheel's.
  previous: Link = this
  next: Link = this

  constructor(id: string, expiresAt: number) {
    this.id = id
    this.expiresAt = expiresAt
  }
}

/** Where there is a limit: a row that knows its neighbours by the time of the last save or touch. */
class OrderedRow extends Row {
  older: OrderedRow = this
  newer: OrderedRow = this
}

const NEVER = Number.POSITIVE_INFINITY

/** Rows that may be in use at a time, and how large they may be; all others are packed at once. */
const MAX_UNPACKED = 4096
const MAX_UNPACKED_SIZE = 4096

/** How many expired rows are removed before others get a turn. */
const SWEEP_BATCH = 1000

const ours = new WeakSet<SessionStore>()

/** Whether the store is one of this file's: it can be neither slow nor away. */
export function isMemoryStore(store: SessionStore): store is MemoryStore {
  return ours.has(store)
}

/** Makes an empty store. */
export function memoryStore({
  clock = systemClock,
  maxSessions = NEVER,
}: MemoryStoreOptions = {}): MemoryStore {
  const rows = new Map<string, Row>()
  const wheel = new TimerWheel<Row>(clock())
  const limited = maxSessions !== NEVER
  /** No row: the ends of a ring, oldest on its newer side. */
  const order = new OrderedRow('', NEVER)
  let unpacked: Row[] = []
  let timer: NodeJS.Timeout | undefined
  let revisions = 0
  let bytes = 0
  let expired = 0
  let evicted = 0
  let closed = false

  /** The live row of this id. An expired one is removed. */
  function find(id: string): Row | undefined {
    if (closed) throw new Error('the memory store is closed')
    const row = rows.get(id)
    if (row === undefined || row.expiresAt > clock()) return row
    remove(row)
    expired++
    return undefined
  }

  function insert(id: string, payload: Uint8Array, expiresAt: number): Row {
    if (rows.size >= maxSessions) {
      remove(order.newer)
      evicted++
    }
    const row = limited ? new OrderedRow(ownCopy(id), expiresAt) : new Row(ownCopy(id), expiresAt)
    rows.set(row.id, row)
    wheel.add(row)
    if (row instanceof OrderedRow) makeNewest(row)
    write(row, payload)
    timer ??= setInterval(tick, SLOT_MS).unref()
    return row
  }

  function write(row: Row, payload: Uint8Array): void {
    bytes += payload.length - row.body.length
    row.revision = ++revisions
    row.body = mayHold(row, payload) ? payload : pack(payload)
  }

  function remove(row: Row): void {
    rows.delete(row.id)
    wheel.remove(row)
    if (row instanceof OrderedRow) leaveOrder(row)
    bytes -= row.body.length
  }

  function moveExpiry(row: Row, expiresAt: number | null): void {
    const earlier = (expiresAt ?? NEVER) < row.expiresAt
    if (earlier) wheel.remove(row)
    row.expiresAt = expiresAt ?? NEVER
    if (earlier) wheel.add(row)
    if (!(row instanceof OrderedRow)) return
    leaveOrder(row)
    makeNewest(row)
  }

  function makeNewest(row: OrderedRow): void {
    row.older = order.older
    row.newer = order
    order.older.newer = row
    order.older = row
  }

  /** Whether the row may hold `payload` as it is until the next tick. */
  function mayHold(row: Row, payload: Uint8Array): boolean {
    if (typeof row.body !== 'string') return payload.length <= MAX_UNPACKED_SIZE
    if (unpacked.length >= MAX_UNPACKED || payload.length > MAX_UNPACKED_SIZE) return false
    unpacked.push(row)
    return true
  }

  function payloadOf(row: Row): Uint8Array {
    if (typeof row.body !== 'string') return row.body
    const payload = Buffer.from(row.body, 'latin1')
    if (mayHold(row, payload)) row.body = payload
    return payload
  }

  function snapshot(row: Row): StoredSession {
    const expiresAt = row.expiresAt === NEVER ? null : row.expiresAt
    return { payload: payloadOf(row), revision: row.revision, expiresAt }
  }

  function expire(row: Row): void {
    remove(row)
    expired++
  }

  function tick(): void {
    for (const row of unpacked) {
      if (typeof row.body !== 'string') row.body = pack(row.body)
    }
    unpacked = []
    if (wheel.sweep(clock(), SWEEP_BATCH, expire) === SWEEP_BATCH) setImmediate(tick).unref()
    if (rows.size === 0) stopTimer()
  }

  function stopTimer(): void {
    clearInterval(timer)
    timer = undefined
  }

  function* liveIds(ids: readonly string[]): Iterable<string> {
    for (const id of ids) if (!closed && find(id) !== undefined) yield id
  }

  return {
    scope: 'process',

    load(id) {
      const row = find(id)
      return row === undefined ? null : snapshot(row)
    },

    save(id, payload, { expiresAt, expected }) {
      const row = find(id)
      if (row === undefined) {
        if (expected !== null) return { saved: false, current: null }
        return { saved: true, revision: insert(id, payload, expiresAt ?? NEVER).revision }
      }
      if (row.revision !== expected) return { saved: false, current: snapshot(row) }
      write(row, payload)
      moveExpiry(row, expiresAt)
      return { saved: true, revision: row.revision }
    },

    delete(id) {
      const row = find(id)
      if (row !== undefined) remove(row)
      return row !== undefined
    },

    touch(id, expiresAt) {
      const row = find(id)
      if (row !== undefined) moveExpiry(row, expiresAt)
      return row !== undefined
    },

    sweep(limit) {
      if (closed) throw new Error('the memory store is closed')
      return wheel.sweep(clock(), limit, expire)
    },

    ids() {
      if (closed) throw new Error('the memory store is closed')
      return liveIds([...rows.keys()])
    },

    ping() {
      if (closed) throw new Error('the memory store is closed')
    },

    close() {
      closed = true
      stopTimer()
      rows.clear()
      unpacked = []
      bytes = 0
    },

    stats: () => ({ rows: rows.size, bytes, expired, evicted }),
  }
}

function leaveOrder(row: OrderedRow): void {
  row.older.newer = row.newer
  row.newer.older = row.older
}

function pack(payload: Uint8Array): string {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  return bytes.toString('latin1')
}

const scratch = Buffer.alloc(128)

/** An id cut out of a cookie header would keep the whole header alive. */
function ownCopy(id: string): string {
  const copy = scratch.toString('latin1', 0, scratch.write(id, 'latin1'))
  if (copy !== id) throw new TypeError('session id: expected 1 to 128 of A-Z a-z 0-9 _ -')
  return copy
}
