// How long to wait before a compare-and-set is tried again, because others came first. By chance, so that those who met
// once do not meet again.

import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves when the next attempt may begin: at once after the first two, then within at most 50 ms. */
export async function pauseAfter(attempt: number): Promise<void> {
  if (attempt > 2) await sleep(Math.random() * Math.min(2 ** attempt, 50))
}
