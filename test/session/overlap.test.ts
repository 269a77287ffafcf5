import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CookieTooLong } from '../../src/session/codecs/beaker-cookie.js'
import { sealedCookie } from '../../src/session/codecs/sealed-cookie.js'
import { sessdCodec } from '../../src/session/codecs/sessd.js'
import { CookieSessions } from '../../src/session/cookie-sessions.js'
import { Session } from '../../src/session/session.js'
import type { SessionSettings } from '../../src/session/settings.js'
import { makeSigner } from '../../src/session/signer.js'
import type { Engine, SessionState } from '../../src/session/state.js'
import type { SessionStore } from '../../src/session/store.js'
import { StoredSessions } from '../../src/session/stored-sessions.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { plainSettings } from '../support/session-settings.js'
import { slowStore } from '../support/slow-store.js'

const settings = { ...plainSettings, maxBytes: 1000 }

interface World {
  readonly engine: Engine
  readonly rows: SessionStore
  /** Another request with the cookie of a session. */
  again(state: SessionState): Promise<Request>
  /** A request without a cookie. */
  fresh(): Request
  /** What the next request finds; null: no session. */
  stored(state: SessionState): Promise<Record<string, unknown> | null>
}

interface Request {
  readonly state: SessionState
  readonly session: Session
}

function request(state: SessionState): Request {
  return { state, session: new Session(state) }
}

function world(engine: Engine, rows: SessionStore): World {
  const find = async (cookie: string) => engine.load(engine.verify(cookie))
  return {
    engine,
    rows,
    async again(state) {
      return request(await find(engine.cookieValue(state)))
    },
    fresh: () => request(engine.create()),
    async stored(state) {
      const found = await find(engine.cookieValue(state))
      return found.isNew ? null : new Session(found).toJSON()
    },
  }
}

function inStore(options: { turns?: number; overrides?: Partial<SessionSettings> } = {}): World {
  const rows = memoryStore({ clock: Date.now })
  const engine = new StoredSessions({
    store: options.turns === 0 ? rows : slowStore(rows, options.turns),
    codec: sessdCodec,
    signer: makeSigner('sid', ['a secret of some length']),
    settings: { ...settings, ...options.overrides },
    clock: Date.now,
    lockLimit: 1000,
  })
  return world(engine, rows)
}

function inCookie(): World {
  const rows = memoryStore({ clock: Date.now })
  const engine = new CookieSessions({
    codec: sessdCodec,
    seal: sealedCookie({ name: 'sid', secrets: ['a secret of some length'], encrypt: false }),
    settings,
    clock: Date.now,
    revocations: slowStore(rows),
    maxLength: 500,
  })
  return world(engine, rows)
}

async function countRows(rows: SessionStore): Promise<number> {
  let count = 0
  for await (const _ of rows.ids!()) count++
  return count
}

/** A session in `world` that holds `values`. */
async function begin(world: World, values: Record<string, unknown>): Promise<Request> {
  const made = world.fresh()
  for (const [key, value] of Object.entries(values)) made.session.set(key, value)
  await made.session.persist()
  return world.again(made.state)
}

const increment = (n: unknown) => ((n as number | undefined) ?? 0) + 1

