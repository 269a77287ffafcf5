// The conformance suite of session stores: what `store.ts` promises, tried out. Runs under vitest, node:test, mocha and
// whatever else has `describe` and `it`. Time is turned by hand, and nothing depends on speed.

import type { MaybePromise } from '../protocol.js'
import type { Clock } from './clock.js'
import type { SessionStore } from './store.js'
import { expiryTests } from './testing/expiry.js'
import { extraTests } from './testing/extras.js'
import { parallelTests, sharingTests } from './testing/parallel.js'
import { savingTests } from './testing/saving.js'
import { type Test, worldMaker } from './testing/world.js'

export interface StoreConformance {
  /** The framework's own. */
  readonly describe: (title: string, body: () => void) => unknown
  readonly it: (title: string, body: () => Promise<void>) => unknown
  /** Makes an empty store that takes the time from `clock`. Called for every test; the suite closes what it gets. */
  readonly open: (clock: Clock) => MaybePromise<SessionStore>
  /** Makes another store on the rows of the one opened last. Without it, nothing about sharing is tried. */
  readonly reopen?: (clock: Clock) => MaybePromise<SessionStore>
  /**
   * For a backend that judges expiry by a clock of its own: waits until `milliseconds` have passed there. The suite's
   * clock then is the system's, and what needs a clock that goes back is not tried.
   */
  readonly passTime?: (milliseconds: number) => Promise<void>
  /** How long short-lived rows live in the suite, in milliseconds. Default: a minute. */
  readonly lifespan?: number
  /** How exactly the backend keeps an expiry, in milliseconds. Default: 0, exactly. */
  readonly resolution?: number
  /** The largest row that the backend takes, in bytes. Default: 1 MiB. */
  readonly largest?: number
}

/** Describes the suite; call it at the top of a test file. */
export function storeConformance(given: StoreConformance): void {
  const { describe, it } = given
  const inWorld = worldMaker(given)
  const test: Test = (title, body) => {
    it(title, () => inWorld(body))
  }
  describe('saving', () => savingTests(test))
  describe('expiry', () => expiryTests(test, given.passTime === undefined))
  describe('in parallel', () => parallelTests(test))
  describe('what a store may offer', () => extraTests(test))
  if (given.reopen !== undefined) describe('two stores on the same rows', () => sharingTests(test))
}
