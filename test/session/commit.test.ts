// commit() of one session of one request, with a store that answers when it is told to: what was asked for is stored, in
// the order in which it was asked for, also when a save before it fails.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sessdCodec } from '../../src/session/codecs/sessd.js'
import { Session } from '../../src/session/session.js'
import { makeSigner } from '../../src/session/signer.js'
import type { SessionStore } from '../../src/session/store.js'
import { StoredSessions } from '../../src/session/stored-sessions.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { plainSettings } from '../support/session-settings.js'

/** A store whose operations take effect, or fail, one at a time, when `step` is called. */
function steppedStore() {
  const rows = memoryStore()
  const waiting: ((fails: boolean) => void)[] = []
  const later = <R>(work: () => R) =>
    new Promise<R>((resolve, reject) =>
      waiting.push((fails) => {
        if (fails) reject(new Error('away'))
        else resolve(work())
      }),
    )
  const store: SessionStore = {
    scope: 'network',
    load: (id) => rows.load(id),
    save: (...args) => later(() => rows.save(...args)),
    delete: (id) => later(() => rows.delete(id)),
  }
  return { rows, store, waiting }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(setImmediate)
}

const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      key: fc.constantFrom('a', 'b'),
      value: fc.nat(9),
    }),
  },
  fc.record({ do: fc.constant('unset' as const), key: fc.constantFrom('a', 'b') }),
  fc.record({ do: fc.constantFrom('clear' as const, 'delete' as const, 'regenerate' as const) }),
  { weight: 3, arbitrary: fc.record({ do: fc.constant('persist' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('step' as const), fails: fc.boolean() }) },
)

it('after any mix of changes, ends and failed saves a last persist() stores exactly what the session says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
      const { rows, store, waiting } = steppedStore()
      const engine = new StoredSessions<string>({
        store,
        codec: sessdCodec,
        signer: makeSigner('sid', ['a secret of some length']),
        settings: plainSettings,
        clock: () => 1_700_000_000_000,
        lockLimit: 1000,
      })
      const state = engine.create()
      const session = new Session(state)
      for (const what of actions) {
        if (what.do === 'set') session.set(what.key, what.value)
        else if (what.do === 'unset') session.unset(what.key)
        else if (what.do === 'clear') session.clear()
        else if (what.do === 'persist') session.persist().catch(() => {})
        else if (what.do === 'step') {
          waiting.shift()?.(what.fails)
          await settle()
        } else if (what.do === 'delete') session.delete()
        else session.regenerateId()
      }
      const last = session.persist()
      let over = false
      const end = () => {
        over = true
      }
      last.then(end, end)
      for (let steps = 0; !over; steps++) {
        expect(steps).toBeLessThan(200)
        waiting.shift()?.(false)
        await settle()
      }
      await last
      while (waiting.length > 0) {
        waiting.shift()!(false)
        await settle()
      }
      const found = await engine.find(session.id)
      expect(found).not.toBeNull()
      expect(new Session(found!).toJSON()).toEqual(session.toJSON())
      // Nothing is left under any id that it had before.
      const left: string[] = []
      for await (const id of rows.ids!()) left.push(id)
      expect(left).toEqual([session.id])
    }),
    { numRuns: 300 },
  )
})
