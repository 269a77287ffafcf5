// What a test of the conformance suite gets: a store of its own, the time that it sees, and a few words to ask with.

import assert from 'node:assert/strict'
import type { MaybePromise } from '../../protocol.js'
import type { Revision, SessionStore, StoredSession } from '../store.js'
import type { StoreConformance } from '../testing.js'

export interface World {
  readonly store: SessionStore
  /** The store's time, in epoch milliseconds. */
  now(): number
  /** Lets time pass. */
  pass(milliseconds: number): Promise<void>
  /** Another store on the same rows. */
  reopen(): Promise<SessionStore>
  /** How long short-lived rows live. */
  readonly lifespan: number
  /** The largest row that may be saved. */
  readonly largest: number
  /** Inserts a row, which must go well. */
  insert(id: string, payload: Uint8Array | string, expiresAt?: number | null): Promise<Revision>
  /** The row as it is in the store; fails when there is none. */
  row(id: string): Promise<StoredSession>
  /** Fails unless the row holds just this. */
  expectRow(row: StoredSession | null, payload: Uint8Array | string, expiresAt?: number | null): void
}

export type Test = (title: string, body: (world: World) => Promise<void>) => void

/** Makes the function that runs a test in a world of its own, and ends that world. */
export function worldMaker(
  given: StoreConformance,
): (body: (world: World) => Promise<void>) => Promise<void> {
  return async (body) => {
    // Long ago and no round number: a store that asks the system for the time, or drops milliseconds, is found out.
    let time = Date.UTC(2021, 2, 4, 5, 6, 7, 89)
    const { passTime } = given
    const clock = passTime === undefined ? () => time : Date.now
    const opened: SessionStore[] = []
    const keep = async (opening: MaybePromise<SessionStore>) => {
      const store = await opening
      opened.push(store)
      return store
    }
    try {
      const store = await keep(given.open(clock))
      const expectRow: World['expectRow'] = (row, payload, expiresAt = null) => {
        assert.notEqual(row, null, 'there is no row')
        assert.deepEqual(Buffer.from(row!.payload), Buffer.from(payload))
        if (expiresAt === null || row!.expiresAt === null) {
          assert.equal(row!.expiresAt, expiresAt, 'expiresAt')
        } else {
          const off = Math.abs(row!.expiresAt - expiresAt)
          assert.ok(
            off <= (given.resolution ?? 0),
            `expiresAt is ${row!.expiresAt}, ${off} ms off ${expiresAt}`,
          )
        }
      }
      await body({
        store,
        lifespan: given.lifespan ?? 60_000,
        largest: given.largest ?? 1024 * 1024,
        now: clock,
        async pass(milliseconds) {
          if (passTime === undefined) time += milliseconds
          else await passTime(milliseconds)
        },
        reopen: () => keep(given.reopen!(clock)),
        async insert(id, payload, expiresAt = null) {
          const result = await store.save(id, Buffer.from(payload), { expiresAt, expected: null })
          assert.ok(result.saved, 'there is a row of that id already')
          return result.revision
        },
        async row(id) {
          const row = await store.load(id)
          assert.notEqual(row, null, 'there is no row')
          return row!
        },
        expectRow,
      })
    } finally {
      for (const store of opened) await store.close?.()
    }
  }
}

/** Bytes of a text, as a row. */
export function bytes(text: string): Uint8Array {
  return Buffer.from(text)
}

/** Runs `work`; a store may throw or reject. */
export async function expectRejection(work: () => unknown): Promise<void> {
  await assert.rejects(async () => {
    await work()
  })
}
