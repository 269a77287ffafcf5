import { describe, expect, it } from 'vitest'
import type { Codec, Document } from '../../src/session/codec.js'
import { sealedCookie } from '../../src/session/codecs/sealed-cookie.js'
import { sessdCodec } from '../../src/session/codecs/sessd.js'
import { CookieSessions } from '../../src/session/cookie-sessions.js'
import { Session } from '../../src/session/session.js'
import type { Engine } from '../../src/session/state.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { plainSettings } from '../support/session-settings.js'

/** A process whose clock stands still unless it is told otherwise. */
function makeProcess(secrets: readonly [string, ...string[]] = ['a secret of some length']) {
  const time = { now: 1_700_000_000_000 }
  const clock = () => time.now
  let decoded = 0
  const codec: Codec<string> = {
    ...sessdCodec,
    decode(row): Document<string> {
      decoded++
      return sessdCodec.decode(row)
    },
  }
  const engine: Engine = new CookieSessions({
    codec,
    seal: sealedCookie({ name: 'sid', secrets, encrypt: true }),
    settings: { ...plainSettings, timeout: 1_800_000, maxBytes: 1000 },
    clock,
    revocations: memoryStore({ clock }),
    maxLength: 4096,
  })
  const visit = async (cookie: string) => {
    const ticket = engine.verify(cookie)
    const state = ticket === null ? engine.create() : await engine.load(ticket)
    return { state, session: new Session<Record<string, unknown>>(state) }
  }
  return {
    engine,
    time,
    decoded: () => decoded,
    visit,
    /** One request: answers the cookie that it sends. */
    async change(cookie: string, values: Record<string, unknown>) {
      const { state, session } = await visit(cookie)
      for (const [key, value] of Object.entries(values)) session.set(key, value)
      await session.persist()
      return engine.cookieValue(state)
    },
    data: async (cookie: string) => (await visit(cookie)).session.toJSON(),
  }
}

describe('overlapping requests within one millisecond', () => {
  it('both count, on a session that was made just before', async () => {
    const { change, visit, engine, data } = makeProcess()
    const cookie = await change('', { n: 0 })
    const [a, b] = [await visit(cookie), await visit(cookie)]
    a.session.set('a', 1)
    await a.session.persist()
    b.session.set('b', 2)
    await b.session.persist()
    expect(await data(engine.cookieValue(b.state))).toEqual({ n: 0, a: 1, b: 2 })
    expect(await data(engine.cookieValue(a.state))).toEqual({ n: 0, a: 1, b: 2 })
  })

  it('both count, on a session of another process whose clock is ahead', async () => {
    const other = makeProcess()
    other.time.now += 30_000
    const cookie = await other.change('', { n: 0 })
    const { visit, engine, data } = makeProcess()
    const [a, b] = [await visit(cookie), await visit(cookie)]
    a.session.set('a', 1)
    await a.session.persist()
    b.session.set('b', 2)
    await b.session.persist()
    expect(await data(engine.cookieValue(b.state))).toEqual({ n: 0, a: 1, b: 2 })
  })
})

describe('the cookie of a session', () => {
  it('is read once, and not again as long as it stays the same', async () => {
    const { change, data, decoded } = makeProcess()
    const cookie = await change('', { user: 'ann' })
    for (let request = 0; request < 5; request++) expect(await data(cookie)).toEqual({ user: 'ann' })
    expect(decoded()).toBe(1)
  })

  it('is not read at all when it replaces another one', async () => {
    const { change, data, decoded } = makeProcess()
    let cookie = await change('', { n: 0 })
    for (let n = 1; n <= 5; n++) cookie = await change(cookie, { n })
    expect(await data(cookie)).toEqual({ n: 5 })
    expect(decoded()).toBe(1)
  })

  it('brings the newest version when it is older than that', async () => {
    const { change, data } = makeProcess()
    const first = await change('', { n: 0 })
    await change(first, { n: 1 })
    expect(await data(first)).toEqual({ n: 1 })
  })

  it('holds what was loaded last, not what this request stored before', async () => {
    const { change, visit, engine } = makeProcess()
    const cookie = await change('', { n: 0 })
    const { state, session } = await visit(cookie)
    session.set('mine', 1)
    await session.persist()
    await change(cookie, { n: 7 })
    await session.reload()
    const value = engine.cookieValue(state)
    const other = makeProcess()
    expect(await other.data(value)).toEqual({ n: 7, mine: 1 })
  })

  it('is sealed anew when it came under an older secret', async () => {
    const cookie = await makeProcess(['older']).change('', { n: 1 })
    const { visit, engine } = makeProcess(['newer', 'older'])
    const { state } = await visit(cookie)
    expect(state.cookie).toBe('set')
    expect(await makeProcess(['newer']).data(engine.cookieValue(state))).toEqual({ n: 1 })
  })
})

describe('a log-out', () => {
  it('counts for every cookie of the session, read before or not', async () => {
    const { change, data, visit } = makeProcess()
    const unread = await change('', { user: 'ann' })
    const second = await change(unread, { n: 1 })
    const third = await change(second, { n: 2 })
    const { session } = await visit(third)
    session.delete()
    await session.persist()
    for (const cookie of [unread, second, third]) expect(await data(cookie)).toEqual({})
  })

  it('counts for a request that is under way', async () => {
    const { change, data, visit } = makeProcess()
    const cookie = await change('', { user: 'ann' })
    const late = await visit(cookie)
    const { session } = await visit(cookie)
    session.delete()
    await session.persist()
    late.session.set('n', 1)
    await late.session.persist()
    expect(late.state.gone).toBe(true)
    expect(await data(cookie)).toEqual({})
  })

  it('is remembered when thousands of other sessions came since', async () => {
    const { change, data, visit } = makeProcess()
    const cookie = await change('', { user: 'ann' })
    const { session } = await visit(cookie)
    session.delete()
    await session.persist()
    for (let other = 0; other < 5000; other++) await change(await change('', { other }), { other: 0 })
    expect(await data(cookie)).toEqual({})
  })
})
