import { join } from 'node:path'
import { inspect } from 'node:util'
import { createClient, createCluster } from '@redis/client'
import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { OptionError } from '../../../src/config/errors.js'
import type { SessionStore } from '../../../src/session/store.js'
import { beakerKeys, type RedisStoreOptions, redisStore } from '../../../src/session/stores/redis.js'
import { parseRedisUrl } from '../../../src/session/stores/redis-url.js'
import { realTimeConformance } from '../../support/real-time.js'
import {
  describeWith,
  makeCertificate,
  redisCli,
  type SentinelServers,
  startRedis,
  startRedisCluster,
  startSentinel,
  startTlsRedis,
  type TestServer,
  type TestServers,
  untilReplicated,
} from '../../support/servers.js'
import { fakeServer, relayTo, untilItFails, untilItWorks } from '../../support/tcp.js'

const PROGRAMS = ['redis-server', 'redis-cli']
const forever = { expiresAt: null, expected: null }

/** A store that is closed after the test. */
function open(given: RedisStoreOptions) {
  const store = redisStore(given)
  onTestFinished(() => store.close?.())
  return store
}

/** The store, when it has found out where keys are: what is asked in one turn goes together from then on. */
async function known(store: SessionStore): Promise<SessionStore> {
  for (let turn = 0; turn < 8; turn++) await Promise.all(['warm', 'abc'].map((id) => store.load(id)))
  return store
}

async function collect(ids: AsyncIterable<string> | Iterable<string> | undefined): Promise<string[]> {
  const all: string[] = []
  for await (const id of ids ?? []) all.push(id)
  return all.sort()
}

/** Tries every operation on some rows that are none yet. */
async function expectToWork(store: SessionStore): Promise<void> {
  const ids = Array.from({ length: 10 }, (_, index) => `id${index}`)
  for (const id of ids) {
    const first = await store.save(id, Buffer.from('one'), forever)
    const expected = first.saved ? first.revision : null
    await store.save(id, Buffer.from('two'), { expiresAt: null, expected })
    const late = await store.save(id, Buffer.from('three'), { expiresAt: null, expected })
    expect(late).toMatchObject({ saved: false, current: { payload: Buffer.from('two'), expiresAt: null } })
    expect(await store.touch?.(id, null)).toBe(true)
    expect((await store.load(id))?.payload).toEqual(Buffer.from('two'))
  }
  expect(await collect(store.ids?.())).toEqual(ids)
  await store.setAside?.('id0')
  for (const id of ids) expect(await store.delete(id)).toBe(id !== 'id0')
  await store.ping?.()
}

