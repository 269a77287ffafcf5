// Values from outside of the file: `${env:NAME}`, `${env:NAME:-default}`, `${file:path}`. All of it is data.

import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { ConfigError, type Place } from '../config/errors.js'
import { isSecretKey } from '../config/secrets.js'

/** A finished value. */
export interface Value {
  readonly text: string
  /** Whether any of it comes from a secret. */
  readonly secret: boolean
}

export type Source = 'env' | 'file'

/** Where a file's outside is. */
export interface Surroundings {
  readonly env: NodeJS.ProcessEnv
  /** What `${file:path}` is relative to: the directory of the INI file. */
  readonly directory: string
}

/** A value that grows past this by what is put into it (a billion laughs) is an error. In characters. */
export const LONGEST_VALUE = 1024 * 1024

/**
 * Fetches what `${source:body}` stands for. As in a shell, `:-` also replaces an empty variable. Throws ConfigError at
 * `place` when it is not there.
 */
export function fetchOutside(
  { source }: { source: Source },
  body: string,
  surroundings: Surroundings,
  place: Place,
): Value {
  if (source === 'file') {
    const path = resolve(surroundings.directory, body)
    return { text: readSmallFile(path, place), secret: /secret/i.test(path) }
  }
  const { env } = surroundings
  const dash = body.indexOf(':-')
  const name = dash < 0 ? body : body.slice(0, dash)
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  const secret = isSecretKey(name)
  if (dash >= 0) return { text: value || body.slice(dash + 2), secret }
  if (value !== undefined) return { text: value, secret }
  const hint = `Write \${env:${name}:-x} for a default`
  throw new ConfigError('missing', `the environment has no variable ${JSON.stringify(name)}. ${hint}`, place)
}

/** A regular file's text, without one newline at its end. */
function readSmallFile(path: string, place: Place): string {
  const fail = (reason: string, cause?: unknown) =>
    new ConfigError('missing', `\${file:} of ${path}: ${reason}`, place, { cause })
  try {
    const stat = statSync(path)
    if (!stat.isFile()) throw fail('expected a regular file')
    if (stat.size > LONGEST_VALUE) throw fail(`is longer than ${LONGEST_VALUE} bytes`)
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)).replace(/\r?\n$/, '')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') throw fail('there is no such file', error)
    if (code === 'EACCES') throw fail('may not be read (permission denied)', error)
    if (code === 'ERR_INVALID_ARG_VALUE') throw fail('is no name of a file: it holds a NUL character', error)
    throw fail(code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8' : message, error)
  }
}
