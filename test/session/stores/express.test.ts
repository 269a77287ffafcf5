import { EventEmitter } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@redis/client'
import { RedisStore } from 'connect-redis'
import session from 'express-session'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { sessdCodec } from '../../../src/session/codecs/sessd.js'
import { type ExpressStore, expressStore, importExpressStore } from '../../../src/session/stores/express.js'
import { storeConformance } from '../../../src/session/testing.js'
import { describeWith, redisCli, startRedis, type TestServer } from '../../support/servers.js'
import { POSTGRES, type SqlTestServer, startPostgres } from '../../support/sql-servers.js'

const forever = { expiresAt: null, expected: null }
const from = import.meta.dirname

describe("express-session's MemoryStore conforms", () => {
  storeConformance({ describe, it, open: (clock) => expressStore(new session.MemoryStore(), { clock }) })
})

describe('memorystore conforms', () => {
  storeConformance({
    describe,
    it,
    open: async (clock) =>
      expressStore(await importExpressStore({ package: 'memorystore', from }), { clock }),
  })
})

describe('session-file-store conforms', () => {
  const directory = mkdtempSync(join(tmpdir(), 'express-'))
  afterAll(() => rmSync(directory, { recursive: true }))
  let count = 0
  storeConformance({
    describe,
    it,
    async open(clock) {
      const options = { path: join(directory, String(++count)), reapInterval: -1 }
      return expressStore(await importExpressStore({ package: 'session-file-store', options, from }), {
        clock,
      })
    },
  })
})

describeWith(['redis-server', 'redis-cli'], 'connect-redis', () => {
  let server: TestServer
  let client: ReturnType<typeof createClient>
  beforeAll(async () => {
    server = await startRedis()
    client = createClient({ url: `redis://${server.address}`, disableOfflineQueue: true })
    client.on('error', () => {})
    await client.connect()
  })
  afterAll(async () => {
    client.destroy()
    await server.stop()
  })

  describe('conforms', () => {
    let count = 0
    storeConformance({
      describe,
      it,
      open: (clock) => expressStore(new RedisStore({ client, prefix: `own${++count}:` }), { clock }),
    })
  })

  test('is told when a row dies', async () => {
    const store = expressStore(new RedisStore({ client }))
    await store.save('abc', Buffer.from('row'), { expiresAt: Date.now() + 90_000, expected: null })
    expect(await redisCli(server.port, 'ttl', 'sess:abc')).toBe('90')
    await store.touch?.('abc', Date.now() + 180_000)
    expect(await redisCli(server.port, 'ttl', 'sess:abc')).toBe('180')
    await store.touch?.('abc', null)
    expect(Number(await redisCli(server.port, 'ttl', 'sess:abc'))).toBeGreaterThan(300_000_000)
  })

  test('keeps what express-session stored alive while it is only read', async () => {
    const store = expressStore(new RedisStore({ client }))
    const row = { cookie: { originalMaxAge: 600_000, expires: new Date(), path: '/' }, user: 'bob' }
    await client.set('sess:old', JSON.stringify(row), { expiration: { type: 'EX', value: 10 } })
    expect(await store.load('old')).not.toBe(null)
    // What the load began is over before the next one has its turn.
    await store.touch?.('old', null)
    expect(Number(await redisCli(server.port, 'ttl', 'sess:old'))).toBeGreaterThan(590)
    expect(JSON.parse((await client.get('sess:old')) ?? '')).toEqual(JSON.parse(JSON.stringify(row)))
  })

  test('rejects while Redis is away, and goes on when it is back', async () => {
    const store = expressStore(new RedisStore({ client }), { timeout: 500 })
    await store.save('away', Buffer.from('one'), forever)
    await server.kill()
    await expect(store.load('away')).rejects.toThrow()
    await expect(store.save('away', Buffer.from('two'), forever)).rejects.toThrow()
    await server.restart()
    await new Promise((resolve) => (client.isReady ? resolve(null) : client.once('ready', resolve)))
    expect((await store.save('away', Buffer.from('three'), forever)).saved).toBe(true)
  })
})

describeWith(POSTGRES, 'connect-pg-simple conforms', () => {
  let server: SqlTestServer
  let pool: Pool
  beforeAll(async () => {
    server = await startPostgres()
    pool = new Pool({ connectionString: server.url })
  })
  afterAll(async () => {
    await pool.end()
    await server.stop()
  })

  storeConformance({
    describe,
    it,
    async open(clock) {
      const options = { pool, createTableIfMissing: true, pruneSessionInterval: false }
      const store = await importExpressStore({ package: 'connect-pg-simple', options, from })
      const wrapped = expressStore(store, { clock })
      await wrapped.ping?.()
      await pool.query('DELETE FROM session')
      return wrapped
    },
  })
})