describeWith(PROGRAMS, 'on a real Redis', () => {
  let server: TestServer
  let url: string
  beforeAll(async () => {
    server = await startRedis()
    url = `redis://${server.address}`
  })
  afterAll(() => server.stop())

  describe('conforms', () => {
    realTimeConformance({ open: (owner) => redisStore({ url, keys: { prefix: `${owner}:` } }) })
  })

  test('works with a client of @redis/client that the app brings, and leaves it open', async () => {
    const client = await createClient({ url }).connect()
    onTestFinished(() => client.destroy())
    const store = redisStore({ client, keys: { prefix: 'brought:' } })
    await expectToWork(store)
    await store.close?.()
    await expect(store.load('abc')).rejects.toThrow(new Error('the Redis store is closed'))
    expect(await client.ping()).toBe('PONG')
  })

  describe('conforms with a client of ioredis that the app brings', () => {
    let client: Redis
    beforeAll(() => {
      client = new Redis(server.port, '127.0.0.1', { keyPrefix: 'app[1]:' })
    })
    afterAll(() => client.disconnect())
    realTimeConformance({ open: (owner) => redisStore({ client, keys: { prefix: `io:${owner}:` } }) })
  })

  test('works with a client of ioredis that sends commands together', async () => {
    const client = new Redis(server.port, '127.0.0.1', { enableAutoPipelining: true })
    onTestFinished(() => client.disconnect())
    await expectToWork(open({ client, keys: { prefix: 'together:' } }))
  })

  test('shows no session in an error, whatever Redis says', async () => {
    const other = await startRedis('--rename-command', 'EVALSHA', '')
    onTestFinished(() => other.stop())
    const client = new Redis(other.port, '127.0.0.1')
    onTestFinished(() => client.disconnect())
    for (const store of [open({ url: `redis://${other.address}` }), open({ client })]) {
      const saving = store.save('abc', Buffer.from('what nobody may see'), {
        expiresAt: null,
        expected: Buffer.from('what nobody may see either'),
      })
      const error: unknown = await Promise.resolve(saving).catch((error: unknown) => error)
      expect(inspect(error)).toMatch(/: ERR unknown command 'EVALSHA'/i)
      expect(inspect(error, { depth: 10 })).not.toMatch(/nobody|sessd:|abc/)
    }
  })

  test('keeps a row under sessd: and its id, for ever or for its span', async () => {
    const store = open({ url })
    await store.save('ever', Buffer.from('row'), forever)
    await store.save('span', Buffer.from('row'), { expiresAt: Date.now() + 60_000, expected: null })
    expect(await redisCli(server.port, 'get', 'sessd:ever')).toBe('row')
    expect(await redisCli(server.port, 'pttl', 'sessd:ever')).toBe('-1')
    const left = Number(await redisCli(server.port, 'pttl', 'sessd:span'))
    expect(left).toBeGreaterThan(50_000)
    expect(left).toBeLessThanOrEqual(60_000)
  })

  test("reads and writes under Beaker's key", async () => {
    const store = open({ url, keys: beakerKeys })
    await redisCli(server.port, 'set', 'beaker_cache:6937c6a0:session', 'python')
    expect((await store.load('6937c6a0'))?.payload).toEqual(Buffer.from('python'))
    expect(await collect(store.ids?.())).toEqual(['6937c6a0'])
  })

  test('takes what Python wrote in between for another version, and shows it', async () => {
    const store = open({ url, keys: beakerKeys })
    const first = await store.save('shared', Buffer.from('ours'), forever)
    if (!first.saved) throw new Error('there is a row already')
    await redisCli(server.port, 'setex', 'beaker_cache:shared:session', '100', 'theirs')
    const result = await store.save('shared', Buffer.from('again'), {
      expiresAt: null,
      expected: first.revision,
    })
    expect(result).toMatchObject({ saved: false, current: { payload: Buffer.from('theirs') } })
    expect(await redisCli(server.port, 'get', 'beaker_cache:shared:session')).toBe('theirs')
  })

  test('saves on when the server has forgotten the script', async () => {
    const store = open({ url })
    const first = await store.save('script', Buffer.from('one'), forever)
    if (!first.saved) throw new Error('there is a row already')
    await redisCli(server.port, 'script', 'flush')
    const second = await store.save('script', Buffer.from('two'), {
      expiresAt: null,
      expected: first.revision,
    })
    expect(second.saved).toBe(true)
  })

  test('needs one round trip to load, save, touch and delete, and one write for all of one turn', async () => {
    const relay = await relayTo(server.port)
    const store = open({ url: `redis://${relay.address}` })
    const trips = async (work: () => unknown): Promise<number> => {
      relay.takePackets()
      await work()
      return relay.takePackets().length
    }
    const expiresAt = Date.now() + 60_000
    const warm = await store.save('warm', Buffer.from('one'), forever)
    await store.save('warm', Buffer.from('one'), {
      expiresAt: null,
      expected: warm.saved ? warm.revision : null,
    })
    expect(await trips(() => store.save('abc', Buffer.from('one'), { expiresAt, expected: null }))).toBe(1)
    const row = await store.load('abc')
    expect(await trips(() => store.load('abc'))).toBe(1)
    expect(await trips(() => store.touch?.('abc', expiresAt))).toBe(1)
    const expected = row?.revision ?? null
    expect(await trips(() => store.save('abc', Buffer.from('two'), { expiresAt, expected }))).toBe(1)
    expect(await trips(() => store.save('abc', Buffer.from('two'), { expiresAt, expected }))).toBe(1)
    expect(await trips(() => store.delete('abc'))).toBe(1)
    await known(store)
    const all = Array.from({ length: 50 }, (_, index) => `id${index}`)
    expect(await trips(() => Promise.all(all.map((id) => store.load(id))))).toBe(1)
  })

  describe('what is asked in one turn', () => {
    /** A store that has asked before, and how many scripts it sends while `work` goes on. */
    async function counted() {
      const relay = await relayTo(server.port)
      const store = await known(open({ url: `redis://${relay.address}`, keys: { prefix: 'turn:' } }))
      const scripts = async (work: () => unknown): Promise<number> => {
        relay.takePackets()
        await work()
        return Buffer.concat(relay.takePackets()).toString('latin1').split('EVALSHA').length - 1
      }
      return { store, scripts }
    }

    test('goes as one command, or as few where it is much', async () => {
      const { store, scripts } = await counted()
      const ids = Array.from({ length: 300 }, (_, index) => `few${index}`)
      const each = (work: (id: string) => unknown) => () => Promise.all(ids.map(work))
      expect(await scripts(each((id) => store.save(id, Buffer.from(id), forever)))).toBe(3)
      expect(await scripts(each((id) => store.load(id)))).toBe(3)
      const long = Buffer.alloc(100_000)
      expect(
        await scripts(() => Promise.all([1, 2, 3, 4, 5].map((n) => store.save(`l${n}`, long, forever)))),
      ).toBe(2)
      // Once it is seen that rows are long, fewer are asked for at a time.
      expect(await scripts(() => Promise.all([1, 2, 3, 4, 5].map((n) => store.load(`l${n}`))))).toBe(1)
      expect(await scripts(() => Promise.all([1, 2, 3, 4, 5].map((n) => store.load(`l${n}`))))).toBe(2)
    })

    test('is done in the order in which it was asked, also on one row', async () => {
      const { store, scripts } = await counted()
      const one = Buffer.from('one')
      const save = (text: string, expected: Buffer | null) =>
        store.save('order', Buffer.from(text), { expiresAt: null, expected })
      const answers: unknown[] = []
      const all = async () => {
        const asked = [
          store.load('order'),
          save('one', null),
          store.load('order'),
          save('other', null),
          save('two', one),
          save('three', one),
          store.load('order'),
          store.touch?.('order', Date.now() + 60_000),
          store.load('order'),
          store.delete('order'),
          store.delete('order'),
          save('four', Buffer.from('two')),
          store.load('order'),
        ]
        answers.push(...(await Promise.all(asked)))
      }
      expect(await scripts(all)).toBe(1)
      const row = (text: string) => ({ payload: Buffer.from(text), expiresAt: null })
      expect(answers).toMatchObject([
        ...[null, { saved: true }, row('one'), { saved: false, current: row('one') }],
        ...[{ saved: true }, { saved: false, current: row('two') }, row('two')],
        ...[true, { payload: Buffer.from('two'), expiresAt: expect.any(Number) }],
        ...[true, false, { saved: false, current: null }, null],
      ])
    })

    test('sees what is set aside in the same turn', async () => {
      const store = await known(open({ url, keys: { prefix: 'turn:' } }))
      const [first, , gone] = await Promise.all([
        store.save('aside', Buffer.from('row'), forever),
        store.setAside?.('aside'),
        store.load('aside'),
      ])
      expect([first.saved, gone]).toEqual([true, null])
    })

    test('fails alone where a key holds something else', async () => {
      const store = await known(open({ url, keys: { prefix: 'turn:' } }))
      await redisCli(server.port, 'lpush', 'turn:list', 'x')
      const answers = await Promise.allSettled([
        store.save('good', Buffer.from('row'), forever),
        store.load('list'),
        store.save('list', Buffer.from('row'), forever),
        store.save('list', Buffer.from('row'), { expiresAt: null, expected: Buffer.from('old') }),
        store.load('good'),
      ])
      const refused = {
        status: 'rejected',
        reason: new Error(
          `redis at ${server.address}: WRONGTYPE Operation against a key holding the wrong kind of value`,
        ),
      }
      expect(answers).toMatchObject([
        { value: { saved: true } },
        ...[refused, refused, refused],
        { value: { payload: Buffer.from('row') } },
      ])
      expect(await redisCli(server.port, 'type', 'turn:list')).toBe('list')
    })

    test('is answered where it only reads, though Redis is full', async () => {
      const full = await startRedis('--maxmemory-policy', 'noeviction')
      onTestFinished(() => full.stop())
      const store = await known(open({ url: `redis://${full.address}` }))
      await store.save('old', Buffer.from('row'), forever)
      await redisCli(full.port, 'config', 'set', 'maxmemory', '1')
      const [saved, loaded, deleted] = await Promise.allSettled([
        store.save('new', Buffer.from('row'), forever),
        store.load('old'),
        store.delete('old'),
      ])
      expect(saved).toMatchObject({
        status: 'rejected',
        reason: {
          message: expect.stringMatching(
            /^redis at \S+: OOM command not allowed when used memory > 'maxmemory'/,
          ),
        },
      })
      expect(loaded).toMatchObject({ value: { payload: Buffer.from('row') } })
      expect(deleted).toMatchObject({ value: true })
    })

    test('is done also when the server has forgotten the script', async () => {
      const { store } = await counted()
      await redisCli(server.port, 'script', 'flush')
      const ids = Array.from({ length: 300 }, (_, index) => `script${index}`)
      const saved = await Promise.all(ids.map((id) => store.save(id, Buffer.from(id), forever)))
      expect(saved.every((result) => result.saved)).toBe(true)
      const rows = await Promise.all(ids.map((id) => store.load(id)))
      expect(rows.map((row) => String(row?.payload))).toEqual(ids)
    })

    /** The server of these tests and another one, for proxies that divide keys among them. */
    async function twoServers() {
      const servers = [server, await startRedis()]
      onTestFinished(() => servers[1]!.stop())
      const clients = servers.map(({ address }) => createClient({ url: `redis://${address}` }))
      for (const client of clients) await client.connect()
      onTestFinished(() => {
        for (const client of clients) client.destroy()
      })
      const sendTo = (which: number, args: readonly (string | Buffer)[], options: object) =>
        clients[which]!.sendCommand([...args], options)
      return { servers, sendTo }
    }

    test('goes by itself behind a proxy that divides keys among servers, and looks at the first of a script', async () => {
      const { servers, sendTo } = await twoServers()
      const proxy = {
        withCommandOptions() {},
        sendCommand(args: readonly (string | Buffer)[], options: object) {
          const key = String(args[/^EVAL/.test(String(args[0])) ? 3 : 1])
          return sendTo(key.charCodeAt(key.length - 1) % 2, args, options)
        },
      }
      const store = await known(open({ client: proxy, keys: { prefix: 'divided:' } }))
      const ids = Array.from({ length: 40 }, (_, index) => `id${index}`)
      for (let turn = 0; turn < 3; turn++) {
        await Promise.all(ids.map((id) => store.save(id, Buffer.from(id), forever)))
      }
      for (const id of ids) expect(String((await store.load(id))?.payload)).toBe(id)
      const removed = await Promise.all([store.load('id0'), ...ids.map((id) => store.delete(id))])
      expect(removed.slice(1)).toEqual(ids.map(() => true))
      for (const { port } of servers) expect(await redisCli(port, 'keys', 'divided:id*')).toBe('')
    })

    test('goes by itself again after a minute, until it is known that one server still has all the keys', async () => {
      const { sendTo } = await twoServers()
      let used = 1
      const proxy = {
        withCommandOptions() {},
        sendCommand(args: readonly (string | Buffer)[], options: object) {
          const key = String(args[/^EVAL/.test(String(args[0])) ? 3 : 1])
          return sendTo(key.charCodeAt(key.length - 1) % used, args, options)
        },
      }
      const store = await known(open({ client: proxy, keys: { prefix: 'later:' } }))
      const now = performance.now.bind(performance)
      const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + 61_000)
      onTestFinished(() => later.mockRestore())
      used = 2
      const ids = Array.from({ length: 40 }, (_, index) => `id${index}`)
      for (let turn = 0; turn < 3; turn++) {
        await Promise.all(ids.map((id) => store.save(id, Buffer.from(id), forever)))
      }
      for (const id of ids) expect(String((await store.load(id))?.payload)).toBe(id)
    })

    test('believes no answer about where keys are that was given before a failure', async () => {
      const { sendTo } = await twoServers()
      let used = 1
      let isAway = false
      const held: (() => void)[] = []
      let isHolding = false
      const proxy = {
        withCommandOptions() {},
        async sendCommand(args: readonly (string | Buffer)[], options: object) {
          if (isAway) throw new Error('the proxy is exchanged')
          const key = String(args[/^EVAL/.test(String(args[0])) ? 3 : 1])
          const answer = await sendTo(key.charCodeAt(key.length - 1) % used, args, options)
          if (isHolding && args[0] === 'GET') await new Promise<void>((resolve) => held.push(resolve))
          return answer
        },
      }
      const store = await known(open({ client: proxy, keys: { prefix: 'doubt:' } }))
      const ids = Array.from({ length: 40 }, (_, index) => `id${index}`)
      const loadAll = () => Promise.allSettled(ids.map((id) => store.load(id)))
      const now = performance.now.bind(performance)
      const later = vi.spyOn(performance, 'now').mockImplementation(() => now() + 61_000)
      onTestFinished(() => later.mockRestore())
      isHolding = true
      await loadAll() // looks where keys are, and hears nothing yet
      await vi.waitFor(() => expect(held.length).toBe(64))
      later.mockRestore()
      isAway = true
      await loadAll()
      await loadAll()
      isAway = false
      isHolding = false
      used = 2
      for (const answer of held) answer()
      for (let turn = 0; turn < 3; turn++) {
        await Promise.all(ids.map((id) => store.save(id, Buffer.from(id), forever)))
      }
      for (const id of ids) expect(String((await store.load(id))?.payload)).toBe(id)
    })

    test('goes by itself again when a script failed, until it is known that one server still has all the keys', async () => {
      const { sendTo } = await twoServers()
      let isAway = false
      let used = 1
      const proxy = {
        withCommandOptions() {},
        sendCommand(args: readonly (string | Buffer)[], options: object) {
          if (isAway) return Promise.reject(new Error('the proxy is exchanged'))
          const key = String(args[/^EVAL/.test(String(args[0])) ? 3 : 1])
          return sendTo(key.charCodeAt(key.length - 1) % used, args, options)
        },
      }
      const store = await known(open({ client: proxy, keys: { prefix: 'grown:' } }))
      const ids = Array.from({ length: 40 }, (_, index) => `id${index}`)
      isAway = true
      const failed = await Promise.allSettled(ids.map((id) => store.load(id)))
      expect(failed.map(({ status }) => status)).toEqual(ids.map(() => 'rejected'))
      isAway = false
      used = 2
      for (let turn = 0; turn < 3; turn++) {
        await Promise.all(ids.map((id) => store.save(id, Buffer.from(id), forever)))
      }
      for (const id of ids) expect(String((await store.load(id))?.payload)).toBe(id)
    })

    test('shows no part of a script in errors of servers before Redis 7', async () => {
      const reason = "@user_script: 46: -READONLY You can't write against a read only replica.\r\n"
      const old = { withCommandOptions() {}, sendCommand: () => Promise.reject(new Error(reason)) }
      await expect(open({ client: old }).load('abc')).rejects.toThrow(
        /^redis: READONLY You can't write against a read only replica\.$/,
      )
    })

    test('is saved before the store closes', async () => {
      const store = redisStore({ url, keys: { prefix: 'turn:' } })
      const saving = store.save('last', Buffer.from('row'), forever)
      await store.close?.()
      expect(await saving).toMatchObject({ saved: true })
      expect(await redisCli(server.port, 'get', 'turn:last')).toBe('row')
    })
  })

  test.each([0, 1, 2048, 2049, 300_000])(
    'replaces a row of %i bytes only as long as it is the same',
    async (length) => {
      const store = open({ url, keys: { prefix: 'length:' } })
      const id = `row${length}`
      const old = Buffer.alloc(length, 0xe4)
      await store.save(id, old, forever)
      const other = Buffer.concat([old.subarray(0, -1), Buffer.from('?')])
      const save = (expected: Buffer) => store.save(id, Buffer.from('new'), { expiresAt: null, expected })
      expect(await save(other)).toMatchObject({ saved: false, current: { payload: old } })
      expect(await save(old)).toMatchObject({ saved: true })
      expect(await save(old)).toMatchObject({ saved: false, current: { payload: Buffer.from('new') } })
    },
  )

  test('goes row by row where a cluster stands behind one address', async () => {
    const { servers, stop } = await startRedisCluster()
    onTestFinished(stop)
    const [{ port, address }] = servers as [TestServer]
    // What is elsewhere it refuses; what is here it has.
    const ids = Array.from({ length: 30 }, (_, index) => `id${index}`)
    const store = open({ url: `redis://${address}` })
    const answers = await Promise.allSettled(ids.map((id) => store.save(id, Buffer.from(id), forever)))
    const kept = ids.filter((_, index) => answers[index]!.status === 'fulfilled')
    expect((await redisCli(port, 'keys', '*')).split('\n').sort()).toEqual(
      kept.map((id) => `sessd:${id}`).sort(),
    )
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason.message] : []))
    expect(refused.length).toBeGreaterThan(0)
    for (const reason of refused) expect(reason).toMatch(/^redis at \S+: MOVED \d+ \S+$/)
    const rows = await Promise.all(kept.map((id) => store.load(id)))
    expect(rows.map((row) => String(row?.payload))).toEqual(kept)
  })

  test('lists its own rows among those of others, whatever stands in the prefix', async () => {
    const store = open({ url, keys: { prefix: 'a*[b]?\\^:' } })
    for (const key of ['a*[b]?\\^:sub:row', 'axb?\\^:row', 'aXbY\\^:row', 'a*[b]?\\^:bad id']) {
      await redisCli(server.port, 'set', key, 'row')
    }
    await store.save('mine', Buffer.from('row'), forever)
    expect(await collect(store.ids?.())).toEqual(['mine'])
  })

  test('keeps a row that was set aside for a week, for somebody to look at', async () => {
    const store = open({ url })
    await store.save('broken', Buffer.from('what is it'), forever)
    await store.setAside?.('broken')
    expect(await redisCli(server.port, 'get', '{sessd:broken}:corrupt')).toBe('what is it')
    expect(Number(await redisCli(server.port, 'ttl', '{sessd:broken}:corrupt'))).toBeGreaterThan(604_700)
  })

  test('says what Redis says, and which one', async () => {
    const store = open({ url })
    await redisCli(server.port, 'lpush', 'sessd:list', 'x')
    await expect(store.load('list')).rejects.toThrow(
      new Error(
        `redis at ${server.address}: WRONGTYPE Operation against a key holding the wrong kind of value`,
      ),
    )
  })

  test('uses the database of the url', async () => {
    const store = open({ url: `${url}/3` })
    await store.save('third', Buffer.from('row'), forever)
    expect(await redisCli(server.port, '-n', '3', 'get', 'sessd:third')).toBe('row')
  })

  test('lets no work wait for a client of the app that is not connected', async () => {
    const client = createClient({ url })
    const store = open({ client, timeout: 200 })
    await expect(store.load('abc')).rejects.toThrow('redis: The client is closed')
    const other = new Redis(1, '127.0.0.1', { lazyConnect: true, retryStrategy: () => 10 })
    other.on('error', () => {})
    onTestFinished(() => other.disconnect())
    await expect(open({ client: other, timeout: 200 }).load('abc')).rejects.toThrow(
      /^redis: (no answer within 200 ms|Reached the max retries.*)$/,
    )
  })
})

