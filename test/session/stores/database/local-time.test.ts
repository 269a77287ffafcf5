import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { beakerLayout } from '../../../../src/session/stores/database/layout.js'
import {
  fromLocalTime,
  localTimeBefore,
  toLocalTime,
} from '../../../../src/session/stores/database/local-time.js'

/** Times all over a year. */
function times(step: number): number[] {
  const start = Date.UTC(2026, 0, 1, 0, 0, 0, 7)
  return Array.from({ length: Math.floor((365 * 24 * HOUR) / step) }, (_, index) => start + index * step)
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE

let zone: string | undefined
beforeEach(() => {
  zone = process.env.TZ
})
afterEach(() => {
  if (zone === undefined) delete process.env.TZ
  else process.env.TZ = zone
})

describe.each(['UTC', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'])('in %s', (name) => {
  beforeEach(() => {
    process.env.TZ = name
  })

  test('a time comes back to the millisecond, or later in the hour that comes twice', () => {
    const wrong = times(47 * MINUTE + 11).filter((time) => {
      const back = fromLocalTime(toLocalTime(time))!
      return back - time > HOUR || back < time || toLocalTime(back) !== toLocalTime(time)
    })
    expect(wrong).toEqual([])
  })

  test('nothing is taken for older than it is, nor for much younger, whatever the clocks do', () => {
    const lifetime = 30 * MINUTE
    const wrong = times(19 * MINUTE).filter((now) => {
      const layout = beakerLayout({}, lifetime, () => now)
      const young = layout.toExpiry(now - 25 * MINUTE + lifetime)
      const old = layout.toExpiry(now - 2 * HOUR + lifetime)
      return young <= layout.deadline(now) || layout.fromExpiry(young)! <= now || old > layout.deadline(now)
    })
    expect(wrong).toEqual([])
  })
})

test("texts are Python's", () => {
  process.env.TZ = 'Europe/Berlin'
  expect(toLocalTime(Date.UTC(2026, 6, 1, 10, 0, 0, 5))).toBe('2026-07-01 12:00:00.005000')
  expect(fromLocalTime('2026-07-01 12:00:00.005999')).toBe(Date.UTC(2026, 6, 1, 10, 0, 0, 5))
  expect(fromLocalTime('2026-07-01T12:00:00')).toBe(Date.UTC(2026, 6, 1, 10))
  expect(fromLocalTime('2026-07-01 12:00:00.5')).toBe(Date.UTC(2026, 6, 1, 10, 0, 0, 500))
  expect(localTimeBefore(Date.UTC(2026, 9, 25, 0, 40), Date.UTC(2026, 9, 25, 1, 10))).toBe(
    '2026-10-25 01:40:00.000000',
  )
})

test.each(['', 'infinity', '2026-07-01', 'now()', '2026-07-01 12:00:00 BC'])('"%s" is no time', (text) => {
  expect(fromLocalTime(text)).toBe(undefined)
  expect(beakerLayout({}, 1000, Date.now).fromExpiry(text)).toBe(null)
})
