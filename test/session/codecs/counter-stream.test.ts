import { createDecipheriv, createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { BLOCK, CounterStream } from '../../../src/session/codecs/counter-stream.js'

const bytes = Buffer.alloc(32, 'key')
const key = createSecretKey(bytes)

/** Encrypts a message: its counter, and what it became. */
function encrypt(stream: CounterStream, message: Uint8Array) {
  const frame = Buffer.alloc(BLOCK + message.length + BLOCK)
  frame.set(message, BLOCK)
  stream.encrypt(frame, 0, BLOCK, BLOCK + message.length)
  return { counter: frame.subarray(0, BLOCK), encrypted: frame.subarray(BLOCK, BLOCK + message.length) }
}

it('makes what AES-256-CTR opens, each message by itself', () => {
  const messages = fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(messages, fc.integer({ min: 7, max: 50 }), (messages, limit) => {
      const stream = new CounterStream(key, limit)
      for (const message of messages) {
        const { counter, encrypted } = encrypt(stream, message)
        const opener = createDecipheriv('aes-256-ctr', bytes, counter)
        expect(opener.update(encrypted)).toEqual(Buffer.from(message))
      }
    }),
  )
})

it('uses no block twice, and takes another nonce when the counter is at its end', () => {
  const stream = new CounterStream(key, 10)
  const used = new Set<string>()
  const nonces = new Set<string>()
  for (let turn = 0; turn < 100; turn++) {
    const length = 1 + ((turn * 7) % 60)
    const { counter } = encrypt(stream, Buffer.alloc(length))
    const nonce = counter.toString('hex', 0, 12)
    nonces.add(nonce)
    const first = counter.readUInt32BE(12)
    for (let block = first; block < first + Math.ceil(length / BLOCK); block++) {
      expect(block).toBeLessThan(10)
      expect(used).not.toContain(`${nonce} ${block}`)
      used.add(`${nonce} ${block}`)
    }
  }
  expect(nonces.size).toBeGreaterThan(20)
})

it('takes another nonce after a message that could not be finished', () => {
  const stream = new CounterStream(key)
  const message = Buffer.from('a message of more than one block')
  const { counter } = encrypt(stream, message)
  const frame = Buffer.alloc(64)
  let sets = 0
  frame.set = (...given: Parameters<typeof frame.set>) => {
    sets++
    if (sets === 2) throw new RangeError('no memory')
    Uint8Array.prototype.set.apply(frame, given)
  }
  expect(() => stream.encrypt(frame, 0, BLOCK, 2 * BLOCK)).toThrow('no memory')
  const next = encrypt(stream, message)
  expect(createDecipheriv('aes-256-ctr', bytes, next.counter).update(next.encrypted)).toEqual(message)
  expect(next.counter.subarray(0, 12)).not.toEqual(counter.subarray(0, 12))
})

it('begins with a nonce of its own in each process', () => {
  const [one, other] = [new CounterStream(key), new CounterStream(key)].map((stream) =>
    encrypt(stream, Buffer.alloc(16)).counter.toString('hex'),
  )
  expect(one).not.toBe(other)
})
