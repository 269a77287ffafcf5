// What is wrong so far. `serve` stops at the first error, `check` wants them all: code that can go on after an error
// runs its step through `attempt`.

import { ConfigError, ConfigErrors } from '../config/errors.js'
import type { ConfigWarning } from './model.js'

export class Issues {
  readonly errors: ConfigError[] = []
  readonly warnings: ConfigWarning[] = []
  /** Whether errors are gathered instead of thrown. */
  readonly collect: boolean
  readonly #onWarning: ((warning: ConfigWarning) => void) | undefined
  readonly #seen = new Set<string>()
  /** The keys whose values could not be worked out. */
  readonly #broken = new Set<string>()

  constructor(collect: boolean, onWarning?: (warning: ConfigWarning) => void) {
    this.collect = collect
    this.#onWarning = onWarning
  }

  /** Throws `error`, or keeps it. What is no ConfigError is a bug and always thrown. */
  report(error: unknown): void {
    if (!this.collect) throw error
    if (error instanceof ConfigErrors) for (const one of error.errors) this.#keep(one)
    else if (error instanceof ConfigError) this.#keep(error)
    else throw error
  }

  /** Runs a step; undefined when it failed and errors are gathered. */
  attempt<T>(step: () => T): T | undefined {
    try {
      return step()
    } catch (error) {
      this.report(error)
      return undefined
    }
  }

  async attemptAsync<T>(step: () => Promise<T>): Promise<T | undefined> {
    try {
      return await step()
    } catch (error) {
      this.report(error)
      return undefined
    }
  }

  /** Once for each message. */
  warn(warning: ConfigWarning): void {
    if (this.#seen.has(warning.message)) return
    this.#seen.add(warning.message)
    this.warnings.push(warning)
    this.#onWarning?.(warning)
  }

  #keep(error: ConfigError): void {
    const { code, message, place } = error
    const key = place?.key === undefined ? undefined : JSON.stringify([place.file, place.section, place.key])
    // A key whose value can't be worked out is missing for its factory too: that is no second mistake.
    const isFollowUp = code === 'option' && key !== undefined && this.#broken.has(key)
    if (this.#seen.has(message) || isFollowUp) return
    this.#seen.add(message)
    this.errors.push(error)
    if (code !== 'option' && key !== undefined) this.#broken.add(key)
  }
}

/** Gives an error that doesn't know its place the one of whoever asked. Other errors are passed through. */
export function withPlace(error: unknown, place: ConfigError['place']): unknown {
  if (!(error instanceof ConfigError) || error.place !== undefined || place === undefined) return error
  return new ConfigError(error.code, error.reason, place, { cause: error.cause })
}
