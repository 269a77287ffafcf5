import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { deriveKey, makeSigner } from '../../src/session/signer.js'

const SECRET = 'a secret of some length'
const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,128}$/)
/** Any text, as a cookie's name is in code: INI files take fewer. */
const names = fc.string({ minLength: 1, maxLength: 200, unit: 'binary' })
const secrets = fc.array(fc.string({ maxLength: 200 }), { minLength: 1, maxLength: 3 })

/** RFC 2104 by Node. */
function signatureOf(secret: string, name: string, id: string): string {
  return createHmac('sha256', deriveKey(secret, 'sessd id cookie'))
    .update(`${name}=${id}`)
    .digest('base64url')
}

describe('a cookie value', () => {
  it('is the id and its HMAC-SHA256, whatever the name, the secret and the length of the id', () => {
    fc.assert(
      fc.property(names, secrets, fc.array(ids, { minLength: 1, maxLength: 5 }), (name, all, some) => {
        const signer = makeSigner(name, all)
        // The same signer for ids of different lengths: none leaves anything behind for the next.
        for (const id of some) expect(signer.sign(id)).toBe(`${id}.${signatureOf(all[0]!, name, id)}`)
      }),
    )
  })

  it('is good under each secret, and stale under an older one; twice is the same', () => {
    fc.assert(
      fc.property(
        names,
        fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 3 }),
        ids,
        (name, all, id) => {
          const signer = makeSigner(name, all)
          for (const [index, secret] of all.entries()) {
            const value = `${id}.${signatureOf(secret, name, id)}`
            expect(signer.verify(value)).toEqual({ id, stale: index > 0 })
            expect(signer.verify(value)).toEqual({ id, stale: index > 0 })
          }
        },
      ),
    )
  })

  it('is good for no other name, also where names differ beyond ASCII', () => {
    const value = makeSigner('A', [SECRET]).sign('abc')
    expect(makeSigner('Ł', [SECRET]).verify(value)).toBeNull()
    expect(makeSigner('A\u{1f36a}', [SECRET]).verify(value)).toBeNull()
  })

  it('is bad when one character of it is another one, before and after it was seen', () => {
    const signer = makeSigner('sid', [SECRET])
    fc.assert(
      fc.property(
        ids,
        fc.nat(),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
        (id, where, other) => {
          const value = signer.sign(id)
          const at = where % value.length
          const changed = value.slice(0, at) + other + value.slice(at + 1)
          fc.pre(changed !== value)
          expect(signer.verify(changed)).toBeNull()
          expect(signer.verify(value)).toEqual({ id, stale: false })
          expect(signer.verify(changed)).toBeNull()
        },
      ),
    )
  })

  it('is bad when it is anything else', () => {
    const signer = makeSigner('sid', [SECRET])
    for (const value of ['', '.', 'a', 'a.', `.${'A'.repeat(43)}`, `${'a'.repeat(129)}.${'A'.repeat(43)}`]) {
      expect(signer.verify(value)).toBeNull()
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(signer.verify(value)).toBeNull()
      }),
    )
  })
})

it.each([[''], ['a'.repeat(129)], ['İ'], ['a b']])('what is no id is never signed: %j', (id) => {
  const { sign } = makeSigner('sid', [SECRET])
  expect(() => sign(id)).toThrow(new TypeError('no id of a session: 1 to 128 letters, digits, - and _'))
})