describe('what is in the store', () => {
  test('is a session to look at, with our row as text', async () => {
    const memory = new session.MemoryStore()
    const store = expressStore(memory)
    const row = sessdCodec.encode({ created: 1, accessed: 2, values: new Map([['user', '"bob"']]) })
    await store.save('text', row, { expiresAt: Date.now() + 60_000, expected: null })
    await store.save('bytes', Buffer.from([0x80, 2, 0x2e]), forever)
    await store.save('nul', Buffer.from('a\0b'), forever)
    const sessions = await stored(memory)
    expect(sessions.text).toMatchObject({
      cookie: { originalMaxAge: expect.any(Number), httpOnly: true, path: '/' },
      sessd: {
        row: '{"sessd":1,"created":1,"accessed":2,"data":{"user":"bob"}}',
        expires: expect.any(Number),
      },
    })
    expect(sessions.bytes).toMatchObject({ sessd: { row: 'gAIu', encoding: 'base64', expires: null } })
    expect(sessions.nul).toMatchObject({ sessd: { row: 'YQBi', encoding: 'base64' } })
  })

  test('may be of express-session: its keys are data, and the first save makes it ours', async () => {
    const memory = new session.MemoryStore()
    const data = JSON.parse('{"user":"bob","cart":[1,2],"__proto__":"odd","sessd":"mine","d":"x"}')
    await express(memory, 'set', 'abc', { cookie: cookie(60_000), ...data, ['__proto__']: 'odd' })
    const time = 1_700_000_000_000
    const store = expressStore(memory, { clock: () => time })
    const row = await store.load('abc')
    const document = sessdCodec.decode(row!.payload)
    expect(document).toMatchObject({ created: time, accessed: time })
    expect([...document.values]).toEqual([
      ['user', '"bob"'],
      ['cart', '[1,2]'],
      ['__proto__', '"odd"'],
      ['sessd', '"mine"'],
      ['d', '"x"'],
    ])
    const payload = sessdCodec.encode({ ...document, values: new Map([['user', '"eve"']]) })
    const saved = await store.save('abc', payload, { expiresAt: time + 60_000, expected: row!.revision })
    expect(saved.saved).toBe(true)
    expect(await store.load('abc')).toMatchObject({ payload, expiresAt: time + 60_000 })
  })

  test('may change before it is ours, which is a conflict', async () => {
    const memory = new session.MemoryStore()
    await express(memory, 'set', 'abc', { cookie: cookie(60_000), user: 'bob' })
    const store = expressStore(memory)
    const row = await store.load('abc')
    await express(memory, 'touch', 'abc', { cookie: cookie(90_000) })
    expect((await store.load('abc'))?.revision).toBe(row?.revision)
    await express(memory, 'set', 'abc', { cookie: cookie(60_000), user: 'eve' })
    const result = await store.save('abc', Buffer.from('{}'), { expiresAt: null, expected: row!.revision })
    expect(result.saved).toBe(false)
    expect(sessdCodec.decode((!result.saved && result.current?.payload) || Buffer.alloc(0)).values).toEqual(
      new Map([['user', '"eve"']]),
    )
  })

  test('is not brought back by keeping it alive, when it was saved or ended meanwhile', async () => {
    const rows = new Map<string, object>()
    // As session-file-store does it: the whole row is read, and written some time later.
    const slow: ExpressStore = {
      get: (id, callback) => setImmediate(callback, null, rows.get(id)),
      set: (id, row, callback) => setImmediate(() => callback(null, void rows.set(id, row))),
      destroy: (id, callback) => setImmediate(() => callback(null, void rows.delete(id))),
      touch(id, { cookie }: { cookie?: unknown }, callback) {
        const row = rows.get(id) ?? {}
        setTimeout(() => callback(null, void rows.set(id, { ...row, cookie })), 20)
      },
    }
    const store = expressStore(slow)
    for (const id of ['saved', 'ended']) rows.set(id, { cookie: cookie(60_000), user: 'bob' })
    const row = await store.load('saved')
    await store.save('saved', Buffer.from('ours'), { expiresAt: null, expected: row!.revision })
    await store.load('ended')
    await store.delete('ended')
    await store.close?.()
    const again = expressStore(slow)
    expect((await again.load('saved'))?.payload).toEqual(Buffer.from('ours'))
    expect(await again.load('ended')).toBe(null)
  })

  test('becomes a row of any format', async () => {
    const memory = new session.MemoryStore()
    await express(memory, 'set', 'abc', { cookie: cookie(60_000), user: 'bob' })
    const store = expressStore(memory, { adopt: (data) => Buffer.from(Object.keys(data).join()) })
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('user'))
  })

  test('may be no session at all', async () => {
    for (const odd of ['text', 17, true, undefined, null]) {
      const store = expressStore({ ...nothing, get: (_id, callback) => callback(null, odd) })
      expect(await store.load('abc')).toBe(null)
    }
    const store = expressStore({ ...nothing, get: (_id, callback) => callback(null, { sessd: { row: 1 } }) })
    expect(sessdCodec.decode((await store.load('abc'))!.payload).values).toEqual(
      new Map([['sessd', '{"row":1}']]),
    )
  })
})

