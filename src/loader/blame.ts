// Who is to blame: whatever a factory throws becomes an error that names file, line and section, without any secret.

import { ConfigError, ConfigErrors, type OptionError, type Place } from '../config/errors.js'
import { scrub } from '../config/secrets.js'
import type { Part } from './context.js'
import { withPlace } from './issues.js'
import { sentence } from './modules.js'
import type { Setting } from './settings.js'

/** The error to report for what `part`'s factory threw. Errors that already name their place stay what they are. */
export function blame(error: unknown, part: Part): ConfigError | ConfigErrors {
  if (error instanceof ConfigErrors) return error
  if (error instanceof ConfigError) return withPlace(error, placeOf(part)) as ConfigError
  const secrets = secretsOf(part)
  if (isOptionError(error)) return blameOption(error, part, secrets)
  if (error instanceof AggregateError && error.errors.length > 0 && error.errors.every(isOptionError)) {
    return new ConfigErrors(error.errors.map((one: OptionError) => blameOption(one, part, secrets)))
  }
  const reason = `${part.factory.label} threw ${sentence(error)}`
  return new ConfigError('factory', scrub(reason, secrets), placeOf(part), { cause: error })
}

/** The error for a factory that gave back something else than it should. */
export function wrongResult(part: Part, expected: string, got: unknown): ConfigError {
  return new ConfigError(
    'factory',
    `${part.factory.label} gave back ${nameOf(got)}, expected ${expected}`,
    placeOf(part),
  )
}

/** The error for a factory whose promise nothing will settle. */
export function neverAnswered(part: Part): ConfigError {
  return new ConfigError('factory', `${part.factory.label} waits for what never comes`, placeOf(part))
}

/** By its shape: a package may have thrown the OptionError of its own copy of sessd. */
function isOptionError(error: unknown): error is OptionError {
  return (
    error instanceof Error &&
    error.name === 'OptionError' &&
    'key' in error &&
    typeof error.key === 'string' &&
    'reason' in error &&
    typeof error.reason === 'string'
  )
}

/** The setting at fault, by the line that it is written on: in this section, in one that it uses, or in [DEFAULT]. */
function blameOption(
  { key, reason, cause }: OptionError,
  part: Part,
  secrets: readonly string[],
): ConfigError {
  const setting = part.locals.get(key) ?? part.globals.get(key)
  const place = { ...(setting?.place ?? placeOf(part)), key }
  const origin = setting?.from === 'command line' ? ', from the command line' : ''
  return new ConfigError('option', scrub(reason, secrets) + origin, place, { cause })
}

/** Where the part is named; for one that code asks for by a URI, the URI takes the place of the file. */
export function placeOf({ asked, factory }: Part): Place {
  return asked.place ?? { file: factory.label }
}

/** `undefined`, `a number`, `an object (Hono)`. Never the thing itself: it may hold secrets. */
export function nameOf(value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  const name = (Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null)?.constructor
    ?.name
  return typeof name === 'string' && name !== 'Object' && name !== '' ? `an object (${name})` : 'an object'
}

function secretsOf({ locals, globals, asked }: Part): string[] {
  const fed = asked.scope?.surrounding.secrets
  const isSecret = (name: string, setting: Setting) => setting.secret || fed?.has(name, setting) === true
  return [...locals, ...globals].flatMap(([name, setting]) => (isSecret(name, setting) ? [setting.text] : []))
}