describeWith(PROGRAMS, 'on other ways to Redis', () => {
  test('gives user and password, and keeps them out of errors', async () => {
    const server = await startRedis('--requirepass', 'ge/h@eim')
    onTestFinished(() => server.stop())
    await open({ url: `redis://:ge%2Fh%40eim@${server.address}` }).ping?.()
    await open({ url: `redis://default:ge%2Fh%40eim@${server.address}` }).ping?.()
    await expect(open({ url: `redis://default:false@${server.address}` }).ping?.()).rejects.toThrow(
      new Error(`redis at ${server.address}: WRONGPASS invalid username-password pair or user is disabled.`),
    )
    await expect(open({ url: `redis://${server.address}` }).load('abc')).rejects.toThrow(
      `redis at ${server.address}: NOAUTH Authentication required.`,
    )
  })

  test('uses a socket in the file system', async () => {
    const server = await startRedis('--unixsocket', 'redis.sock')
    onTestFinished(() => server.stop())
    const path = join(server.directory, 'redis.sock')
    const store = open({ url: `unix://${path}?db=2` })
    await store.save('abc', Buffer.from('row'), forever)
    expect(await redisCli(server.port, '-n', '2', 'get', 'sessd:abc')).toBe('row')
  })

  test('connects to nothing before it is used', async () => {
    const store = redisStore({ url: 'redis://127.0.0.1:1' })
    await store.close?.()
    await expect(store.load('abc')).rejects.toThrow(new Error('the Redis store is closed'))
  })
})

