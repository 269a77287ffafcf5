// Rows in a table of a database server, shared by every host that reaches it. One round trip per load, one per save and
// one more on conflict, each shared with what else is asked at the time.

import { Deadlines } from '../../deadlines.js'
import { isId } from '../../id.js'
import type { SaveResult, SessionStore, StoredSession } from '../../store.js'
import { Batch } from './batch.js'
import type { Layout } from './layout.js'
import { toLocalTime } from './local-time.js'
import type { NewRow, Replacement, SqlServer, Touch } from './server.js'

const NO_ID = 'session id: expected 1 to 128 of A-Z a-z 0-9 _ -'
const SWEEP_BATCH = 1000
const PAGE = 1000
/** A row that was set aside is kept for a week. */
const ASIDE = 7 * 86_400_000
/** After so many collisions with others a statement is given up. */
const MAX_COLLISIONS = 10

/** Makes a store on a server. Nothing is connected before it is used; what can't be reached rejects, naming the server. */
export function serverStore(server: SqlServer, layout: Layout, clock: () => number): SessionStore {
  const deadline = () => layout.deadline(clock())
  const timeOfBirth = () => (layout.created === undefined ? '' : toLocalTime(clock()))
  const deadlines = new Deadlines(server.timeout)
  let creating: Promise<void> | undefined
  let closing: Promise<void> | undefined

  const loads = new Batch<string, StoredSession | null>({
    send: (ids) => repeatable(() => loadRows(ids)),
    keyOf: (id) => id,
    sizeOf: () => 1024,
    limit: server.batch.load,
    lanes: server.lanes.load,
    patience: server.timeout,
  })

  const inserts = saves<NewRow>((rows) => once(() => server.insert(rows, deadline())))
  const replacements = saves<Replacement>((rows) => once(() => server.replace(rows, deadline())))
  const touches = saves<Touch>((rows) => repeatable(() => server.touch(rows, deadline())))

  /** A batch of statements that answer the ids of the rows for which they did something. */
  function saves<Row extends Touch & { readonly payload?: Buffer }>(
    send: (rows: readonly Row[]) => Promise<readonly string[]>,
  ): Batch<Row, boolean> {
    return new Batch<Row, boolean>({
      async send(rows) {
        const ids = new Set(await send(rows))
        return ({ id }) => ids.has(id)
      },
      keyOf: ({ id }) => id,
      sizeOf: ({ payload }) => 100 + (payload?.length ?? 0),
      limit: server.batch.save,
      lanes: server.lanes.save,
      patience: server.timeout,
    })
  }

  async function loadRows(ids: readonly string[]): Promise<(id: string) => StoredSession | null> {
    const rows = new Map<string, StoredSession>()
    for (const { id, payload, expiry } of await server.load(ids)) {
      rows.set(id, { payload, revision: payload, expiresAt: layout.fromExpiry(expiry) })
    }
    return (id) => rows.get(id) ?? null
  }

  /** Makes the table when it turns out to be missing, and tries again where others were in the way. */
  async function once<R>(work: () => Promise<R>, mayRepeat = false): Promise<R> {
    let collisions = 0
    let isMade = false
    let isRepeated = false
    for (;;) {
      try {
        return await work()
      } catch (error) {
        const diagnosis = server.diagnose(error)
        if (diagnosis === 'no-table' && !isMade) {
          isMade = true
          await createTable()
        } else if (diagnosis === 'lost' && mayRepeat && !isRepeated) {
          isRepeated = true
        } else if (diagnosis !== 'collision' || ++collisions > MAX_COLLISIONS) {
          throw error
        }
      }
    }
  }

  /** The same for what may be done twice: also tried again when a connection was lost, as after a restart. */
  function repeatable<R>(work: () => Promise<R>): Promise<R> {
    return once(work, true)
  }

  function createTable(): Promise<void> {
    creating ??= server.createTable().finally(() => {
      creating = undefined
    })
    return creating
  }

  function perform<R>(id: string | null, work: () => Promise<R>): Promise<R> {
    if (closing !== undefined) return Promise.reject(new Error('the database store is closed'))
    if (id !== null && !isId(id)) return Promise.reject(new TypeError(NO_ID))
    return deadlines.limit(work(), late).catch(rejectNamed)
  }

  const late = () => new Error(`no answer within ${server.timeout} ms`)

  const rejectNamed = (error: unknown): never => {
    throw named(error)
  }

  /** Drivers put statements, and details of rows, on their errors: none of that goes further. */
  function named(thrown: unknown): Error {
    const error = server.diagnose(thrown) === 'late' ? late() : thrown
    const { message, code, errors } = error as NodeJS.ErrnoException & { errors?: unknown }
    const inner = Array.isArray(errors) && errors[0] instanceof Error ? errors[0].message : undefined
    const renamed = new Error(`${server.name}: ${message || inner || code}`)
    return code === undefined ? renamed : Object.assign(renamed, { code })
  }

  function loadLive(id: string): Promise<StoredSession | null> {
    return loads.add(id).then((row) => {
      if (row === null || row.expiresAt === null || row.expiresAt > clock()) return row
      // A reader that can't tidy up still gets its answer.
      const nothing = () => null
      return repeatable(() => server.removeDead(id, deadline())).then(nothing, nothing)
    })
  }

  async function* listIds(): AsyncGenerator<string> {
    for (let last = ''; ; ) {
      const page = await perform(null, () => repeatable(() => server.idsAfter(last, deadline(), PAGE)))
      yield* page.filter(isId)
      if (page.length < PAGE) return
      last = page.at(-1)!
    }
  }

  async function sweep(limit: number): Promise<number> {
    for (let removed = 0; ; ) {
      const batch = Math.min(limit - removed, SWEEP_BATCH)
      const count = await perform(null, () => repeatable(() => server.sweep(deadline(), batch)))
      removed += count
      if (count < batch || removed >= limit) return removed
    }
  }

  async function close(): Promise<void> {
    await deadlines.idle()
    await server.close()
  }

  return {
    scope: 'network',

    load: (id) => perform(id, () => loadLive(id)),

    save: (id, payload, { expiresAt, expected }) =>
      perform(id, async (): Promise<SaveResult> => {
        const bytes = bufferOf(payload)
        const expiry = layout.toExpiry(expiresAt)
        const saved =
          expected === null
            ? await inserts.add({ id, payload: bytes, expiry, created: timeOfBirth() })
            : expected instanceof Uint8Array &&
              (await replacements.add({ id, payload: bytes, expiry, expected: bufferOf(expected) }))
        if (saved) return { saved: true, revision: payload }
        return { saved: false, current: await loadLive(id) }
      }),

    delete: (id) =>
      perform(id, async () => {
        const removed = await repeatable(() => server.remove(id, deadline()))
        if (!removed) await repeatable(() => server.removeDead(id, deadline()))
        return removed
      }),

    touch: (id, expiresAt) => perform(id, () => touches.add({ id, expiry: layout.toExpiry(expiresAt) })),

    sweep,

    ids: () => listIds(),

    setAside: (id) =>
      perform(id, () =>
        repeatable(() => server.rename(id, `${id}.corrupt`, layout.toExpiry(clock() + ASIDE))),
      ),

    ping: () => perform(null, () => repeatable(async () => void (await server.load(['ping'])))),

    close() {
      closing ??= close()
      return closing
    },
  }
}

/** Drivers know a Buffer to be bytes; other arrays become JSON. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
