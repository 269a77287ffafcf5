import { createHmac } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { SessionStore } from '../../src/session/store.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'
import { slowStore } from '../support/slow-store.js'

const secret = 'a secret of more than thirty-two characters'
const NOW = 1_700_000_000_000

async function site(options: Parameters<typeof beakerSession>[0]) {
  const filter = beakerSession({ secret, key: 'sid', clock: () => NOW, ...options })
  onTestFinished(async () => filter.close?.())
  return serve(
    filter(async (req, res) => {
      const session = await getSession(req)
      if (req.url === '/login') session.set('user', 'bob').save()
      res.end(String(session.get('user')))
    }),
  )
}

async function idsOf(store: SessionStore): Promise<string[]> {
  const ids: string[] = []
  for await (const id of store.ids!()) ids.push(id)
  return ids
}

/** A cookie and a row of express-session. */
async function expressRow(store: SessionStore, row: object): Promise<string> {
  const signature = createHmac('sha256', secret).update('anid').digest('base64').replace(/=+$/, '')
  await store.save('anid', Buffer.from(JSON.stringify(row)), { expiresAt: null, expected: null })
  return encodeURIComponent(`s:anid.${signature}`)
}

describe('a session of another library', () => {
  it.each(['beaker', 'express-session'] as const)(
    'becomes one of ours with the first of several requests, and none of them fails (%s)',
    async (accept) => {
      const store = memoryStore()
      let theirs: string
      if (accept === 'beaker') {
        const old = (await site({ store, format: 'beaker' })).visitor()
        await old.get('/login')
        theirs = old.jar.get('sid')!
      } else {
        theirs = await expressRow(store, { cookie: {}, user: 'bob' })
      }
      const { visitor } = await site({ store: slowStore(store), accept })
      const tabs = [visitor(), visitor(), visitor(), visitor()]
      for (const tab of tabs) tab.jar.set('sid', theirs)
      const answers = await Promise.all(tabs.map((tab) => tab.fetch('/')))
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
      const moved = tabs.filter((tab) => tab.jar.get('sid') !== theirs)
      expect(moved.length).toBe(1)
      expect(await moved[0]!.get('/')).toBe('bob')
      expect((await idsOf(store)).length).toBe(1)
      const late = visitor()
      late.jar.set('sid', theirs)
      expect(await late.get('/')).toBe('undefined')
    },
  )

  it('is not taken over when its cookie is dead', async () => {
    const store = memoryStore()
    const expires = new Date(NOW - 1).toISOString()
    const theirs = await expressRow(store, { cookie: { expires }, user: 'bob' })
    const { visitor } = await site({ store, accept: 'express-session' })
    const bob = visitor()
    bob.jar.set('sid', theirs)
    expect(await bob.get('/')).toBe('undefined')
  })

  it('needs a store: type = cookie is told at load', () => {
    expect(() => beakerSession({ secret, type: 'cookie', accept: 'beaker' })).toThrow(
      'type = cookie keeps no rows: accept needs sessions that are kept in a store',
    )
  })
})

describe('a Beaker cookie that holds a Python object', () => {
  it('is never sent anew, not even when cookies roll', async () => {
    const id = '0123456789abcdef0123456789abcdef'
    const pickle = `(dS'_id'\nS'${id}'\nsS'_creation_time'\nF1699999990.0\nsS'_accessed_time'\nF1699999990.0\nsS'user'\nS'bob'\nsS'since'\ncdatetime\ndate\n(I2026\nI11\nI20\ntRs.`
    const payload = Buffer.from(pickle).toString('base64')
    const value = createHmac('sha1', 'a validation key').update(payload).digest('hex') + payload
    const { visitor } = await site({
      type: 'cookie',
      format: 'beaker',
      validate_key: 'a validation key',
      rolling: true,
    })
    const bob = visitor()
    bob.jar.set('sid', value)
    expect(await bob.get('/')).toBe('bob')
    expect(bob.setCookies).toEqual([])
  })
})
