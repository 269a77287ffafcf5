// What a file's section knows of a kind of store: its settings, how one is made, and what can be tried of it before there
// is a request.

import { OptionError } from '../config/errors.js'
import type { OptionTable, Values } from '../config/options.js'
import type { MaybePromise } from '../protocol.js'
import type { Clock } from '../session/clock.js'
import type { SessionStore } from '../session/store.js'

/** What a store is told besides its own settings. Times are milliseconds. */
export interface StoreContext {
  readonly format: 'sessd' | 'beaker' | 'beaker-1.11'
  /** How long a row lives that doesn't say it; null: for ever. */
  readonly lifetime: number | null
  /** How long an operation may take. */
  readonly timeout: number
  readonly clock: Clock
  /** The directory of the INI: packages of the user's are looked for from there. */
  readonly directory: string
  /** What stands under `express.`, for the constructor of such a store. */
  readonly express: Readonly<Record<string, string | number | boolean>>
}

/** A kind of store: its settings, and how to make one of them. */
export interface StoreType {
  readonly options: OptionTable
  /**
   * Makes a store: imports what it needs, tries a place of this host, connects to no server. Rejects with OptionError for
   * settings that are no good to it.
   */
  open(given: Readonly<Record<string, unknown>>, context: StoreContext): Promise<SessionStore>
}

/** What can go wrong at the start already, and the setting that is to blame. */
export interface Trial {
  readonly blame: string
  run(): MaybePromise<unknown>
}

/** A kind of store whose trials are run, in their order, when one is made. */
export function storeType<T extends OptionTable>(
  options: T,
  make: (given: Values<T>, context: StoreContext) => SessionStore,
  trials: (store: SessionStore, given: Values<T>) => readonly Trial[] = () => [],
): StoreType {
  return {
    options,
    async open(given, context) {
      const store = make(given as Values<T>, context)
      for (const { blame, run } of trials(store, given as Values<T>)) {
        try {
          await run()
        } catch (error) {
          // What could not be made can't be put away either.
          await Promise.resolve(store.close?.()).catch(() => {})
          throw new OptionError(`beaker.session.${blame}`, (error as Error).message, { cause: error })
        }
      }
      return store
    },
  }
}

/** A package that is not installed is a mistake of the file. */
export const needs = (load: () => Promise<unknown>): Trial => ({ blame: 'type', run: load })

/** A directory or a file that can't be used is one too. A server that is away may be back soon, and is not asked. */
export const tryPlace = (store: SessionStore, blame: string): Trial => ({ blame, run: () => store.ping?.() })
