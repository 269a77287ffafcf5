import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { guardedStore } from '../../../src/session/guarded-store.js'
import {
  beakerKeys,
  type MemcachedStoreOptions,
  memcachedStore,
} from '../../../src/session/stores/memcached.js'
import { chooseServer, parseServers } from '../../../src/session/stores/memcached-servers.js'
import { realTimeConformance } from '../../support/real-time.js'
import { describeWith, startMemcached, type TestServer } from '../../support/servers.js'
import { fakeServer, relayTo, untilItFails, untilItWorks } from '../../support/tcp.js'

const DAY = 86_400_000
const forever = { expiresAt: null, expected: null }

/** A store that is closed after the test. */
function open(given: MemcachedStoreOptions) {
  const store = memcachedStore(given)
  onTestFinished(() => store.close?.())
  return store
}

describeWith(['memcached'], 'on a real memcached', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startMemcached('-I', '4m')
  })
  afterAll(() => server.stop())

  describe('conforms', () => {
    realTimeConformance({
      open: (owner) =>
        memcachedStore({ servers: server.address, keys: { prefix: `${owner}:` }, maxSize: 2_000_000 }),
      lifespan: 2000,
      late: 1300,
    })
  })

  test('keeps a row under sessd: and its id, without flags', async () => {
    const store = open({ servers: server.address })
    await store.save('named', Buffer.from('row'), forever)
    expect(await raw(server, 'mg sessd:named v f t')).toBe('VA 3 f0 t-1\r\nrow\r\n')
  })

  test("keeps a row under Beaker's key, with the flags of its kind", async () => {
    const store = open({
      servers: server.address,
      keys: beakerKeys,
      flagsFor: (payload) => (payload[0] === 0x80 ? 1 : 16),
    })
    await store.save('text', Buffer.from('eNo='), forever)
    await store.save('pickle', Buffer.from([0x80, 2, 0x7d, 0x2e]), forever)
    expect(await raw(server, 'mg text_session v f t')).toBe('VA 4 f16 t-1\r\neNo=\r\n')
    expect(await raw(server, 'mg pickle_session f t')).toBe('HD f1 t-1\r\n')
  })

  test('reads what Python wrote, and takes it for another version', async () => {
    const store = open({ servers: server.address, keys: beakerKeys })
    const first = await store.save('shared', Buffer.from('ours'), forever)
    await raw(server, 'ms shared_session 6 F16\r\ntheirs')
    const row = await store.load('shared')
    expect(row).toEqual({ payload: Buffer.from('theirs'), revision: row?.revision, expiresAt: null })
    expect(
      await store.save('shared', Buffer.from('again'), {
        expiresAt: null,
        expected: first.saved ? first.revision : null,
      }),
    ).toEqual({ saved: false, current: row })
  })

  test.each([
    ['seconds', 90_500, 91, 92],
    ['nearly thirty days', 30 * DAY - 5000, 2_591_994, 2_591_997],
    ['more than thirty days', 31 * DAY, 2_678_399, 2_678_403],
    ['years', 3650 * DAY, 315_359_999, 315_360_003],
  ])('tells memcached an expiry in %s, never too short', async (_name, span, least, most) => {
    const store = open({ servers: server.address, keys: { prefix: `span${span}:` } })
    await store.save('row', Buffer.from('row'), { expiresAt: Date.now() + span, expected: null })
    const answer = await raw(server, `mg span${span}:row t`)
    const left = Number(/^HD t(-?\d+)/.exec(answer)?.[1])
    expect(left).toBeGreaterThanOrEqual(least)
    expect(left).toBeLessThanOrEqual(most)
  })

  test('never lets a row die in 2038 that shall live on', async () => {
    const store = open({ servers: server.address })
    await store.save('late', Buffer.from('row'), { expiresAt: Date.UTC(2100, 0), expected: null })
    expect(await raw(server, 'mg sessd:late t')).toBe('HD t-1\r\n')
  })

  test('refuses a row that is too large before the server drops the old one', async () => {
    const store = open({ servers: server.address, maxSize: 1000 })
    const first = await store.save('large', Buffer.from('small'), forever)
    if (!first.saved) throw new Error('there is a row already')
    await expect(
      store.save('large', Buffer.alloc(1001), { expiresAt: null, expected: first.revision }),
    ).rejects.toThrow(new RangeError('a session of 1001 bytes: at most 1000 can be stored in memcached'))
    expect((await store.load('large'))?.payload).toEqual(Buffer.from('small'))
  })

  test('says what the server says when that refuses a row', async () => {
    const store = open({ servers: server.address, maxSize: 8_000_000 })
    await expect(store.save('huge', Buffer.alloc(5_000_000), forever)).rejects.toThrow(
      new Error(`memcached at ${server.address}: answered SERVER_ERROR object too large for cache`),
    )
    expect((await store.save('small', Buffer.from('row'), forever)).saved).toBe(true)
  })

  test('takes a revision of another kind for an old one', async () => {
    const store = open({ servers: server.address })
    await store.save('kind', Buffer.from('row'), forever)
    for (const expected of [Buffer.from('1'), '1 T0', '0', '', 1.5]) {
      const result = await store.save('kind', Buffer.from('other'), { expiresAt: null, expected })
      expect(result).toMatchObject({ saved: false, current: { payload: Buffer.from('row') } })
    }
  })

  test('sends what is asked in one turn of the event loop in one write', async () => {
    const relay = await relayTo(server.port)
    const store = open({ servers: relay.address })
    await store.ping?.()
    relay.takePackets()
    await Promise.all(Array.from({ length: 50 }, (_, index) => store.load(`id${index}`)))
    expect(relay.takePackets().length).toBe(1)
  })
})

