// What one request did to a session, apart from the session: it can be applied to the row as loaded or to a newer one.

import type { Codec, Document } from './codec.js'

/** Makes a new value of an old one; undefined stands for "absent", in both directions. */
export type Updater = (value: unknown) => unknown

/** What a request did, encoded, fit to be applied to the row as loaded or to a newer one. */
export interface Change<E> {
  /** Everything that was there is gone, also what others added meanwhile. */
  readonly cleared: boolean
  readonly set: ReadonlyMap<string, E>
  readonly removed: ReadonlySet<string>
  /** Functions to run again when the value that they saw is no longer the newest. */
  readonly updates: ReadonlyMap<string, readonly Updater[]>
  readonly domain: string | null | undefined
  readonly path: string | null | undefined
  readonly user: string | undefined
}

/**
 * The three-way merge, key by key: ours where we changed it, theirs elsewhere. `row` is the newest row; when it is not
 * the one that the change was made on (`rerun`), the updaters run again on its values.
 */
export function applyChange<E>(
  codec: Codec<E>,
  row: Document<E>,
  change: Change<E>,
  rerun: boolean,
): Document<E> {
  return {
    created: row.created,
    accessed: row.accessed,
    values: isAll(change, row, rerun) ? change.set : mergeValues(codec, row, change, rerun),
    domain: change.domain === undefined ? row.domain : change.domain,
    path: change.path === undefined ? row.path : change.path,
    user: change.user === undefined ? row.user : change.user,
  }
}

/** Whether what the change sets is all that will be there, as in a new session. */
function isAll<E>({ cleared, updates }: Change<E>, row: Document<E>, rerun: boolean): boolean {
  return (cleared || row.values.size === 0) && (!rerun || updates.size === 0)
}

function mergeValues<E>(
  codec: Codec<E>,
  row: Document<E>,
  change: Change<E>,
  rerun: boolean,
): ReadonlyMap<string, E> {
  const values = new Map<string, E>()
  if (!change.cleared) row.values.forEach(addTo, values)
  for (const key of change.removed) values.delete(key)
  for (const [key, encoded] of change.set) values.set(key, encoded)
  if (!rerun) return values
  for (const [key, updaters] of change.updates) {
    const newest = row.values.get(key)
    let value = newest === undefined ? undefined : codec.thaw(newest)
    for (const updater of updaters) value = updater(value)
    if (value === undefined) values.delete(key)
    else values.set(key, codec.freeze(key, value))
  }
  return values
}

/** `new Map(values)` makes an array of each entry on its way, and takes half as long again. */
function addTo<E>(this: Map<string, E>, encoded: E, key: string): void {
  this.set(key, encoded)
}