describe.each([
  ['a slow store', () => inStore()],
  ['memory', () => inStore({ turns: 0 })],
  ['a cookie', inCookie],
])('one request that does not wait for what it began, in %s', (_name, make) => {
  it('makes one session of a new one that is stored twice at once', async () => {
    const { fresh, stored, rows } = make()
    const { state, session } = fresh()
    session.set('a', 1)
    const first = session.persist()
    session.set('b', 2)
    await Promise.all([first, session.persist()])
    expect(await stored(state)).toEqual({ a: 1, b: 2 })
    expect(await countRows(rows)).toBeLessThanOrEqual(1)
  })

  it('applies each update once', async () => {
    const world = make()
    const { state, session } = await begin(world, { n: 0 })
    session.update('n', increment)
    const first = session.persist()
    session.update('n', increment)
    const second = session.persist()
    session.update('n', increment)
    await Promise.all([first, second, session.persist()])
    expect(await world.stored(state)).toEqual({ n: 3 })
  })

  it('keeps what it removes while the value is being stored removed', async () => {
    const world = make()
    const { state, session } = await begin(world, {})
    session.set('a', 1)
    const first = session.persist()
    session.unset('a')
    await first
    expect(session.has('a')).toBe(false)
    await session.persist()
    expect(await world.stored(state)).toEqual({})
  })

  it('keeps a second clear() while the first one is being stored', async () => {
    const world = make()
    const { state, session } = await begin(world, { a: 1 })
    session.clear()
    session.set('b', 2)
    const first = session.persist()
    session.clear()
    session.set('c', 3)
    await first
    expect(session.toJSON()).toEqual({ c: 3 })
    await session.persist()
    expect(await world.stored(state)).toEqual({ c: 3 })
  })

  it('stores a value that changes in place while it is being stored', async () => {
    const world = make()
    const { state, session } = await begin(world, { cart: [1], other: 1 })
    const cart = session.update('cart', (list) => [...(list as number[]), 2]) as number[]
    const first = session.persist()
    cart.push(3)
    await first
    cart.push(4)
    await session.persist()
    expect(await world.stored(state)).toEqual({ cart: [1, 2, 3, 4], other: 1 })
  })

  it('stays logged out when it logs out while it is being stored', async () => {
    const world = make()
    for (const isNew of [true, false]) {
      const { state, session } = isNew ? world.fresh() : await begin(world, {})
      session.set('user', 'bob')
      const first = session.persist()
      const before = await world.again(state)
      session.delete()
      await first
      expect(session.toJSON()).toEqual({})
      await session.persist()
      expect(session.toJSON()).toEqual({})
      expect(state.cookie).not.toBe('keep')
      const after = await world.engine.load(world.engine.verify(world.engine.cookieValue(before.state)))
      expect(after.data.get('user')).toBeUndefined()
    }
    expect(await countRows(world.rows)).toBeLessThanOrEqual(4)
  })

  it('leaves one session when it gets a new id while it is being stored', async () => {
    const world = make()
    const { state, session } = await begin(world, { a: 1 })
    const old = await world.again(state)
    session.set('b', 2)
    const first = session.persist()
    session.regenerateId()
    await first
    session.set('c', 3)
    await session.persist()
    expect(await world.stored(old.state)).toBeNull()
    expect(await world.stored(state)).toEqual({ a: 1, b: 2, c: 3 })
    expect(state.cookie).toBe('set')
  })

  it('ends the session when it logs out while it gets a new id', async () => {
    const world = make()
    const { state, session } = await begin(world, { user: 'bob' })
    const old = await world.again(state)
    session.regenerateId()
    const first = session.persist()
    session.delete()
    await first
    await state.commit()
    expect(await world.stored(old.state)).toBeNull()
    expect(state.cookie).toBe('delete')
    expect(session.toJSON()).toEqual({})
  })

  it('keeps its data when it reloads after it asked for a new id', async () => {
    const world = make()
    const { state, session } = await begin(world, { a: 1 })
    const old = await world.again(state)
    session.regenerateId()
    await session.reload()
    expect(session.toJSON()).toEqual({ a: 1 })
    await session.persist()
    expect(await world.stored(state)).toEqual({ a: 1 })
    expect(await world.stored(old.state)).toBeNull()
  })

  it('keeps its data when it reverts after it asked for a new id', async () => {
    const world = make()
    const { state, session } = await begin(world, { a: 1 })
    session.set('a', 2)
    session.regenerateId()
    session.revert()
    await state.commit()
    expect(await world.stored(state)).toEqual({ a: 1 })
  })

  it('does not come back when it logs out while it reloads', async () => {
    const world = make()
    const { state, session } = await begin(world, { user: 'bob' })
    const old = await world.again(state)
    const reloading = session.reload()
    session.delete()
    await reloading
    expect(session.toJSON()).toEqual({})
    await state.commit()
    expect(await world.stored(old.state)).toBeNull()
  })
})

