// mod_auth_tkt's ticket: a digest, eight hex digits of time, user, tokens and data. Signed by hashing twice with the
// secret, which is what keeps md5 of it from being extended.

import { createHash, timingSafeEqual } from 'node:crypto'
import { isIPv4 } from 'node:net'

/** mod_auth_tkt's TKTAuthDigestType, in lower case. */
export const DIGESTS = ['md5', 'sha256', 'sha512'] as const
export type Digest = (typeof DIGESTS)[number]

export interface Ticket {
  /** When it was made, seconds since 1970. */
  readonly time: number
  readonly userid: string
  /** Words divided by commas. */
  readonly tokens: string
  readonly userData: string
}

/** The cookie's value. In base64 where a cookie couldn't hold it as it is; mod_auth_tkt knows that by the missing `!`. */
export function makeTicket(ticket: Ticket, digest: Digest, secret: string, address: string): string {
  const { time, userid, tokens, userData } = ticket
  if (/[!\0]/.test(tokens)) throw new TypeError('auth_tkt: tokens hold no ! and no NUL')
  if (/\0/.test(userid + userData) || (tokens === '' && userData.includes('!')))
    throw new TypeError('auth_tkt: user and data hold no NUL, and without tokens data holds no !')
  const signature = sign(ticket, digest, secret, address)
  const stamp = time.toString(16).padStart(8, '0')
  const text = `${signature}${stamp}${encodeURIComponent(userid)}!${tokens === '' ? '' : `${tokens}!`}${userData}`
  return /^[!#-:<-[\]-~]*$/.test(text) ? text : Buffer.from(text).toString('base64')
}

/** The ticket that a cookie holds, or null when it was not made with this secret for this address. Never throws. */
export function parseTicket(value: string, digest: Digest, secret: string, address: string): Ticket | null {
  const text = value.includes('!') ? value : Buffer.from(value, 'base64').toString()
  const length = LENGTHS[digest]
  const [, signature = '', stamp = '', rest] =
    new RegExp(`^([0-9a-f]{${length}})([0-9a-f]{8})(.*)$`, 's').exec(text) ?? []
  const end = rest?.indexOf('!') ?? -1
  if (rest === undefined || end === -1) return null
  const userid = unquote(rest.slice(0, end))
  const data = rest.slice(end + 1)
  const border = data.indexOf('!')
  const ticket: Ticket = {
    time: Number.parseInt(stamp, 16),
    userid,
    tokens: border === -1 ? '' : data.slice(0, border),
    userData: data.slice(border + 1),
  }
  const expected = sign(ticket, digest, secret, address)
  return timingSafeEqual(Buffer.from(signature), Buffer.from(expected)) ? ticket : null
}

const LENGTHS: Readonly<Record<Digest, number>> = { md5: 32, sha256: 64, sha512: 128 }

function sign(
  { time, userid, tokens, userData }: Ticket,
  digest: Digest,
  secret: string,
  address: string,
): string {
  const inner = createHash(digest)
    .update(addressAndTime(address, time))
    .update(`${secret}${userid}\0${tokens}\0${userData}`)
    .digest('hex')
  return createHash(digest).update(inner).update(secret).digest('hex')
}

/** Four bytes each for IPv4; for IPv6, pyramid's way: both as text. */
function addressAndTime(address: string, time: number): Buffer {
  if (!isIPv4(address)) return Buffer.from(`${address}${time}`)
  const bytes = Buffer.alloc(8)
  bytes.set(address.split('.').map(Number))
  bytes.writeUInt32BE(time % 2 ** 32, 4)
  return bytes
}

function unquote(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
