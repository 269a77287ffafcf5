// Rows that everybody can read and only we can write: version, the body in the clear, HMAC-SHA256 (32) of context, a zero
// byte and the body.

import { timingSafeEqual } from 'node:crypto'
import { HmacSha256 } from '../hmac.js'
import { type Box, contextOf, deriveKey, frameOf, ROOM } from './box.js'

const SIGNED = 2
const MAC_BYTES = 32

export function signedBox(secret: string, name: string): Box {
  const prefix = Buffer.concat([contextOf(SIGNED, name), Buffer.of(0)])
  const mac = new HmacSha256(deriveKey(secret, 'sessd cookie hmac-sha256'), prefix, ROOM)
  return {
    close(kind, row) {
      const end = 2 + row.length
      const frame = frameOf(end + MAC_BYTES)
      frame[0] = SIGNED
      frame[1] = kind
      frame.set(row, 2)
      frame.write(mac.ofBytes(frame.subarray(1, end)), end, 'latin1')
      return frame.toString('base64url', 0, end + MAC_BYTES)
    },
    open(sealed) {
      const end = sealed.length - MAC_BYTES
      if (sealed[0] !== SIGNED || end <= 1) return null
      const body = sealed.subarray(1, end)
      return timingSafeEqual(Buffer.from(mac.ofBytes(body), 'latin1'), sealed.subarray(end)) ? body : null
    },
  }
}