describe.each([
  ['a slow store', () => inStore()],
  ['memory', () => inStore({ turns: 0 })],
])('overlapping requests in %s', (_name, make) => {
  it('lose no message when both take the same one and a third leaves another', async () => {
    const world = make()
    const { session, state } = await begin(world, {})
    session.flash('one')
    await session.persist()
    const [a, b, c] = [await world.again(state), await world.again(state), await world.again(state)]
    expect(a.session.popFlash()).toEqual(['one'])
    await a.session.persist()
    c.session.flash('two')
    await c.session.persist()
    expect(b.session.popFlash()).toEqual(['one'])
    await b.session.persist()
    expect((await world.again(state)).session.peekFlash()).toEqual(['two'])
  })

  it('keep what changed in place after an update when another was first', async () => {
    const world = make()
    const { state } = await begin(world, { cart: ['a'] })
    const [one, other] = [await world.again(state), await world.again(state)]
    const cart = one.session.update('cart', (list) => [...(list as string[]), 'b']) as string[]
    cart.push('c')
    other.session.set('cart', ['theirs'])
    await other.session.persist()
    await one.session.persist()
    expect(await world.stored(state)).toEqual({ cart: ['a', 'b', 'c'] })
  })

  it('reject only the change that throws in update, and store the others', async () => {
    const world = make()
    const { state } = await begin(world, { n: 0 })
    const requests = await Promise.all([0, 1, 2, 3].map(() => world.again(state)))
    const outcomes = requests.map(async ({ session }, index) => {
      session.update('n', (n) => {
        if (index === 2 && n !== 0) throw new Error('not on this')
        return increment(n)
      })
      await session.persist()
    })
    const results = await Promise.allSettled(outcomes)
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(await world.stored(state)).toEqual({ n: 3 })
  })

  it('reject only the change that is too large, and store the others', async () => {
    const world = make()
    const { state } = await begin(world, { n: 0 })
    const requests = await Promise.all([0, 1, 2, 3, 4].map(() => world.again(state)))
    const results = await Promise.allSettled(
      requests.map(({ session }, index) => {
        session.set(`key ${index}`, index === 2 ? 'x'.repeat(2000) : index)
        return session.persist()
      }),
    )
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ])
    expect(await world.stored(state)).toEqual({ n: 0, 'key 0': 0, 'key 1': 1, 'key 3': 3, 'key 4': 4 })
  })
})

describe('a store that fails in the middle', () => {
  /** A store whose `operation` fails as often as told. */
  function failing(rows: SessionStore, operation: 'save' | 'delete') {
    let failures = 0
    let after = 0
    const store: SessionStore = {
      ...slowStore(rows),
      [operation]: async (...args: never[]) => {
        if (after-- <= 0 && failures-- > 0) throw new Error('out of order')
        return (rows[operation] as (...given: never[]) => unknown)(...args)
      },
    }
    const fail = (times: number, skip = 0) => {
      failures = times
      after = skip
    }
    return { store, fail }
  }

  function worldOf(store: SessionStore, rows: SessionStore): World {
    const signer = makeSigner('sid', ['a secret of some length'])
    const clock = Date.now
    return world(
      new StoredSessions({ store, codec: sessdCodec, signer, settings, clock, lockLimit: 1000 }),
      rows,
    )
  }

  it.each([0, 1])(
    'leaves a session that is to be moved where it was, to be moved later (step %i)',
    async (step) => {
      const rows = memoryStore({ clock: Date.now })
      const { store, fail } = failing(rows, 'save')
      const world = worldOf(store, rows)
      const { state, session } = await begin(world, { user: 'bob' })
      const old = await world.again(state)
      session.regenerateId()
      fail(1, step)
      await expect(session.persist()).rejects.toThrow('out of order')
      expect(await world.stored(old.state)).toEqual({ user: 'bob' })
      await session.persist()
      expect(await world.stored(old.state)).toBeNull()
      expect(await world.stored(state)).toEqual({ user: 'bob' })
      await world.engine.close()
      expect(state.cookie).toBe('set')
    },
  )

  it('stores with the next commit what the one before it could not store', async () => {
    const rows = memoryStore({ clock: Date.now })
    const { store, fail } = failing(rows, 'save')
    const world = worldOf(store, rows)
    const { state, session } = await begin(world, { n: 0 })
    session.set('n', 1)
    fail(1)
    const first = session.persist()
    await Promise.allSettled([first, state.commit()])
    await expect(first).rejects.toThrow('out of order')
    expect(await world.stored(state)).toEqual({ n: 1 })
  })

  it('forgets no log-out that failed', async () => {
    const rows = memoryStore({ clock: Date.now })
    const { store, fail } = failing(rows, 'delete')
    const world = worldOf(store, rows)
    const { state, session } = await begin(world, { n: 0 })
    const old = await world.again(state)
    session.delete()
    fail(1)
    await expect(session.persist()).rejects.toThrow('out of order')
    await session.persist()
    expect(await world.stored(old.state)).toBeNull()
  })
})

