// One of three masters is gone and nobody takes over: its share of the sessions is away, and no other one.

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createCluster } from '@redis/client'
import { Cluster } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { guardedStore } from '../../../src/session/guarded-store.js'
import type { SessionStore } from '../../../src/session/store.js'
import { type RedisStoreOptions, redisStore } from '../../../src/session/stores/redis.js'
import { slotOf } from '../../../src/session/stores/redis-slots.js'
import { describeWith, redisCli, startRedisCluster, type TestServer } from '../../support/servers.js'
import { untilItWorks } from '../../support/tcp.js'

const PROGRAMS = ['redis-server', 'redis-cli']
/** Of an operation; a busy machine needs its time. */
const timeout = 1000
const forever = { expiresAt: null, expected: null }
const IDS = Array.from({ length: 30 }, (_, index) => `id${index}`)

interface Place {
  readonly store: SessionStore
  readonly servers: readonly TestServer[]
  /** The ids whose rows are on the first server, and those of the others. */
  readonly there: readonly string[]
  readonly elsewhere: readonly string[]
}

/** A cluster of three masters with a row for each id, behind the deadline and the breaker that requests have. */
async function open(given: (servers: readonly TestServer[]) => RedisStoreOptions): Promise<Place> {
  const { servers, stop } = await startRedisCluster({ partial: true })
  onTestFinished(stop)
  const store = guardedStore(redisStore({ timeout, ...given(servers) }), { timeout })
  onTestFinished(() => store.close?.())
  await untilItWorks(() => store.ping?.())
  for (const id of IDS) await store.save(id, Buffer.from(id), forever)
  const keys = (await redisCli(servers[0]!.port, 'keys', '*')).split('\n')
  const there = IDS.filter((id) => keys.includes(`sessd:${id}`))
  return { store, servers, there, elsewhere: IDS.filter((id) => !there.includes(id)) }
}

const byUrl = (servers: readonly TestServer[]): RedisStoreOptions => ({
  url: servers.map(({ address }) => `redis://${address}`).join(','),
})

type Found = ReadonlyMap<string, Set<string>>

/**
 * Asks for all rows again and again, as visitors come: first those that are away, one after the other, then all at once.
 * Answers what was found, by id.
 */
async function askAll({ store, there, elsewhere }: Place): Promise<Found> {
  const found: Found = new Map(IDS.map((id) => [id, new Set()]))
  async function ask(id: string): Promise<void> {
    try {
      found.get(id)!.add(String((await store.load(id))?.payload))
    } catch (error) {
      found.get(id)!.add((error as Error).message)
    }
  }
  for (const id of [...there, ...elsewhere]) await ask(id)
  for (let round = 0; round < 25; round++) {
    await Promise.all(IDS.map(ask))
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return found
}

function expectOnlyThoseAway({ there, elsewhere }: Place, found: Found) {
  for (const id of elsewhere) expect([...found.get(id)!]).toEqual([id])
  for (const id of there) {
    const answers = [...found.get(id)!]
    expect(answers).not.toContain(id)
    expect(answers).toContainEqual(expect.stringMatching(/^the session store is away: /))
  }
}

describeWith(PROGRAMS, 'when one of three masters is gone, only its sessions are away:', () => {
  test('it is killed', async () => {
    const place = await open(byUrl)
    await place.servers[0]!.kill()
    expectOnlyThoseAway(place, await askAll(place))
  })

  test('it is stopped, and no connection breaks', async () => {
    const place = await open(byUrl)
    place.servers[0]!.pause()
    expectOnlyThoseAway(place, await askAll(place))
  })

  test('it was killed before anybody asked', async () => {
    const place = await open(byUrl)
    await place.servers[0]!.kill()
    const store = guardedStore(redisStore({ ...byUrl(place.servers), timeout }), { timeout })
    onTestFinished(() => store.close?.())
    // The others first: as long as nothing ever answered, nobody knows who has what.
    for (const id of place.elsewhere) await store.load(id)
    const fresh = { ...place, store }
    expectOnlyThoseAway(fresh, await askAll(fresh))
  })

  test.each([
    [
      '@redis/client',
      async ({ port }: TestServer) => {
        const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] })
        client.on('error', () => {})
        await client.connect()
        return { client, close: () => client.destroy() }
      },
    ],
    [
      'ioredis',
      async ({ port }: TestServer) => {
        const client = new Cluster([{ host: '127.0.0.1', port }])
        client.on('error', () => {})
        return { client, close: () => client.disconnect() }
      },
    ],
  ])('with a cluster client of %s that the app brings', async (_name, connect) => {
    const place = await open(byUrl)
    const { client, close } = await connect(place.servers[1]!)
    onTestFinished(() => void close())
    const store = guardedStore(redisStore({ client, timeout }), { timeout })
    const own = { ...place, store }
    for (const id of IDS) await store.load(id)
    await place.servers[0]!.kill()
    expectOnlyThoseAway(own, await askAll(own))
  })

  test('and they are back with it, which is told', async () => {
    const place = await open(byUrl)
    const told: string[] = []
    const listen = (message: unknown) => {
      const { type, shard } = message as { type: string; shard?: string }
      told.push(`${type} ${shard}`)
    }
    subscribe('sessd:session', listen)
    onTestFinished(() => void unsubscribe('sessd:session', listen))
    const [first] = place.servers
    await first!.kill()
    await askAll(place)
    await first!.restart()
    await untilItWorks(() => place.store.load(place.there[0]!))
    expect(told).toEqual([`shard-away ${first!.address}`, `shard-back ${first!.address}`])
  })
})