describeWith([...PROGRAMS, 'openssl'], 'with TLS', () => {
  let server: TestServer
  beforeAll(async () => {
    await makeCertificate()
    server = await startTlsRedis()
  })
  afterAll(() => server.stop())

  test('trusts the certificates that it is told', async () => {
    const store = open({ url: `rediss://${server.address}`, ca: join(server.directory, 'cert.pem') })
    await store.save('abc', Buffer.from('row'), forever)
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('row'))
  })

  test('trusts no others', async () => {
    await expect(open({ url: `rediss://${server.address}` }).ping?.()).rejects.toThrow(
      `redis at ${server.address}: self-signed certificate`,
    )
  })
})

describeWith(PROGRAMS, 'when Redis fails', () => {
  let server: TestServer
  let url: string
  beforeAll(async () => {
    server = await startRedis('--requirepass', 'secret')
    url = `redis://:secret@${server.address}`
  })
  afterAll(() => server.stop())

  test('rejects while it is away, and goes on when it is back', async () => {
    const store = open({ url, timeout: 500 })
    await untilItWorks(() => store.save('abc', Buffer.from('one'), forever))
    await server.kill()
    const refused = `redis at ${server.address}: connect ECONNREFUSED ${server.address}`
    await untilItFails(() => store.load('abc'), refused)
    await expect(store.save('abc', Buffer.from('two'), forever)).rejects.toThrow(refused)
    await server.restart()
    await untilItWorks(() => store.save('abc', Buffer.from('three'), forever))
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('three'))
  })

  test('rejects what is not answered in time, and goes on afterwards', async () => {
    const store = open({ url, timeout: 300 })
    // To connect may take longer than that on a busy machine.
    await untilItWorks(() => store.save('paused', Buffer.from('one'), forever))
    server.pause()
    const late = `redis at ${server.address}: no answer within 300 ms`
    const asked = Array.from({ length: 20 }, async () => store.load('paused'))
    for (const result of await Promise.allSettled(asked)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: late } })
    }
    // Now also connecting is not answered.
    await untilItFails(() => store.load('paused'), late)
    server.resume()
    expect((await untilItWorks(() => store.load('paused')))?.payload).toEqual(Buffer.from('one'))
  })

  test('rejects what was under way when the connection broke', async () => {
    const store = open({ url })
    await store.ping?.()
    server.pause()
    const [asked] = await Promise.all([
      Promise.allSettled([store.load('cut')]),
      new Promise((resolve) => setImmediate(resolve)).then(() => server.kill()),
    ])
    const message = expect.stringMatching(/^redis at 127.0.0.1:\d+: (Socket closed.*|read ECONNRESET)$/)
    expect(asked).toMatchObject([{ status: 'rejected', reason: { message } }])
    await server.restart()
    expect(await untilItWorks(() => store.load('cut'))).toBe(null)
  })

  test('tells each of those in a command that broke, and no other', async () => {
    const store = open({ url, keys: { prefix: 'broke:' } })
    const ids = Array.from({ length: 200 }, (_, index) => `id${index}`)
    await Promise.all(ids.map((id) => store.save(id, Buffer.from('one'), forever)))
    server.pause()
    const expected = Buffer.from('one')
    const asked = Promise.allSettled(
      ids.map(async (id) => store.save(id, Buffer.from('two'), { expiresAt: null, expected })),
    )
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    await server.kill()
    // In what the connection's end is met first, is the system's.
    const message = expect.stringMatching(
      /^redis at 127.0.0.1:\d+: (Socket closed.*|read ECONNRESET|write ECONNRESET|write EPIPE)$/,
    )
    for (const answer of await asked)
      expect(answer).toMatchObject({ status: 'rejected', reason: { message } })
    await server.restart()
    await untilItWorks(() => store.load('id0'))
    const rows = await Promise.all(ids.map((id) => store.load(id)))
    expect(rows).toEqual(ids.map(() => null))
  })

  test('rejects what is no Redis', async () => {
    const address = await fakeServer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
    await expect(open({ url: `redis://${address}`, timeout: 500 }).load('abc')).rejects.toThrow(
      `redis at ${address}: `,
    )
  })

  test('closes in time though nothing answers', async () => {
    const address = await fakeServer(() => {})
    const store = redisStore({ url: `redis://:secret@${address}`, timeout: 200 })
    const asked = Promise.allSettled([store.load('abc')])
    await store.close?.()
    expect(await asked).toMatchObject([
      { reason: { message: `redis at ${address}: no answer within 200 ms` } },
    ])
  })

  test('hangs up when an answer makes no sense, so that nobody gets the answer of another', async () => {
    const server = await startRedis()
    onTestFinished(() => server.stop())
    const relay = await relayTo(server.port)
    const store = open({ url: `redis://${relay.address}` })
    for (const id of ['one', 'two']) await store.save(id, Buffer.from(id), forever)
    relay.weather = 'garbage'
    await expect(store.load('one')).rejects.toThrow(`redis at ${relay.address}: Disconnects client`)
    relay.weather = 'fine'
    expect(await untilItWorks(() => store.load('two'))).toMatchObject({ payload: Buffer.from('two') })
  })

  test('looks anew for a primary when the server has become a replica', async () => {
    const other = await startRedis()
    onTestFinished(() => other.stop())
    const old = await startRedis()
    onTestFinished(() => old.stop())
    const relay = await relayTo(old.port)
    const store = open({ url: `redis://${relay.address}` })
    await store.ping?.()
    await redisCli(old.port, 'replicaof', '127.0.0.1', '1')
    relay.port = other.port
    await expect(store.save('abc', Buffer.from('row'), forever)).rejects.toThrow(
      `redis at ${relay.address}: READONLY You can't write against a read only replica.`,
    )
    expect(await store.save('abc', Buffer.from('row'), forever)).toMatchObject({ saved: true })
    expect(await redisCli(other.port, 'get', 'sessd:abc')).toBe('row')
  })
})

