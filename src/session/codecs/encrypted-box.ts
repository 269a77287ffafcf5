// Rows that only we can read and write: AES-256-CTR, then HMAC-SHA256 over what came of it. GCM would do both at once, but
// Node makes a cipher object for each message then, which costs ten times as much as to encrypt it (decision 019).

import { createDecipheriv, timingSafeEqual } from 'node:crypto'
import { HmacSha256 } from '../hmac.js'
import { type Box, contextOf, deriveKey, frameOf, ROOM } from './box.js'
import { BLOCK, CounterStream } from './counter-stream.js'

const ENCRYPTED = 3
const TAG_BYTES = 16

/** version, first counter block (16), what is encrypted, and of the HMAC over context, zero byte and these two the first 16. */
export function encryptedBox(secret: string, name: string): Box {
  const key = deriveKey(secret, 'sessd cookie aes-256-ctr')
  const prefix = Buffer.concat([contextOf(ENCRYPTED, name), Buffer.of(0)])
  const mac = new HmacSha256(deriveKey(secret, 'sessd cookie aes-256-ctr hmac-sha256'), prefix, ROOM)
  const stream = new CounterStream(key)
  const openGcm = gcmOpener(secret, name)
  return {
    close(kind, row) {
      const start = 1 + BLOCK
      const end = start + 1 + row.length
      const frame = frameOf(end + BLOCK)
      frame[0] = ENCRYPTED
      frame[start] = kind
      frame.set(row, start + 1)
      stream.encrypt(frame, 1, start, end)
      frame.write(mac.ofBytes(frame.subarray(1, end)), end, TAG_BYTES, 'latin1')
      return frame.toString('base64url', 0, end + TAG_BYTES)
    },
    open(sealed) {
      if (sealed[0] === ENCRYPTED_BY_GCM) return openGcm(sealed)
      const end = sealed.length - TAG_BYTES
      if (sealed[0] !== ENCRYPTED || end <= 1 + BLOCK) return null
      const tag = Buffer.from(mac.ofBytes(sealed.subarray(1, end)), 'latin1').subarray(0, TAG_BYTES)
      if (!timingSafeEqual(tag, sealed.subarray(end))) return null
      const counter = sealed.subarray(1, 1 + BLOCK)
      return createDecipheriv('aes-256-ctr', key, counter).update(sealed.subarray(1 + BLOCK, end))
    },
  }
}

const ENCRYPTED_BY_GCM = 1
const GCM_IV_BYTES = 12

/** As it was done at first: version, iv (12), AES-256-GCM, tag (16); the additional data are the context. */
function gcmOpener(secret: string, name: string): Box['open'] {
  const key = deriveKey(secret, 'sessd cookie aes-256-gcm')
  const context = contextOf(ENCRYPTED_BY_GCM, name)
  return (sealed) => {
    const end = sealed.length - TAG_BYTES
    if (end <= 1 + GCM_IV_BYTES) return null
    const iv = sealed.subarray(1, 1 + GCM_IV_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    decipher.setAAD(context).setAuthTag(sealed.subarray(end))
    const body = decipher.update(sealed.subarray(1 + GCM_IV_BYTES, end))
    try {
      decipher.final()
    } catch {
      return null
    }
    return body
  }
}