describeWith(PROGRAMS, 'while slots of a cluster move', () => {
  /** A store that has asked every node, an id, and the nodes between which its slot is to move. */
  async function moving() {
    const { servers, stop } = await startRedisCluster()
    onTestFinished(stop)
    const store = redisStore(byUrl(servers))
    onTestFinished(() => store.close?.())
    for (const id of IDS) await store.load(id)
    const id = 'moved'
    const slot = slotOf(`sessd:${id}`)
    const names = await Promise.all(servers.map(({ port }) => redisCli(port, 'cluster', 'myid')))
    const owner = servers.findIndex(({ address }) => address === store.shardOf?.(id))
    const other = (owner + 1) % 3
    const setSlot = (index: number, ...how: string[]) =>
      redisCli(servers[index]!.port, 'cluster', 'setslot', String(slot), ...how)
    return { store, id, names, owner, other, setSlot, target: servers[other]! }
  }

  test('follows a row to the node that has its slot now', async () => {
    const { store, id, names, owner, other, setSlot, target } = await moving()
    for (const index of [other, owner, (other + 1) % 3]) await setSlot(index, 'node', names[other]!)
    expect(await store.save(id, Buffer.from('row'), forever)).toMatchObject({ saved: true })
    expect(await redisCli(target.port, 'get', `sessd:${id}`)).toBe('row')
    expect(store.shardOf?.(id)).toBe(target.address)
  })

  test('asks the node that a slot is on its way to', async () => {
    const { store, id, names, owner, other, setSlot } = await moving()
    await setSlot(other, 'importing', names[owner]!)
    await setSlot(owner, 'migrating', names[other]!)
    expect(await store.save(id, Buffer.from('row'), forever)).toMatchObject({ saved: true })
    expect((await store.load(id))?.payload).toEqual(Buffer.from('row'))
    await setSlot(other, 'node', names[other]!)
    expect((await store.load(id))?.payload).toEqual(Buffer.from('row'))
  })
})

describeWith(PROGRAMS, 'a slot', () => {
  test('is the one that Redis counts', async () => {
    const { servers, stop } = await startRedisCluster()
    onTestFinished(stop)
    for (const key of [
      '',
      'a',
      'sessd:6937c6a0',
      '{a}b',
      'x{ab}c{d}',
      '{}a',
      'a{b',
      '}a{b}',
      'ä€😀',
      'a{ä}',
    ]) {
      const counted = await redisCli(servers[0]!.port, 'cluster', 'keyslot', key)
      expect([key, slotOf(key)]).toEqual([key, Number(counted)])
    }
  })
})
