import { createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { sealedCookie } from '../../../src/session/codecs/sealed-cookie.js'

const row = Buffer.from('{"sessd":1,"created":1,"accessed":2,"data":{"user":"bob"}}')

describe.each([
  ['encrypted', true],
  ['signed', false],
] as const)('a cookie session, %s', (_, encrypt) => {
  const cookie = sealedCookie({ name: 'sid', secrets: ['new', 'old'], encrypt })

  it('comes back', () => {
    const value = cookie.seal(row)
    expect(value).toMatch(/^[A-Za-z0-9_-]+$/)
    expect(cookie.open(value)?.row).toEqual(row)
    expect(cookie.open(cookie.seal(Buffer.alloc(0)))?.row).toEqual(Buffer.alloc(0))
  })

  it('opens with an old secret, and is sealed with the new one', () => {
    const old = sealedCookie({ name: 'sid', secrets: ['old'], encrypt })
    expect(cookie.open(old.seal(row))).toEqual({ row, outdated: true })
    expect(cookie.open(cookie.seal(row))).toEqual({ row, outdated: false })
    expect(old.open(cookie.seal(row))).toBeNull()
  })

  it('opens under its own name only, and in its own mode only', () => {
    const value = cookie.seal(row)
    expect(sealedCookie({ name: 'sid2', secrets: ['new'], encrypt }).open(value)).toBeNull()
    expect(sealedCookie({ name: 'sid', secrets: ['new'], encrypt: !encrypt }).open(value)).toBeNull()
  })

  it('does not open after any change of one character', () => {
    const value = cookie.seal(row)
    for (let at = 0; at < value.length; at++) {
      for (const char of ['A', 'z', '-', '=', '+', ' ', '', 'é']) {
        const changed = value.slice(0, at) + char + value.slice(at + 1)
        if (changed !== value) expect(cookie.open(changed)).toBeNull()
      }
    }
    expect(cookie.open(`${value}A`)).toBeNull()
  })

  it.each(['', 'A', 'AQ', 'Ag', 'Aw', 'AQAA', 'AwAA', 'A'.repeat(4000), '!', 'é'])(
    'is not ours: %j',
    (value) => {
      expect(cookie.open(value)).toBeNull()
    },
  )

  it('is deflated above a length, and read with or without', () => {
    const long = Buffer.from(JSON.stringify({ data: 'x'.repeat(5000) }))
    const deflating = sealedCookie({ name: 'sid', secrets: ['new'], encrypt, deflateAbove: 1000 })
    const value = deflating.seal(long)
    expect(value.length).toBeLessThan(200)
    expect(cookie.open(value)?.row).toEqual(long)
    expect(deflating.open(cookie.seal(long))?.row).toEqual(long)
    expect(deflating.seal(Buffer.alloc(1000)).length).toBeGreaterThan(1000)
  })

  it('inflates to a bounded size', () => {
    const deflating = sealedCookie({ name: 'sid', secrets: ['new'], encrypt, deflateAbove: 1000 })
    expect(deflating.open(deflating.seal(Buffer.alloc(1024 * 1024)))?.row).toHaveLength(1024 * 1024)
    expect(deflating.open(deflating.seal(Buffer.alloc(1024 * 1024 + 1)))).toBeNull()
  })
})

describe('the bytes of a sealed cookie', () => {
  it('are version, counter, AES-256-CTR and half an HMAC-SHA256, with a key for each', () => {
    const seal = sealedCookie({ name: 'sid', secrets: ['s'], encrypt: true })
    for (const text of [row, Buffer.alloc(100, 'another'), row]) {
      const sealed = Buffer.from(seal.seal(text), 'base64url')
      const keyFor = (purpose: string) => Buffer.from(hkdfSync('sha256', 's', 'sessd', purpose, 32))
      const key = keyFor('sessd cookie aes-256-ctr')
      const opener = createDecipheriv('aes-256-ctr', key, sealed.subarray(1, 17))
      const mac = createHmac('sha256', keyFor('sessd cookie aes-256-ctr hmac-sha256'))
        .update('\x03sid\0')
        .update(sealed.subarray(1, -16))
      expect(sealed[0]).toBe(3)
      expect(opener.update(sealed.subarray(17, -16))).toEqual(Buffer.concat([Buffer.of(0), text]))
      expect(sealed.subarray(-16)).toEqual(mac.digest().subarray(0, 16))
    }
  })

  it('are version, body and HMAC-SHA256 when only signed', () => {
    const seal = sealedCookie({ name: 'sid', secrets: ['s'], encrypt: false, deflateAbove: 10 })
    const sealed = Buffer.from(seal.seal(row), 'base64url')
    const body = Buffer.concat([Buffer.of(1), deflateRawSync(row)])
    const key = Buffer.from(hkdfSync('sha256', 's', 'sessd', 'sessd cookie hmac-sha256', 32))
    const mac = createHmac('sha256', key).update('\x02sid\0').update(body).digest()
    expect(sealed).toEqual(Buffer.concat([Buffer.of(2), body, mac]))
  })
})

describe('a cookie that an earlier version made', () => {
  const earlier = Buffer.from('{"sessd":1,"data":{"user":"Zoë"}}')

  it.each([
    [
      'signed',
      false,
      'AgB7InNlc3NkIjoxLCJkYXRhIjp7InVzZXIiOiJab8OrIn19JxVFJKmCFEO1FhaTf2a2QsgUKLhkbdizDSJk0dBTLbQ',
    ],
    [
      'signed and deflated',
      false,
      'AgGrVipOLS5OUbIy1FFKSSxJVLKqViotTi1SslKKyj-8Wqm2FgBHFFZ7SuBA3VLeHHrtkF5OmCwbWWes-3AyLGAOOSdQxg',
    ],
    [
      'encrypted',
      true,
      'AUqymSj64QpuTV9dr71VoF7Xmi1mQ4BX8NC6QNyTDs6r9XFjMbUABOQczpctHaQ1v73NFgSRFRNOuUeXmDtsUw',
    ],
    [
      'encrypted and deflated',
      true,
      'AaTJ-VjgaufLwWIyNJ4ff_Sb1AWkdRkTPGCrr5x7e-MfxUG7D-v38hjISOikj2hCvR3vKJprvpTFQm8FjHPkrHWq',
    ],
  ])('opens: %s', (_, encrypt, value) => {
    const cookie = sealedCookie({ name: 'sid', secrets: ['new', 'old'], encrypt })
    expect(cookie.open(value)).toEqual({ row: earlier, outdated: false })
  })

  it('is the one that is made today, where nothing is random', () => {
    const cookie = sealedCookie({ name: 'sid', secrets: ['new'], encrypt: false })
    expect(cookie.seal(earlier)).toBe(
      'AgB7InNlc3NkIjoxLCJkYXRhIjp7InVzZXIiOiJab8OrIn19JxVFJKmCFEO1FhaTf2a2QsgUKLhkbdizDSJk0dBTLbQ',
    )
  })
})

describe.each([
  ['encrypted', true],
  ['signed', false],
] as const)('rows of all lengths, %s', (_, encrypt) => {
  it('come back, the longest ones too, and leave nothing behind for the next', () => {
    const cookie = sealedCookie({ name: 'sid', secrets: ['new'], encrypt })
    for (const length of [0, 5000, 1, 16_000, 16_355, 16_384, 17_000, 40_000, 3]) {
      const long = Buffer.alloc(length, `row of ${length} `)
      expect(cookie.open(cookie.seal(long))?.row).toEqual(long)
    }
  })
})