describeWith(PROGRAMS, 'on a cluster', () => {
  let cluster: TestServers
  let url: string
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: true })
    url = `redis://${cluster.servers[0]!.address}`
  })
  afterAll(() => cluster.stop())

  test('hangs up when an answer of one node makes no sense, so that nobody gets the answer of another', async () => {
    const [node] = cluster.servers
    const relay = await relayTo(node!.port)
    const announce = (port: number | string) =>
      redisCli(node!.port, 'config', 'set', 'cluster-announce-port', String(port))
    await announce(relay.address.split(':')[1]!)
    onTestFinished(async () => void (await announce(0)))
    const store = open({ url, cluster: true, keys: { prefix: 'sense:' } })
    const ids = Array.from({ length: 24 }, (_, at) => `row${at}`)
    for (const id of ids) await store.save(id, Buffer.from(id), forever)
    relay.takePackets()
    relay.weather = 'garbage'
    const answers = await Promise.allSettled(ids.map((id) => store.load(id)))
    expect(relay.takePackets()).not.toEqual([])
    const reasons = answers.flatMap((answer) => (answer.status === 'rejected' ? [String(answer.reason)] : []))
    expect(reasons.length).toBeGreaterThan(0)
    expect(reasons.filter((reason) => reason.includes('no answer within'))).toEqual([])
    relay.weather = 'fine'
    for (const id of ids) {
      expect(await untilItWorks(() => store.load(id))).toMatchObject({ payload: Buffer.from(id) })
    }
  })

  describe('conforms', () => {
    realTimeConformance({
      open: (owner) => redisStore({ url, cluster: true, keys: { prefix: `${owner}:` } }),
    })
  })

  test('works with cluster clients that the app brings', async () => {
    const client = createCluster({ rootNodes: [{ url }] })
    await client.connect()
    onTestFinished(() => client.destroy())
    await expectToWork(open({ client, keys: { prefix: 'node:' } }))
    const other = new Cluster([{ host: '127.0.0.1', port: cluster.servers[0]!.port }], { keyPrefix: 'x' })
    onTestFinished(() => other.disconnect())
    await expectToWork(open({ client: other, keys: { prefix: 'io:' } }))
  })

  test('sets rows aside on the node that has them', async () => {
    const store = open({ url, cluster: true })
    for (let index = 0; index < 20; index++) {
      await store.save(`row${index}`, Buffer.from('row'), forever)
      await store.setAside?.(`row${index}`)
    }
    expect(await collect(store.ids?.())).toEqual([])
  })

  test('goes on, with every row, when a node is gone and its replica has taken over', async () => {
    const store = open({ url, cluster: true, timeout: 500, keys: { prefix: 'over:' } })
    const ids = Array.from({ length: 30 }, (_, index) => `id${index}`)
    await Promise.all(ids.map((id) => store.save(id, Buffer.from(id), forever)))
    for (const { port } of cluster.servers.slice(0, 3)) await untilReplicated(port)
    // The node that we were told of.
    await cluster.servers[0]!.kill()
    await untilItWorks(() => Promise.all(ids.map((id) => store.touch?.(id, Date.now() + 60_000))))
    const rows = await Promise.all(ids.map((id) => store.load(id)))
    expect(rows.map((row) => String(row?.payload))).toEqual(ids)
    expect(await collect(store.ids?.())).toEqual(ids.sort())
  })
})