describeWith(['memcached'], 'when memcached fails', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startMemcached()
  })
  afterAll(() => server.stop())

  test('rejects while it is away, and goes on when it is back', async () => {
    const store = open({ servers: server.address, timeout: 500 })
    await store.save('abc', Buffer.from('one'), forever)
    await server.kill()
    const refused = `memcached at ${server.address}: connect ECONNREFUSED ${server.address}`
    await untilItFails(() => store.load('abc'), refused)
    await expect(store.save('abc', Buffer.from('two'), forever)).rejects.toThrow(refused)
    await server.restart()
    await untilItWorks(() => store.save('abc', Buffer.from('three'), forever))
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('three'))
  })

  test('rejects what is not answered in time, and goes on afterwards', async () => {
    const store = open({ servers: server.address, timeout: 300 })
    await store.save('paused', Buffer.from('one'), forever)
    server.pause()
    const late = `memcached at ${server.address}: no answer within 300 ms`
    const asked = Array.from({ length: 20 }, () => store.load('paused'))
    for (const result of await Promise.allSettled(asked)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: late } })
    }
    server.resume()
    expect((await untilItWorks(() => store.load('paused')))?.payload).toEqual(Buffer.from('one'))
  })

  test('rejects what was under way when the connection broke', async () => {
    const store = open({ servers: server.address })
    await store.ping?.()
    server.pause()
    const [asked] = await Promise.all([
      Promise.allSettled([store.load('cut')]),
      new Promise((resolve) => setImmediate(resolve)).then(() => server.kill()),
    ])
    const message = expect.stringMatching(
      /^memcached at 127.0.0.1:\d+: (the connection was closed|read ECONNRESET)$/,
    )
    expect(asked).toMatchObject([{ status: 'rejected', reason: { message } }])
    await server.restart()
    expect(await untilItWorks(() => store.load('cut'))).toBe(null)
  })
})

describeWith(['memcached'], 'when one of several servers is gone', () => {
  test('only its sessions are away', async () => {
    const servers = [await startMemcached(), await startMemcached()]
    onTestFinished(async () => void (await Promise.all(servers.map((server) => server.stop()))))
    const store = guardedStore(open({ servers: servers.map(({ address }) => address).join(';') }), {
      timeout: 2000,
    })
    const ids = Array.from({ length: 20 }, (_, index) => `id${index}`)
    for (const id of ids) await store.save(id, Buffer.from(id), forever)
    await servers[0]!.kill()
    const found = { there: 0, away: 0, refused: 0 }
    for (const id of [...ids, ...ids]) {
      try {
        expect(String((await store.load(id))?.payload)).toBe(id)
        found.there++
      } catch (error) {
        found.away++
        if ((error as Error).message.startsWith('the session store is away: memcached at ')) found.refused++
      }
    }
    // How many of 20 are on which server depends on its port. Whoever is there, is so both times.
    expect(found.there).toBeGreaterThan(0)
    expect(found.there % 2).toBe(0)
    expect(found.away).toBe(40 - found.there)
    expect(found.refused).toBe(found.away - 5)
  })
})

