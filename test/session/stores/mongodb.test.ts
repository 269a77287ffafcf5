import { randomBytes } from 'node:crypto'
import { MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, test } from 'vitest'
import { OptionError } from '../../../src/config/errors.js'
import { type MongodbStoreOptions, mongodbStore } from '../../../src/session/stores/mongodb.js'
import { storeConformance } from '../../../src/session/testing.js'
import { type MongoFake, startMongoFake } from '../../support/mongo-fake.js'
import { fakeServer, untilItFails, untilItWorks } from '../../support/tcp.js'

const forever = { expiresAt: null, expected: null }

/** A store that is closed after the test. */
function open(given: MongodbStoreOptions) {
  const store = mongodbStore(given)
  onTestFinished(() => store.close?.())
  return store
}

/** The suite, on a collection of its own for each test. */
function conforms(url: () => string, variant: Partial<MongodbStoreOptions> = {}): void {
  let collection: string
  const reopen = (clock: () => number) => mongodbStore({ url: url(), collection, clock, ...variant })
  storeConformance({
    describe,
    it,
    open(clock) {
      collection = `test_${randomBytes(8).toString('hex')}`
      return reopen(clock)
    },
    reopen,
  })
}

describe('with the real driver, on a server that is none', () => {
  let fake: MongoFake
  beforeAll(async () => {
    fake = await startMongoFake()
  })
  afterAll(() => fake.kill())

  describe('conforms', () => conforms(() => fake.url))
  describe("conforms in Beaker's documents", () => conforms(() => fake.url, { beaker: true }))

  test('keeps a document for a row, which a TTL index removes', async () => {
    const store = open({ url: fake.url })
    const expiresAt = Date.now() + 60_000
    await store.save('span', Buffer.from('row'), { expiresAt, expected: null })
    await store.save('ever', Buffer.from('row'), forever)
    expect(fake.documents('sessd_sessions')).toEqual([
      { _id: 'span', payload: Buffer.from('row'), expiresAt: new Date(expiresAt) },
      { _id: 'ever', payload: Buffer.from('row'), expiresAt: null },
    ])
    expect(fake.indexes).toContainEqual({
      name: 'expiresAt_1',
      key: { expiresAt: 1 },
      expireAfterSeconds: 0,
    })
  })

  test('keeps what Beaker keeps, where Beaker looks for it', async () => {
    const store = open({ url: fake.url, beaker: true })
    const expiresAt = Date.now() + 60_000
    await store.save('6937c6a0', Buffer.from('pickle'), { expiresAt, expected: null })
    expect(fake.documents('backer_cache')).toEqual([
      { _id: '6937c6a0:session', value: Buffer.from('pickle'), expiration: expiresAt / 1000 },
    ])
  })

  test('needs one round trip to load, save, touch and delete, and two on conflict', async () => {
    const store = open({ url: fake.url, collection: 'trips' })
    await store.ping?.()
    const commands = async (work: () => unknown) => {
      const before = fake.commands.length
      await work()
      return fake.commands.slice(before)
    }
    const save = (expected: Buffer | null) => () =>
      store.save('abc', Buffer.from('one'), { expiresAt: null, expected })
    expect(await commands(save(null))).toEqual(['update'])
    expect(await commands(() => store.load('abc'))).toEqual(['find'])
    expect(await commands(save(Buffer.from('one')))).toEqual(['update'])
    expect(await commands(save(Buffer.from('two')))).toEqual(['update', 'find'])
    expect(await commands(() => store.touch?.('abc', null))).toEqual(['update'])
    expect(await commands(() => store.delete('abc'))).toEqual(['delete'])
  })

  test('keeps a row that was set aside for a week, for somebody to look at', async () => {
    const store = open({ url: fake.url, collection: 'aside', clock: () => 1000 })
    await store.save('broken', Buffer.from('what is it'), forever)
    await store.setAside?.('broken')
    expect(fake.documents('aside')).toEqual([
      { _id: 'broken.corrupt', payload: Buffer.from('what is it'), expiresAt: new Date(604_801_000) },
    ])
  })

  test('takes a document that is no row for none', async () => {
    const client = await new MongoClient(fake.url).connect()
    onTestFinished(() => client.close())
    const rows = client.db().collection<{ _id: string }>('foreign')
    await rows.updateOne({ _id: 'abc' }, { $set: { of: 'others' } }, { upsert: true })
    expect(await open({ url: fake.url, collection: 'foreign' }).load('abc')).toBe(null)
  })
})

describe('when the server fails', () => {
  let fake: MongoFake
  let name: string
  beforeAll(async () => {
    fake = await startMongoFake()
    name = `MongoDB at 127.0.0.1:${fake.port}`
  })
  afterAll(() => fake.kill())

  test('rejects while it is away, and goes on when it is back', async () => {
    const store = open({ url: fake.url, timeout: 300 })
    await store.save('abc', Buffer.from('one'), forever)
    await fake.kill()
    await untilItFails(() => store.load('abc'), `${name}: no answer within 300 ms`)
    await fake.restart()
    expect((await untilItWorks(() => store.load('abc')))?.payload).toEqual(Buffer.from('one'))
  })

  test('goes on when it comes up after the store', async () => {
    await fake.kill()
    const store = open({ url: fake.url, timeout: 200 })
    await expect(store.load('abc')).rejects.toThrow(name)
    await fake.restart()
    await untilItWorks(() => store.ping?.())
  })

  test('rejects what is not answered in time, and goes on afterwards', async () => {
    const store = open({ url: fake.url, timeout: 300 })
    await store.ping?.()
    fake.pause()
    const asked = Array.from({ length: 20 }, async () => store.load('paused'))
    for (const result of await Promise.allSettled(asked)) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { message: `${name}: no answer within 300 ms` },
      })
    }
    fake.resume()
    expect(await untilItWorks(() => store.load('paused'))).toBe(null)
  })

  test('closes in time though nothing answers', async () => {
    const address = await fakeServer(() => {})
    const store = mongodbStore({ url: `mongodb://u:geheim@${address}/test`, timeout: 200 })
    const asked = Promise.allSettled([store.load('abc')])
    await store.close?.()
    expect(await asked).toMatchObject([
      { reason: { message: expect.stringContaining(`MongoDB at ${address}: `) } },
    ])
    await expect(store.load('abc')).rejects.toThrow(new Error('the MongoDB store is closed'))
  })
})

const real = process.env.SESSD_TEST_MONGODB_URL
if (real !== undefined) {
  describe('on the real server of SESSD_TEST_MONGODB_URL', () => {
    afterAll(async () => {
      const client = await new MongoClient(real).connect()
      for (const { name } of await client.db().listCollections().toArray()) {
        if (name.startsWith('test_')) await client.db().dropCollection(name)
      }
      await client.close()
    })
    describe('conforms', () => conforms(() => real))
    describe("conforms in Beaker's documents", () => conforms(() => real, { beaker: true }))
  })
}

test.each([
  'mongodb://host',
  'mongodb://u:geheim@host:27017',
  'http://host/db',
  'mongodb://u:ge/heim@host/db',
])('refuses %s, and prints no password', (url) => {
  expect(() => mongodbStore({ url })).toThrow(
    new OptionError(
      'url',
      'expected mongodb://user:password@host:27017/database or mongodb+srv://…, with %40 for @, %3A for : and ' +
        '%2F for / in user and password',
    ),
  )
})
