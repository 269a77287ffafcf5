import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Link, type Timed, TimerWheel } from '../../../src/session/stores/timer-wheel.js'

class Node implements Timed {
  previous: Link = this
  next: Link = this
  expiresAt: number

  constructor(expiresAt: number) {
    this.expiresAt = expiresAt
  }
}

const HOUR = 3_600_000

/** From milliseconds to years, so that nodes meet in slots, turns and none at all. */
const span = fc.oneof(
  fc.integer({ min: -5000, max: 20_000 }),
  fc.integer({ min: 0, max: 5 * HOUR }),
  fc.integer({ min: 0, max: 10_000 * HOUR }),
  fc.constant(Number.POSITIVE_INFINITY),
)

test('finds what is due and nothing else, whatever is added, moved and taken out, and however time goes', () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant('add' as const), span }),
      fc.record({ do: fc.constant('move' as const), span, which: fc.nat() }),
      fc.record({ do: fc.constant('remove' as const), which: fc.nat() }),
      fc.record({
        do: fc.constant('sweep' as const),
        pass: fc.oneof(span, fc.integer({ min: -HOUR, max: HOUR })),
        limit: fc.oneof(fc.constant(1000), fc.nat({ max: 3 })),
      }),
    ),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, (steps) => {
      let now = 1_700_000_000_000
      const wheel = new TimerWheel<Node>(now)
      const nodes = new Set<Node>()
      const pick = (which: number) => [...nodes][which % nodes.size]
      for (const step of steps) {
        if (step.do === 'add') {
          const node = new Node(now + step.span)
          nodes.add(node)
          wheel.add(node)
        } else if (step.do === 'move' && nodes.size > 0) {
          const node = pick(step.which)!
          const expiresAt = now + step.span
          const earlier = expiresAt < node.expiresAt
          if (earlier) wheel.remove(node)
          node.expiresAt = expiresAt
          if (earlier) wheel.add(node)
        } else if (step.do === 'remove' && nodes.size > 0) {
          const node = pick(step.which)!
          wheel.remove(node)
          nodes.delete(node)
        } else if (step.do === 'sweep') {
          if (Number.isFinite(step.pass)) now += step.pass
          const due = [...nodes].filter((node) => node.expiresAt <= now).length
          const expired = wheel.sweep(now, step.limit, (node) => {
            expect(node.expiresAt).toBeLessThanOrEqual(now)
            expect(nodes.delete(node)).toBe(true)
          })
          expect(expired).toBe(Math.min(due, step.limit))
        }
      }
    }),
    {
      numRuns: 500,
      examples: [
        // The clock jumps by many turns, and is put back before all slots were looked at.
        [
          [
            { do: 'add', span: 0 },
            { do: 'add', span: 2048 },
            { do: 'sweep', pass: 41_940_992, limit: 0 },
            { do: 'sweep', pass: -1, limit: 2 },
          ],
        ],
      ],
    },
  )
})