describe('a session in a cookie', () => {
  it('logs nobody out because the session under its new id can not be stored', async () => {
    const world = inCookie()
    const { state, session } = await begin(world, { user: 'bob' })
    const old = await world.again(state)
    session.set('large', 'x'.repeat(1000))
    session.regenerateId()
    await expect(session.persist()).rejects.toThrow(CookieTooLong)
    expect(await world.stored(old.state)).toEqual({ user: 'bob' })
  })

  it('takes what another request stored along to its new id', async () => {
    const world = inCookie()
    const { state, session } = await begin(world, { user: 'bob' })
    const other = await world.again(state)
    other.session.set('cart', [1])
    await other.session.persist()
    session.regenerateId()
    await session.persist()
    expect(await world.stored(state)).toEqual({ user: 'bob', cart: [1] })
  })
})

describe('random requests in random order', () => {
  const keys = ['a', 'b', '__proto__']
  const who = fc.nat(2)
  const key = fc.constantFrom(...keys)
  const command = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('set' as const), who, key, value: fc.nat(9) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('unset' as const), who, key }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('update' as const), who }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('persist' as const), who }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('clear' as const), who }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('revert' as const), who }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reload' as const), who }) },
  )

  /** What a request did since its last commit, and what it then sees. */
  class Model {
    base = new Map<string, number>()
    steps: ((values: Map<string, number>) => void)[] = []

    get seen(): Map<string, number> {
      const values = new Map(this.base)
      for (const step of this.steps) step(values)
      return values
    }
  }

  it('end where the same requests end one after the other', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const world = inStore({ turns: 0 })
        const { state } = await begin(world, { a: 0, n: 0 })
        let truth = new Map<string, number>([
          ['a', 0],
          ['n', 0],
        ])
        const requests = await Promise.all([0, 1, 2].map(() => world.again(state)))
        const models = requests.map(() => {
          const model = new Model()
          model.base = new Map(truth)
          return model
        })
        for (const step of commands) {
          const { session } = requests[step.who]!
          const model = models[step.who]!
          const before = model.seen
          switch (step.do) {
            case 'set':
              session.set(step.key, step.value)
              model.steps.push((values) => values.set(step.key, step.value))
              break
            case 'unset':
              expect(session.unset(step.key)).toBe(before.has(step.key))
              model.steps.push((values) => values.delete(step.key))
              break
            case 'update':
              session.update('n', increment)
              model.steps.push((values) => values.set('n', (values.get('n') ?? 0) + 1))
              break
            case 'clear':
              session.clear()
              model.steps.push((values) => values.clear())
              break
            case 'revert':
              session.revert()
              model.steps = []
              break
            case 'reload':
              await session.reload()
              model.steps = []
              model.base = new Map(truth)
              break
            case 'persist': {
              await session.persist()
              const changes = isChange(model)
              if (changes) {
                truth = mergeInto(truth, model)
                model.base = new Map(truth)
                model.steps = []
              }
              break
            }
          }
          expect(new Map(session.entries() as Iterable<[string, number]>)).toEqual(model.seen)
        }
        for (const { session } of requests) await session.persist()
        for (const model of models) if (isChange(model)) truth = mergeInto(truth, model)
        expect(new Map(Object.entries((await world.stored(state)) ?? {}))).toEqual(truth)
      }),
      { numRuns: 300 },
    )
  })

  /** Whether commit() has anything to store. */
  function isChange(model: Model): boolean {
    const cleared = model.steps.some((step) => {
      const probe = new Map([['probe', 1]])
      step(probe)
      return !probe.has('probe')
    })
    const { base, seen } = model
    return cleared || [...new Set([...base.keys(), ...seen.keys()])].some((k) => base.get(k) !== seen.get(k))
  }

  /** Ours where we changed it, theirs elsewhere; `n` counts on, as long as nobody but update touched it. */
  function mergeInto(truth: Map<string, number>, model: Model): Map<string, number> {
    let result = new Map(truth)
    const { base, seen } = model
    const cleared = isCleared(model)
    if (cleared) result = new Map()
    for (const k of new Set([...base.keys(), ...seen.keys()])) {
      if (!cleared && base.get(k) === seen.get(k)) continue
      const value = seen.get(k)
      if (value === undefined) result.delete(k)
      else if (k === 'n' && !cleared) result.set('n', (truth.get('n') ?? 0) + (value - (base.get('n') ?? 0)))
      else result.set(k, value)
    }
    return result
  }

  function isCleared(model: Model): boolean {
    return model.steps.some((step) => {
      const probe = new Map([['probe', 1]])
      step(probe)
      return !probe.has('probe')
    })
  }
})
