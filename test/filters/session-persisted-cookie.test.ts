// What is stored by persist() needs its cookie as much as what is stored by save(), whoever writes cookies behind it.

import { expect, it, onTestFinished } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { Session } from '../../src/session/session.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'
import { slowStore } from '../support/slow-store.js'

type Work = (session: Session) => unknown

/** `login` is of a visitor without a session, the others of one with. */
const works: [string, Work][] = [
  ['a login', (session) => session.set('user', 'bob').save()],
  ['a new id', (session) => session.regenerateId()],
  [
    'a session in place of an ended one',
    (session) => {
      session.delete()
      session.set('user', 'eve').save()
    },
  ],
]

const stores = [
  ['at once', () => memoryStore()],
  ['slowly', () => slowStore(memoryStore())],
] as const

it.each(works.flatMap(([what, work]) => stores.map(([how, makeStore]) => ({ what, how, work, makeStore }))))(
  '$what that is persisted $how is the client’s, though the app behind it sets our cookie',
  async (given) => {
    const filter = beakerSession({
      secret: 'a secret of more than thirty-two characters',
      key: 'sid',
      store: given.makeStore(),
    })
    onTestFinished(async () => filter.close?.())
    const { visitor } = await serve(
      filter(async (req, res) => {
        const session = await getSession(req)
        if (req.url === '/begin') session.set('n', 1).save()
        if (req.url === '/persist') {
          given.work(session)
          await session.persist()
          res.setHeader('Set-Cookie', 'sid=theirs; Path=/')
        }
        res.end(session.id)
      }),
    )
    const bob = visitor()
    if (given.what !== 'a login') await bob.get('/begin')
    const id = await bob.get('/persist')
    expect(await bob.get('/')).toBe(id)
  },
)
