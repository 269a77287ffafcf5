// The conformance suite for backends that have a clock of their own. Its tests wait, so they wait together: each has
// rows of its own in the one backend.

import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'vitest'
import type { SessionStore } from '../../src/session/store.js'
import { storeConformance } from '../../src/session/testing.js'

export interface RealTimeConformance {
  /** Makes a store on the rows of `owner`, a short word; others have others. */
  readonly open: (owner: string) => SessionStore | Promise<SessionStore>
  /** Whether stores of one owner share their rows. Default: yes. */
  readonly shared?: boolean
  /** How long short-lived rows live, in milliseconds. Default: 800. */
  readonly lifespan?: number
  /** How much later than told a row may die, in milliseconds. Default: 20. */
  readonly late?: number
  readonly largest?: number
}

let owners = 0

export function realTimeConformance({ open, ...given }: RealTimeConformance): void {
  const { shared = true, lifespan = 800, late = 20 } = given
  const owner = new AsyncLocalStorage<string>()
  const again = () => open(owner.getStore()!)
  storeConformance({
    describe,
    it(title, body) {
      it.concurrent(title, () => owner.run(`owner${++owners}`, body))
    },
    open: again,
    ...(shared && { reopen: again }),
    passTime: (milliseconds) => sleep(milliseconds + late),
    lifespan,
    // What comes between two looks at the clock counts as well, and these tests share a machine.
    resolution: late * 3 + 500,
    ...(given.largest !== undefined && { largest: given.largest }),
  })
}
