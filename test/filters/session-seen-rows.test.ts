// A process reads what it wrote itself from its memory, as long as the store still has the same bytes: nobody can tell.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import type { Session } from '../../src/session/session.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'

type Options = Parameters<typeof beakerSession>[0]

const secret = 'a secret of more than thirty-two characters'
const formats: [string, Partial<Options>][] = [
  ['sessd', {}],
  ['sessd with hash_ids', { hash_ids: true }],
  ['sessd with encrypt_key', { encrypt_key: secret }],
  ['beaker', { format: 'beaker' }],
  ['beaker with data_serializer = json', { format: 'beaker', data_serializer: 'json' }],
  [
    'beaker with encrypt_key',
    { format: 'beaker', encrypt_key: secret, validate_key: secret, crypto_type: 'cryptography' },
  ],
  ['beaker-1.11', { format: 'beaker-1.11' }],
]

const key = fc.oneof(fc.constantFrom('a', 'b', 'c', '__proto__', 'save', ''), fc.string({ unit: 'binary' }))
const step = fc.oneof(
  fc.record({
    do: fc.constant('set' as const),
    key,
    value: fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 }),
  }),
  fc.record({ do: fc.constant('unset' as const), key }),
  fc.record({ do: fc.constant('push' as const), key }),
  fc.constant({ do: 'clear' as const }),
  fc.record({ do: fc.constant('path' as const), path: fc.constantFrom('/', '/a') }),
)

function take(session: Session, what: typeof step extends fc.Arbitrary<infer S> ? S : never): void {
  if (what.do === 'set') session.set(what.key, what.value)
  else if (what.do === 'unset') session.unset(what.key)
  else if (what.do === 'path') session.path = what.path
  else if (what.do === 'clear') session.clear()
  else session.update(what.key, (list) => [...(Array.isArray(list) ? list : []), { n: 1 }])
  session.save()
}

it.each(formats)(
  'format = %s: who wrote a row and who reads it for the first time see the same',
  async (_name, given) => {
    let now = 1_700_000_000_123
    const store = memoryStore({ clock: () => now })
    const sites = await Promise.all(
      [0, 1].map(async () => {
        const options = { secret, key: 'sid', store, clock: () => now, timeout: 1800, ...given } as Options
        let work: (session: Session) => unknown = () => {}
        const app: App = async (req, res) => {
          const session = await getSession(req)
          const result = work(session)
          res.end(JSON.stringify(result ?? null))
        }
        const { visitor } = await serve(beakerSession(options)(app))
        return { visitor, use: (next: typeof work) => (work = next) }
      }),
    )
    const [own, other] = sites as [(typeof sites)[0], (typeof sites)[0]]
    const seen = (session: Session) => ({
      id: session.id,
      data: [...session.entries()],
      created: Math.round(session.created! * 1000),
      accessed: Math.round(session.lastAccessed! * 1000),
      domain: session.domain,
      path: session.path,
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 3 }), { minLength: 2, maxLength: 4 }),
        async (requests) => {
          const bob = own.visitor()
          own.use((session) => session.set('first', 1).save())
          await bob.get('/')
          for (const steps of requests) {
            now += 1237
            own.use((session) => {
              for (const what of steps) take(session, what)
            })
            expect(await bob.get('/')).toBe('null')
            own.use(seen)
            const ours = JSON.parse(await bob.get('/'))
            other.use(seen)
            // This one has never seen these bytes.
            const { cookie } = bob
            const response = await other.visitor().fetch('/', { headers: { cookie } })
            expect(await response.json()).toEqual(ours)
          }
        },
      ),
      { numRuns: 25 },
    )
  },
)