describe('with several servers', () => {
  test('asks only those that have the row', async () => {
    const asked = [new Set<string>(), new Set<string>(), new Set<string>()]
    const names = await Promise.all(
      asked.map((keys) =>
        fakeServer((socket, line) => {
          const [, key = '', ...words] = line.split(' ')
          keys.add(key)
          socket.write(`EN ${words.at(-1)}\r\n`)
        }),
      ),
    )
    const store = open({ servers: names.join(';') })
    const ids = Array.from({ length: 300 }, (_, index) => `id${index}`)
    for (let round = 0; round < 2; round++) await Promise.all(ids.map((id) => store.load(id)))
    const counts = asked.map((keys) => keys.size)
    expect(counts.reduce((sum, count) => sum + count)).toBe(300)
    for (const count of counts) expect(count).toBeGreaterThan(70)
  })

  test('moves only its share when a server is added', () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => `sessd:${index}`)
    const choice = chooseServer('consistent', ['a:1', 'b:1', 'c:1', 'd:1'])
    const widened = chooseServer('consistent', ['a:1', 'b:1', 'c:1', 'd:1', 'e:1'])
    const moved = keys.filter((key) => choice(key) !== widened(key))
    expect(moved.every((key) => widened(key) === 4)).toBe(true)
    expect(moved.length).toBeGreaterThan(1800)
    expect(moved.length).toBeLessThan(2200)
  })

  // As Python reckons it, with binascii.crc32 and with one_at_a_time of libmemcached's source.
  test.each([
    ['memcache', [0, 1, 4, 5]],
    ['pylibmc', [0, 0, 3, 3]],
  ] as const)('chooses as %s does', (way, expected) => {
    const key = '6937c6a0ab382ba25fd3927aac89f70b_session'
    expect([2, 3, 5, 7].map((count) => chooseServer(way, Array(count).fill('x'))(key))).toEqual(expected)
  })

  test('reads servers as Python writes them', () => {
    expect(parseServers('localhost; 10.0.0.2:11212;inet6:[::1]:11213 ;unix:/run/memcached.sock;')).toEqual([
      { name: 'localhost', where: { host: 'localhost', port: 11211 } },
      { name: '10.0.0.2:11212', where: { host: '10.0.0.2', port: 11212 } },
      { name: 'inet6:[::1]:11213', where: { host: '::1', port: 11213 } },
      { name: 'unix:/run/memcached.sock', where: { path: '/run/memcached.sock' } },
    ])
    for (const text of ['', ';', 'a b', 'host:0', 'host:99999', 'http://host', 'host:1:2', 'unix:']) {
      expect(parseServers(text)).toBe(undefined)
    }
  })
})

describe('when something else answers', () => {
  test.each([
    ['noise', () => 'HTTP/1.1 400 Bad Request\r\n\r\n', 'an answer to another question'],
    ['a line without end', () => 'x'.repeat(5000), 'an answer that is no answer of memcached'],
    ["another one's row", () => 'VA 5 c1 t-1 O99999\r\nalien\r\n', 'an answer to another question'],
    [
      'a value of no size',
      (opaque: string) => `VA x c1 ${opaque}\r\n`,
      'a value that is larger than any session',
    ],
    [
      'a value of any size',
      (opaque: string) => `VA 9999999999 c1 ${opaque}\r\n`,
      'a value that is larger than any session',
    ],
    [
      'a value longer than it says',
      (opaque: string) => `VA 1 c1 ${opaque}\r\nlonger\r\n`,
      'a value that does not end where it should',
    ],
    ['nothing', () => null, 'the connection was closed'],
  ])('rejects %s, and says so', async (_name, answer, reason) => {
    const name = await fakeServer((socket, line) => {
      const text = answer(line.split(' ').at(-1)!)
      if (text === null) socket.end()
      else socket.write(text)
    })
    const store = open({ servers: name })
    const [first, second] = await Promise.allSettled([store.load('abc'), store.load('abd')])
    expect(first).toMatchObject({ reason: { message: `memcached at ${name}: ${reason}` } })
    expect(second).toMatchObject({ reason: { message: `memcached at ${name}: ${reason}` } })
  })

  test('puts an answer together that comes byte by byte', async () => {
    const name = await fakeServer(async (socket, line) => {
      const answer = `VA 4 c7 t-1 ${line.split(' ').at(-1)}\r\nr\r\nw\r\n`
      for (const byte of answer) {
        socket.write(byte)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })
    const store = open({ servers: name })
    expect(await store.load('abc')).toEqual({
      payload: Buffer.from('r\r\nw'),
      revision: '7',
      expiresAt: null,
    })
  })

  test('lets no more wait than a server can be expected to answer', async () => {
    const store = open({ servers: await fakeServer(() => {}), timeout: 1000 })
    const results = await Promise.allSettled(Array.from({ length: 10_001 }, () => store.load('abc')))
    expect(results.at(-1)).toMatchObject({
      reason: { message: expect.stringMatching(/: has too much to answer$/) },
    })
    expect(results.at(-2)).toMatchObject({
      reason: { message: expect.stringMatching(/: no answer within 1000 ms$/) },
    })
  })
})

test.each(['', 'no url', 'http://localhost'])('names the setting when %j are no servers', (servers) => {
  expect(() => memcachedStore({ servers })).toThrow(
    'url: expected servers as in 127.0.0.1:11211;10.0.0.2:11211',
  )
})

test('refuses keys that memcached does not take', () => {
  expect(() => memcachedStore({ servers: 'localhost', keys: { prefix: 'my app:' } })).toThrow(
    'memcached_prefix: expected up to 122 letters, digits and signs, got "my app:"',
  )
})

/** What memcached answers to a command that it gets without us in between. */
async function raw(server: TestServer, command: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  socket.write(`${command}\r\nmn\r\n`, 'latin1')
  let answer = ''
  for await (const chunk of socket) {
    answer += chunk.toString('latin1')
    if (answer.endsWith('MN\r\n')) break
  }
  return answer.slice(0, -4)
}
