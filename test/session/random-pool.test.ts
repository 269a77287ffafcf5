import { expect, it } from 'vitest'
import { RandomPool } from '../../src/session/random-pool.js'

it('gives the same bytes to nobody twice, for longer than one filling lasts', () => {
  const pool = new RandomPool(12)
  const given = new Set<string>()
  for (let count = 0; count < 2000; count++) {
    const target = Buffer.alloc(14)
    pool.take(target, 1)
    expect([target[0], target[13]]).toEqual([0, 0])
    given.add(target.toString('hex', 1, 13))
  }
  expect(given.size).toBe(2000)
})

it('writes over all of the place that it is given', () => {
  const pool = new RandomPool(4)
  const untouched = [true, true, true, true]
  for (let count = 0; count < 300; count++) {
    const target = Buffer.alloc(4)
    pool.take(target, 0)
    for (const [at, byte] of target.entries()) if (byte !== 0) untouched[at] = false
  }
  expect(untouched).toEqual([false, false, false, false])
})
