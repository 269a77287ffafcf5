// What happens to sessions, for metrics and tests: messages on the diagnostics channel `sessd:session`. Nobody
// listening costs one comparison. No message holds an id or data.

import diagnostics_channel from 'node:diagnostics_channel'

/**
 * `conflict`: a save found that somebody else had stored first. `retried`: it was made again, on top of that. `merged`: a
 * change was stored on top of others' that it did not know, in one save with them or after. Under `on_conflict = fail` there
 * are conflicts alone. `gone`: ended elsewhere, nothing stored. `swept`: so many expired rows were removed in one round.
 */
export type SessionEvent =
  | { readonly type: 'conflict'; readonly attempt: number }
  | { readonly type: 'merged' | 'retried' }
  | { readonly type: 'swept'; readonly count: number }
  | { readonly type: 'gone' | 'expired' | 'corrupt' | 'foreign' }
  | { readonly type: 'background-failed'; readonly error: unknown }
  /** The breaker of a store opened, or closed again. */
  | { readonly type: 'store-away'; readonly error: unknown }
  | { readonly type: 'store-back' }
  /** The same for a part of it, as the store names it. The others go on. */
  | { readonly type: 'shard-away'; readonly shard: string; readonly error: unknown }
  | { readonly type: 'shard-back'; readonly shard: string }

const channel = diagnostics_channel.channel('sessd:session')

export function publish(event: SessionEvent): void {
  if (channel.hasSubscribers) channel.publish(event)
}

/** One operation of any store but our own in memory, as it ended: also on time-outs, and when the breaker refused it. */
export interface StoreOperation {
  readonly operation: 'load' | 'save' | 'delete' | 'touch' | 'ping' | 'setAside'
  /** How long it took. */
  readonly milliseconds: number
  readonly outcome: 'done' | 'failed' | 'late' | 'refused'
}

const operations = diagnostics_channel.channel('sessd:store')

/** The time to measure from; null when nobody listens on `sessd:store`. */
export function beginOperation(): number | null {
  return operations.hasSubscribers ? performance.now() : null
}

export function endOperation(
  operation: StoreOperation['operation'],
  begun: number | null,
  outcome: StoreOperation['outcome'],
): void {
  if (begun !== null) operations.publish({ operation, milliseconds: performance.now() - begun, outcome })
}