/** A store that has nothing and does nothing. */
const nothing: ExpressStore = {
  get: (_id, callback) => callback(),
  set: (_id, _session, callback) => callback(),
  destroy: (_id, callback) => callback(),
}

describe('a store that misbehaves', () => {
  test('may never call back', async () => {
    const store = expressStore({ ...nothing, get: () => {} }, { timeout: 50 })
    await expect(store.load('abc')).rejects.toThrow(
      new Error('the express-session store did not answer get within 50 ms'),
    )
    await expect(store.save('abc', Buffer.from('row'), forever)).rejects.toThrow('did not answer get')
    await store.close?.()
  })

  test('may call back twice, throw, or reject', async () => {
    const twice: ExpressStore = {
      ...nothing,
      get(_id, callback) {
        callback(null, null)
        callback(new Error('late'))
      },
    }
    expect(await expressStore(twice).load('abc')).toBe(null)
    const broken = () => {
      throw new Error('thrown')
    }
    await expect(expressStore({ ...nothing, get: broken }).load('abc')).rejects.toThrow('thrown')
    const rejecting = async () => broken()
    await expect(expressStore({ ...nothing, get: rejecting }).load('abc')).rejects.toThrow('thrown')
    await expect(
      expressStore({ ...nothing, set: (_id, _session, callback) => callback(new Error('full')) }).save(
        'abc',
        Buffer.from('row'),
        forever,
      ),
    ).rejects.toThrow('full')
  })

  test('may say ENOENT for a session that is not there', async () => {
    const missing = Object.assign(new Error('no such file'), { code: 'ENOENT' })
    const store = expressStore({ ...nothing, get: (_id, callback) => callback(missing) })
    expect(await store.load('abc')).toBe(null)
    expect(await store.delete('abc')).toBe(false)
    expect((await store.save('abc', Buffer.from('row'), forever)).saved).toBe(true)
  })

  test('may lose its server and find it again', async () => {
    const emitter = new EventEmitter()
    const store = expressStore(Object.assign(emitter, nothing))
    emitter.emit('error', new Error('nobody listens to this'))
    emitter.emit('disconnect')
    await expect(store.load('abc')).rejects.toThrow(new Error('the express-session store is disconnected'))
    emitter.emit('connect')
    expect(await store.load('abc')).toBe(null)
  })

  test('may list its sessions in any way, or not at all', async () => {
    const row = { cookie: {}, user: 'bob' }
    const listing = (all: unknown): ExpressStore => ({
      ...nothing,
      get: (_id, callback) => callback(null, row),
      all: (callback) => callback(null, all),
    })
    expect(await collect(expressStore(listing({ abc: row, 'no id': row })).ids?.())).toEqual(['abc'])
    expect(await collect(expressStore(listing([{ ...row, id: 'abd' }])).ids?.())).toEqual(['abd'])
    await expect(collect(expressStore(listing([row])).ids?.())).rejects.toThrow(
      'the express-session store does not tell the ids of its sessions',
    )
    expect(expressStore(nothing).ids).toBe(undefined)
  })

  test('never sees what is no id', async () => {
    const store = expressStore({ ...nothing, get: () => expect.unreachable() })
    for (const id of ['../../x', '', 'a b', 'x'.repeat(129)]) {
      await expect(store.load(id)).rejects.toThrow('session id: expected 1 to 128 of A-Z a-z 0-9 _ -')
    }
  })
})

