// What an upstream without Beaker is told of the session: some of its values in a header, as a JSON Web Token (RFC 7515, RFC
// 7519) signed with HMAC-SHA256. Any JWT library reads it; whoever lacks the secret can make none.

import { createHmac, createSecretKey } from 'node:crypto'
import { OptionError } from '../../config/errors.js'

/** The claims: `session` holds the values, times are seconds since 1970. */
export interface SessionClaims {
  readonly iat: number
  readonly exp: number
  readonly session: Readonly<Record<string, unknown>>
}

/** Signs claims as a compact token. Throws RangeError for values that are too long for a header. */
export type TokenMaker = (values: Iterable<readonly [key: string, value: unknown]>) => string

export interface TokenSettings {
  /** At least 32 bytes of UTF-8. */
  readonly secret: string
  /** How long a token is good, in seconds. */
  readonly lifetime: number
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** RFC 7518, 3.2; libraries refuse shorter keys. */
const SHORTEST_SECRET = 32
/** Python's WSGI servers take no longer header: gunicorn 8190 bytes with its name. */
const LONGEST_TOKEN = 8000

const HEADER = encode({ alg: 'HS256', typ: 'JWT' })

/** Throws OptionError about `forward_session_secret`. */
export function tokenMaker({ secret, lifetime, now }: TokenSettings): TokenMaker {
  if (Buffer.byteLength(secret) < SHORTEST_SECRET) {
    throw new OptionError(
      'forward_session_secret',
      `expected at least ${SHORTEST_SECRET} characters: libraries refuse shorter keys for HS256. ` +
        '`sessd secret` makes a good one',
    )
  }
  const key = createSecretKey(secret, 'utf8')
  return (values) => {
    const iat = Math.floor(now() / 1000)
    const session: Record<string, unknown> = Object.create(null)
    for (const [name, value] of values) session[name] = value
    const signed = `${HEADER}.${encode({ iat, exp: iat + lifetime, session } satisfies SessionClaims)}`
    const token = `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
    if (token.length <= LONGEST_TOKEN) return token
    throw new RangeError(
      `forward_session: the values make a header of ${token.length} characters, more than ${LONGEST_TOKEN}: name fewer of them`,
    )
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
