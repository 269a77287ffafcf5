import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { memoryStore } from '../../src/session/stores/memory.js'
import { sweepAtIntervals } from '../../src/session/sweeper.js'

/** Lets timers of ten minutes pass, and what they start. */
async function tenMinutes() {
  await vi.advanceTimersByTimeAsync(600_000)
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate'] }))
afterEach(() => void vi.useRealTimers())

describe('the sweeper', () => {
  it('asks for small steps until nothing is left, and again at the next interval', async () => {
    const steps: number[] = []
    let rows = 450
    const store = {
      ...memoryStore(),
      sweep(limit: number) {
        const removed = Math.min(limit, rows)
        rows -= removed
        steps.push(removed)
        return removed
      },
    }
    const sweeper = sweepAtIntervals(store, 480_000, () => {})
    await tenMinutes()
    expect(steps).toEqual([200, 200, 50])
    rows = 1
    await tenMinutes()
    expect(steps).toEqual([200, 200, 50, 1])
    await sweeper.stop()
    rows = 5
    await tenMinutes()
    expect(rows).toBe(5)
  })

  it('tells how many rows each round removed, also one that failed, and nothing of idle ones', async () => {
    const told: unknown[] = []
    const listen = (message: unknown) => told.push(message)
    subscribe('sessd:session', listen)
    onTestFinished(() => void unsubscribe('sessd:session', listen))
    const answers = [200, 50, 0, 200, new Error('away')]
    const store = {
      ...memoryStore(),
      sweep() {
        const answer = answers.shift() ?? 0
        if (answer instanceof Error) throw answer
        return answer
      },
    }
    const sweeper = sweepAtIntervals(store, 480_000, () => {})
    for (let round = 0; round < 3; round++) await tenMinutes()
    expect(told).toEqual([
      { type: 'swept', count: 250 },
      { type: 'swept', count: 200 },
    ])
    await sweeper.stop()
  })

  it('goes on after a failure', async () => {
    const errors: unknown[] = []
    const away = new Error('away')
    const store = { ...memoryStore(), sweep: () => Promise.reject(away) }
    const sweeper = sweepAtIntervals(store, 480_000, (error) => errors.push(error))
    await tenMinutes()
    await tenMinutes()
    expect(errors).toEqual([away, away])
    await sweeper.stop()
  })
})
