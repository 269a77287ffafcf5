import { createHmac, createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { HmacSha256 } from '../../src/session/hmac.js'

const bytes = (maxLength: number) => fc.uint8Array({ maxLength })

it('is the HMAC-SHA256 that Node makes, whatever was signed before', () => {
  fc.assert(
    fc.property(
      bytes(64),
      bytes(100),
      fc.array(bytes(400), { minLength: 1, maxLength: 5 }),
      (key, prefix, messages) => {
        const secretKey = createSecretKey(key)
        const mac = new HmacSha256(secretKey, prefix, 200)
        for (const message of messages) {
          const expected = createHmac('sha256', secretKey).update(prefix).update(message).digest()
          expect(mac.ofBytes(message)).toBe(expected.toString('latin1'))
          const text = Buffer.from(message.subarray(0, 200))
          const ofText = createHmac('sha256', secretKey).update(prefix).update(text).digest('base64url')
          expect(mac.ofText(text.toString('latin1'))).toBe(ofText)
        }
      },
    ),
  )
})

it('takes no key that it would have to hash first', () => {
  const key = createSecretKey(Buffer.alloc(65))
  expect(() => new HmacSha256(key, Buffer.alloc(0), 0)).toThrow('a key of 65 bytes, of 64 at most')
})
