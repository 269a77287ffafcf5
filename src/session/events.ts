// What happens to sessions, for metrics and tests: messages on the diagnostics channel `sessd:session`. Nobody
// listening costs one comparison. No message holds an id or data.

import diagnostics_channel from 'node:diagnostics_channel'

/** `conflict`: somebody else stored first, and the changes were merged. `gone`: ended elsewhere, nothing stored. */
export type SessionEvent =
  | { readonly type: 'conflict'; readonly attempt: number }
  | { readonly type: 'gone' | 'expired' | 'corrupt' | 'foreign' }
  | { readonly type: 'background-failed'; readonly error: unknown }
  /** The breaker of a store opened, or closed again. */
  | { readonly type: 'store-away'; readonly error: unknown }
  | { readonly type: 'store-back' }

const channel = diagnostics_channel.channel('sessd:session')

export function publish(event: SessionEvent): void {
  if (channel.hasSubscribers) channel.publish(event)
}