describeWith(PROGRAMS, 'behind sentinels', () => {
  let servers: SentinelServers
  let url: string
  beforeAll(async () => {
    servers = await startSentinel('geheim')
    url = `redis+sentinel://:geheim@127.0.0.1:1,${servers.sentinel.address}/main/0`
  })
  afterAll(() => servers.stop())

  test('goes on when the primary is gone and the replica has taken over', async () => {
    const store = open({ url, timeout: 1000 })
    const first = await store.save('abc', Buffer.from('one'), forever)
    if (!first.saved) throw new Error('there is a row already')
    expect(await collect(store.ids?.())).toEqual(['abc'])
    await untilReplicated(servers.primary.port, '--no-auth-warning', '-a', 'geheim')
    await servers.primary.kill()
    const expected = first.revision
    // What failed because it took too long may have been done all the same.
    await untilItWorks(() => store.save('abc', Buffer.from('two'), { expiresAt: null, expected }))
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('two'))
  })
})

describe('an url', () => {
  const plain = { tls: false, username: undefined, password: undefined, database: 0 }

  test.each([
    ['redis://localhost', { ...plain, kind: 'single', nodes: [{ host: 'localhost', port: 6379 }] }],
    [
      ' rediss://user:p%40ss@[::1]:7000/2 ',
      {
        kind: 'single',
        nodes: [{ host: '::1', port: 7000 }],
        tls: true,
        username: 'user',
        password: 'p@ss',
        database: 2,
      },
    ],
    ['redis://:pw@h/', { ...plain, kind: 'single', nodes: [{ host: 'h', port: 6379 }], password: 'pw' }],
    ['redis://h?db=4', { ...plain, kind: 'single', nodes: [{ host: 'h', port: 6379 }], database: 4 }],
    [
      'redis://:pw@h1:7001,redis://h2:7002, h3',
      {
        ...plain,
        kind: 'cluster',
        nodes: [
          { host: 'h1', port: 7001 },
          { host: 'h2', port: 7002 },
          { host: 'h3', port: 6379 },
        ],
        password: 'pw',
      },
    ],
    [
      'rediss+sentinel://u:p@s1:1000,s2/my%20main/5',
      {
        kind: 'sentinel',
        nodes: [
          { host: 's1', port: 1000 },
          { host: 's2', port: 26_379 },
        ],
        name: 'my main',
        tls: true,
        username: 'u',
        password: 'p',
        database: 5,
      },
    ],
    [
      'unix:///run/redis.sock?db=1',
      { ...plain, kind: 'single', nodes: [], path: '/run/redis.sock', database: 1 },
    ],
  ])('%s says where Redis is', (text, target) => {
    expect(parseRedisUrl(text)).toEqual(target)
  })

  test('that is none is refused without showing it', () => {
    const expected = new OptionError(
      'url',
      'expected redis://user:password@host:port/0 (rediss:// with TLS), several divided by commas for a cluster, ' +
        'redis+sentinel://host:port,host:port/name/0, or unix:///path/of/socket',
    )
    for (const url of [
      ...['', 'localhost', 'redis:', 'redis://', 'http://:geheim@h', 'redis://h:0', 'redis://h:99999'],
      ...[
        'redis://h/x',
        'redis://:geheim@h/0/1',
        'redis://a b',
        'redis://%zz@h',
        'redis://h?password=geheim',
      ],
      ...['redis+sentinel://h', 'redis+sentinel://h/', 'unix://run/redis.sock', 'unix:///', 'redis://h,'],
      `redis://${'x'.repeat(100_000)}!`,
    ]) {
      expect(() => redisStore({ url })).toThrow(expected)
    }
  })

  test('of a cluster has no database', () => {
    expect(() => redisStore({ url: 'redis://h/1', cluster: true })).toThrow(
      'url: a cluster has no database but 0',
    )
  })

  test('or a client is needed, one that is known', () => {
    expect(() => redisStore({})).toThrow('url: missing: where Redis is')
    expect(() => redisStore({ client: {} })).toThrow(
      'client: expected a client of redis or @redis/client (5 or later), ioredis or iovalkey',
    )
  })
})