describe('a package', () => {
  const directory = mkdtempSync(join(tmpdir(), 'packages-'))
  afterAll(() => rmSync(directory, { recursive: true }))

  /** Installs a package, so to say, and answers its name. */
  function install(name: string, source: string, type = 'commonjs'): string {
    const home = join(directory, 'node_modules', name)
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'package.json'), JSON.stringify({ name, type, main: 'index.js' }))
    writeFileSync(join(home, 'index.js'), source)
    return name
  }

  const BODY = `{
    constructor(options) { this.options = options; this.rows = new Map() }
    get(id, callback) { callback(null, this.rows.get(id)) }
    set(id, session, callback) { this.rows.set(id, JSON.parse(JSON.stringify(session))); callback() }
    destroy(id, callback) { this.rows.delete(id); callback() }
  }`

  test.each([
    ['a class', 'commonjs', `module.exports = class ${BODY}`],
    ['a class among others', 'commonjs', `exports.Other = class {}; exports.FineStore = class ${BODY}`],
    ['a default class', 'module', `export default class ${BODY}`],
    ['a named class', 'module', `export class FineStore ${BODY}`],
    ['what makes one of express-session', 'commonjs', `module.exports = (session) => class ${BODY}`],
    [
      'what makes one of its Store',
      'commonjs',
      `module.exports = (Store) => class extends Store ${BODY.replace('{ this', '{ super(); this')}`,
    ],
    [
      'what makes one as it was done in the old days',
      'commonjs',
      `module.exports = function ({ Store }) {
         function Old(options) { Store.call(this, options); this.rows = new Map() }
         require('util').inherits(Old, Store)
         Object.assign(Old.prototype, {
           get(id, callback) { callback(null, this.rows.get(id)) },
           set(id, session, callback) { this.rows.set(id, session); callback() },
           destroy(id, callback) { this.rows.delete(id); callback() },
         })
         return Old
       }`,
    ],
  ])('may give %s', async (title, type, source) => {
    const name = install(title.replaceAll(' ', '-').toLowerCase(), source, type)
    const store = expressStore({ package: name, options: { table: 'x' }, from: directory })
    await store.save('abc', Buffer.from('row'), forever)
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('row'))
    await store.close?.()
    await expect(store.load('abc')).rejects.toThrow(new Error('the express store is closed'))
  })

  test('is given its options, may be named by export, and is closed', async () => {
    const name = install(
      'several',
      `exports.AStore = class ${BODY}
       exports.BStore = class extends exports.AStore { close() { require('fs').writeFileSync(this.options.path, 'closed') } }`,
    )
    const path = join(directory, 'closed')
    const store = expressStore({ package: `${name}#BStore`, options: { path }, from: directory })
    await store.ping?.()
    await store.close?.()
    expect(readFileSync(path, 'utf8')).toBe('closed')
  })

  test('that is missing says what to install', async () => {
    const store = expressStore({ package: 'connect-nothing', from: directory })
    for (let time = 0; time < 2; time++) {
      await expect(store.load('abc')).rejects.toThrow(
        new Error('express:connect-nothing needs the package connect-nothing: npm install connect-nothing'),
      )
    }
  })

  test('that has no store says so', async () => {
    for (const source of ['exports.x = 1', 'module.exports = () => 1', 'module.exports = null']) {
      const name = install(`empty${source.length}`, source)
      await expect(expressStore({ package: name, from: directory }).load('abc')).rejects.toThrow(
        new Error(`express:${name} has no store for express-session: expected a class, or what makes one`),
      )
    }
  })

  test('of express-session itself gives its MemoryStore', async () => {
    const store = expressStore({ package: 'express-session', from })
    await store.save('abc', Buffer.from('row'), forever)
    expect((await store.load('abc'))?.payload).toEqual(Buffer.from('row'))
  })

  test('session-file-store answers at once that there is no session', async () => {
    const path = join(directory, 'files')
    const store = expressStore({ package: 'session-file-store', options: { path }, from })
    expect(await store.load('abc')).toBe(null)
    await store.save('abc', Buffer.from('row'), forever)
    expect(readdirSync(path)).toEqual(['abc.json'])
    await store.close?.()
  })

  test('connect-pg-simple is made without express-session', async () => {
    const options = { conString: 'postgres://127.0.0.1:1/none', pruneSessionInterval: false }
    const store = expressStore({ package: 'connect-pg-simple', options, from })
    await expect(store.load('abc')).rejects.toThrow('ECONNREFUSED')
    await store.close?.()
  })
})

function cookie(maxAge: number): session.Cookie {
  const { Cookie } = createRequire(import.meta.url)('express-session') as {
    Cookie: new (given: object) => session.Cookie
  }
  return new Cookie({ maxAge })
}

/** Calls a store as express-session does. */
function express(
  store: session.MemoryStore,
  method: 'set' | 'touch',
  id: string,
  value: object,
): Promise<void> {
  return new Promise((resolve, reject) => {
    store[method](id, value as session.SessionData, (error?: unknown) =>
      error === undefined || error === null ? resolve() : reject(error),
    )
  })
}

function stored(store: session.MemoryStore): Promise<Record<string, unknown>> {
  return new Promise((resolve) => {
    store.all((_error, sessions) => resolve(sessions as unknown as Record<string, unknown>))
  })
}

async function collect(ids: AsyncIterable<string> | Iterable<string> | undefined): Promise<string[]> {
  const all: string[] = []
  for await (const id of ids ?? []) all.push(id)
  return all
}
