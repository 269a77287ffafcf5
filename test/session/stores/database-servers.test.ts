import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, test } from 'vitest'
import type { SessionStore } from '../../../src/session/store.js'
import { type DatabaseStoreOptions, databaseStore } from '../../../src/session/stores/database.js'
import { storeConformance } from '../../../src/session/testing.js'
import { describeWith, type TestServer } from '../../support/servers.js'
import {
  MARIADB,
  PASSWORD,
  POSTGRES,
  type SqlTestServer,
  startMariadb,
  startPostgres,
  USER,
} from '../../support/sql-servers.js'
import { fakeServer, relayTo, untilItFails, untilItWorks } from '../../support/tcp.js'

const forever = { expiresAt: null, expected: null }

/** A store that is closed after the test. */
function open(given: DatabaseStoreOptions): SessionStore {
  const store = databaseStore(given)
  onTestFinished(() => store.close?.())
  return store
}

let tables = 0
const freshTable = () => `t${++tables}`

/** Many at once, as others come in between. */
async function addKeys(store: SessionStore, id: string, count: number): Promise<number> {
  await store.save(id, Buffer.from('{}'), forever)
  await Promise.all(
    Array.from({ length: count }, async (_, key) => {
      for (let row = await store.load(id); row !== null; ) {
        const changed = { ...JSON.parse(String(row.payload)), [key]: 1 }
        const result = await store.save(id, Buffer.from(JSON.stringify(changed)), {
          expiresAt: null,
          expected: row.revision,
        })
        if (result.saved) return
        row = result.current
      }
    }),
  )
  return Object.keys(JSON.parse(String((await store.load(id))?.payload))).length
}

const servers = [
  { name: 'PostgreSQL', programs: POSTGRES, start: startPostgres, quote: '"' },
  { name: 'MySQL', programs: MARIADB, start: startMariadb, quote: '`' },
]

for (const { name, programs, start, quote } of servers) {
  describeWith(programs, `on a real server: ${name}`, () => {
    let server: SqlTestServer
    let url: string
    beforeAll(async () => {
      server = await start()
      url = server.url
    })
    afterAll(() => server.stop())

    const variants: [string, Partial<DatabaseStoreOptions>][] = [
      ['conforms', {}],
      ['conforms without prepared statements, on few connections', { prepare: false, poolSize: 2 }],
      ["conforms in Beaker's table", { beaker: true, lifetime: 1_800_000 }],
    ]
    describe.each(variants)('%s', (_title, variant) => {
      let table: string
      const reopen = (clock: () => number) => databaseStore({ url, table, poolSize: 4, clock, ...variant })
      storeConformance({
        describe,
        it,
        open(clock) {
          table = freshTable()
          return reopen(clock)
        },
        reopen,
      })
    })

    test('makes the table when it is missing, also when many do so at once', async () => {
      const table = freshTable()
      const stores = Array.from({ length: 8 }, () => open({ url, table, poolSize: 1 }))
      await Promise.all(stores.map((store) => store.ping?.()))
      await Promise.all(stores.map((store, index) => store.save(`id${index}`, Buffer.from('row'), forever)))
      expect(await server.query(`SELECT id FROM ${table} ORDER BY id`)).toHaveLength(8)
    })

    test('makes the table again when somebody dropped it', async () => {
      const table = freshTable()
      const store = open({ url, table })
      await store.save('abc', Buffer.from('row'), forever)
      await server.query(`DROP TABLE ${table}`)
      expect(await store.load('abc')).toBe(null)
      expect(await store.save('abc', Buffer.from('row'), forever)).toMatchObject({ saved: true })
    })

    test('needs one round trip to load and save, two on conflict, and shares it among many', async () => {
      const relay = await relayTo(server.port)
      const relayed = new URL(url)
      relayed.port = relay.address.split(':')[1]!
      const store = open({ url: relayed.href, table: freshTable(), poolSize: 1 })
      const warmUp = async () => {
        const row = await store.save('warm', Buffer.from('one'), forever)
        const expected = row.saved ? row.revision : null
        await store.save('warm', Buffer.from('two'), { expiresAt: null, expected })
        await store.save('warm', Buffer.from('two'), { expiresAt: null, expected })
        await Promise.all(Array.from({ length: 64 }, (_, index) => store.load(`id${index}`)))
        await store.delete('warm')
      }
      await warmUp()
      const trips = async (work: () => unknown): Promise<number> => {
        relay.takePackets()
        await work()
        return relay.takePackets().length
      }
      const save = (payload: string, expected: Buffer | null) => () =>
        store.save('abc', Buffer.from(payload), { expiresAt: null, expected })
      expect(await trips(save('one', null))).toBe(1)
      expect(await trips(() => store.load('abc'))).toBe(1)
      expect(await trips(save('two', Buffer.from('one')))).toBe(1)
      expect(await trips(save('three', Buffer.from('one')))).toBe(2)
      const all = Array.from({ length: 64 }, (_, index) => `id${index}`)
      expect(await trips(() => Promise.all(all.map((id) => store.load(id))))).toBe(1)
    })

    test('keeps a row that was set aside for a week, for somebody to look at', async () => {
      const table = freshTable()
      const store = open({ url, table, clock: () => 1_000 })
      await store.save('broken', Buffer.from('what is it'), forever)
      await store.setAside?.('broken')
      expect(await server.query(`SELECT id, payload, expires_at FROM ${table}`)).toEqual([
        { id: 'broken.corrupt', payload: Buffer.from('what is it'), expires_at: expect.anything() },
      ])
      const [row] = await server.query(`SELECT expires_at FROM ${table}`)
      expect(Number(row?.expires_at)).toBe(604_801_000)
    })

    test('takes what somebody else wrote in between for another version, and shows it', async () => {
      const table = freshTable()
      const store = open({ url, table })
      await store.save('shared', Buffer.from('ours'), forever)
      await server.query(`UPDATE ${table} SET payload = 'theirs' WHERE id = 'shared'`)
      const expected = Buffer.from('ours')
      expect(await store.save('shared', Buffer.from('again'), { expiresAt: null, expected })).toMatchObject({
        saved: false,
        current: { payload: Buffer.from('theirs') },
      })
    })

    test('takes ids that are words of SQL for ids', async () => {
      const store = open({ url, table: freshTable() })
      for (const id of ['NULL', 'null', 'DEFAULT', '-1', '--', '0x00']) {
        const one = Buffer.from(`one of ${id}`)
        expect(await store.save(id, one, forever)).toMatchObject({ saved: true })
        const two = Buffer.from(`two of ${id}`)
        expect(await store.save(id, two, { expiresAt: null, expected: one })).toMatchObject({ saved: true })
        expect(await store.touch?.(id, Date.now() + 60_000)).toBe(true)
        expect((await store.load(id))?.payload).toEqual(two)
        expect(await store.delete(id)).toBe(true)
      }
    })

    test('keeps every byte, and rows without any', async () => {
      const store = open({ url, table: freshTable() })
      const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
      const rows = { all, none: Buffer.alloc(0), one: Buffer.alloc(1) }
      await Promise.all(Object.entries(rows).map(([id, row]) => store.save(id, row, forever)))
      const loads = Object.entries(rows).map(async ([id, row]) => {
        expect((await store.load(id))?.payload).toEqual(row)
        const changed = Buffer.concat([row, row, Buffer.from('x')])
        const result = await store.save(id, changed, { expiresAt: null, expected: row })
        expect(result).toMatchObject({ saved: true })
        expect((await store.load(id))?.payload).toEqual(changed)
      })
      await Promise.all(loads)
    })

    test('keeps its tables where the schema says', async () => {
      await server.query('CREATE SCHEMA other_place')
      const store = open({ url, schema: 'other_place', table: 'Rows' })
      await store.save('abc', Buffer.from('row'), forever)
      const table = `other_place.${quote}Rows${quote}`
      expect(await server.query(`SELECT id FROM ${table}`)).toEqual([{ id: 'abc' }])
    })

    test('needs no more rights than to a table that somebody else has made', async () => {
      await open({ url, table: 'given' }).ping?.()
      const [user, password] = ['humble', 'humble']
      if (name === 'PostgreSQL') {
        await server.query(`CREATE ROLE ${user} LOGIN PASSWORD '${password}'`)
        await server.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON given TO ${user}`)
      } else {
        await server.query(`CREATE USER ${user} IDENTIFIED BY '${password}'`)
        await server.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON test.given TO ${user}`)
      }
      const theirs = Object.assign(new URL(url), { username: user, password }).href
      const store = open({ url: theirs, table: 'given' })
      expect(await store.save('abc', Buffer.from('row'), forever)).toMatchObject({ saved: true })
      await expect(open({ url: theirs, table: 'missing' }).load('abc')).rejects.toThrow(
        /^(PostgreSQL|MySQL) at [\d.:]+: (permission denied for schema public|.+ command denied to user 'humble'.*)$/,
      )
    })

    test('gives user and password, and keeps the password out of errors', async () => {
      const wrong = Object.assign(new URL(url), { password: 'wrong-secret' }).href
      await expect(open({ url: wrong }).load('abc')).rejects.toThrow(
        new RegExp(
          `^${name} at ${server.address}: (password authentication failed for user "${USER}"|` +
            `Access denied for user '${USER}'@'.*' \\(using password: YES\\))$`,
        ),
      )
    })

    test('keeps ids and payloads out of errors', async () => {
      const table = freshTable()
      const store = open({ url, table })
      await store.ping?.()
      await server.query(`ALTER TABLE ${table} ADD CONSTRAINT small CHECK (length(payload) < 10)`)
      const error = await Promise.resolve(store.save('abc123', Buffer.alloc(20, 'secret'), forever)).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(error).toBeInstanceOf(Error)
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/abc123|secret/)
      expect((error as Error).message).toMatch(/^(PostgreSQL|MySQL) at [\d.:]+: .*small/)
    })

    test('connects with TLS, and trusts the certificates that it is told', async () => {
      const authority = encodeURIComponent(join(server.directory, 'cert.pem'))
      const postgres = name === 'PostgreSQL'
      const trusting = postgres ? `sslmode=verify-full&sslrootcert=${authority}` : `ssl_ca=${authority}`
      const store = open({ url: `${url}?${trusting}`, table: freshTable() })
      await store.save('abc', Buffer.from('row'), forever)
      const suspicious = postgres ? 'sslmode=verify-full' : 'ssl_check_hostname=true'
      await expect(open({ url: `${url}?${suspicious}` }).load('abc')).rejects.toThrow(
        `${name} at ${server.address}: self-signed certificate`,
      )
      if (postgres) await open({ url: `${url}?sslmode=require` }).ping?.()
    })

    test('uses a socket in the file system', async () => {
      const login = `${USER}:${encodeURIComponent(PASSWORD)}@:${server.port}/test`
      const place = encodeURIComponent(server.directory)
      const socket =
        name === 'PostgreSQL'
          ? `postgresql+psycopg2://${login}?host=${place}`
          : `mysql+pymysql://${login}?charset=utf8mb4&unix_socket=${place}%2Fsocket`
      await open({ url: socket }).ping?.()
    })

    test('loses nothing when others are at the same rows, in one process and over two connections', async () => {
      const table = freshTable()
      const [one, two] = [open({ url, table }), open({ url, table })]
      const ids = Array.from({ length: 10 }, (_, index) => `hot${index}`)
      const keys = await Promise.all(ids.map((id, index) => addKeys(index % 2 ? one! : two!, id, 20)))
      expect(keys).toEqual(ids.map(() => 20))
    })

    test('connects to nothing before it is used', async () => {
      const store = databaseStore({ url: `${name.toLowerCase()}://127.0.0.1:1/test` })
      await store.close?.()
      await expect(store.load('abc')).rejects.toThrow(new Error('the database store is closed'))
    })

    describe('when it fails', () => {
      const refused = () => `${name} at ${server.address}: connect ECONNREFUSED ${server.address}`

      test('rejects while it is away, and goes on when it is back', async () => {
        const store = open({ url, timeout: 1000 })
        await store.save('away', Buffer.from('one'), forever)
        await server.kill()
        await untilItFails(() => store.load('away'), refused())
        await expect(store.save('away', Buffer.from('two'), forever)).rejects.toThrow(refused())
        await server.restart()
        await untilItWorks(() => store.load('away'))
        const expected = Buffer.from('one')
        await store.save('away', Buffer.from('two'), { expiresAt: null, expected })
        expect((await store.load('away'))?.payload).toEqual(Buffer.from('two'))
      })

      test('does not notice a restart while nobody asked', async () => {
        const store = open({ url, timeout: 5000 })
        await store.save('restarted', Buffer.from('one'), forever)
        await server.kill()
        await server.restart()
        expect((await store.load('restarted'))?.payload).toEqual(Buffer.from('one'))
      })

      test('rejects what is not answered in time, and goes on afterwards', async () => {
        const store = open({ url, timeout: 300, poolSize: 3 })
        await store.save('paused', Buffer.from('one'), forever)
        server.pause()
        onTestFinished(() => server.resume())
        const late = `${name} at ${server.address}: no answer within 300 ms`
        const asked = Array.from({ length: 200 }, (_, index) => store.load(`paused${index}`))
        for (const result of await Promise.allSettled(asked)) {
          expect(result).toMatchObject({ status: 'rejected', reason: { message: late } })
        }
        // Now also connecting is not answered.
        await expect(store.load('paused')).rejects.toThrow(new Error(late))
        await expect(store.delete('paused')).rejects.toThrow(new Error(late))
        server.resume()
        expect((await untilItWorks(() => store.load('paused')))?.payload).toEqual(Buffer.from('one'))
      })

      test('rejects what was under way when it was killed', async () => {
        const store = open({ url })
        await store.ping?.()
        server.pause()
        const asked = Promise.allSettled([
          store.save('cut', Buffer.from('row'), forever),
          store.delete('other'),
        ])
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
        await server.kill()
        expect((await asked).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
        await server.restart()
        expect(await untilItWorks(() => store.load('cut'))).toBe(null)
      })

      test('closes in time though nothing answers', async () => {
        const store = databaseStore({ url, timeout: 200 })
        await store.ping?.()
        server.pause()
        onTestFinished(() => server.resume())
        const asked = Promise.allSettled([store.load('abc')])
        await store.close?.()
        expect(await asked).toMatchObject([
          { reason: { message: `${name} at ${server.address}: no answer within 200 ms` } },
        ])
      })

      test('rejects what is no database server', async () => {
        const address = await fakeServer((socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'))
        const store = open({ url: `${name.toLowerCase()}://u:p@${address}/test`, timeout: 300 })
        await expect(store.load('abc')).rejects.toThrow(`${name} at ${address}: `)
      })

      test('saves other rows while somebody else keeps one locked', async () => {
        const table = freshTable()
        const store = open({ url, table, timeout: 500 })
        await store.save('locked', Buffer.from('one'), forever)
        const holder = await lockRow(server, name, `SELECT * FROM ${table} WHERE id = 'locked' FOR UPDATE`)
        const expected = Buffer.from('one')
        const late = store.save('locked', Buffer.from('two'), { expiresAt: null, expected })
        const failed = expect(late).rejects.toThrow(`${name} at ${server.address}: no answer within 500 ms`)
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
        expect(await store.save('free', Buffer.from('one'), forever)).toMatchObject({ saved: true })
        expect((await store.load('locked'))?.payload).toEqual(Buffer.from('one'))
        await failed
        await holder.release()
      })
    })
  })
}

/** Holds a lock until it is told to let go. */
async function lockRow(server: SqlTestServer, name: string, statement: string) {
  if (name === 'PostgreSQL') {
    const { default: pg } = await import('pg')
    const client = new pg.Client({ connectionString: server.url })
    await client.connect()
    await client.query('BEGIN')
    await client.query(statement)
    return { release: () => client.end() }
  }
  const { createConnection } = await import('mysql2/promise')
  const connection = await createConnection(server.url)
  await connection.beginTransaction()
  await connection.query(statement)
  return { release: () => connection.end() }
}

describeWith(POSTGRES, 'on PostgreSQL', () => {
  let server: SqlTestServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  test('loses nothing where transactions are serializable by default', async () => {
    await server.query(`ALTER ROLE ${USER} SET default_transaction_isolation = 'serializable'`)
    onTestFinished(async () => {
      await server.query(`ALTER ROLE ${USER} RESET default_transaction_isolation`)
    })
    const [one, two] = [open({ url: server.url }), open({ url: server.url })]
    const counts = await Promise.all([addKeys(one!, 'a', 10), addKeys(two!, 'b', 10)])
    expect(counts).toEqual([10, 10])
  })

  test('understands bytes whatever form the server likes to print', async () => {
    await server.query(`ALTER ROLE ${USER} SET bytea_output = 'escape'`)
    onTestFinished(async () => void (await server.query(`ALTER ROLE ${USER} RESET bytea_output`)))
    const store = open({ url: server.url, table: 'bytes' })
    const row = Buffer.from('\\x00 \0 \\ \xff', 'latin1')
    await store.save('abc', row, forever)
    expect((await store.load('abc'))?.payload).toEqual(row)
  })

  test('loads other rows beside one that holds NULL, in a table that somebody else has made', async () => {
    await server.query('CREATE TABLE loose (id text PRIMARY KEY, payload bytea, expires_at bigint NOT NULL)')
    await server.query(`INSERT INTO loose VALUES ('empty', NULL, 9999999999999)`)
    const store = open({ url: server.url, table: 'loose' })
    await store.save('abc', Buffer.from('row'), forever)
    const [empty, row] = await Promise.all([store.load('empty'), store.load('abc')])
    expect([empty?.payload, row?.payload]).toEqual([Buffer.alloc(0), Buffer.from('row')])
  })

  test("uses a table that Beaker's SQLAlchemy has made", async () => {
    await server.query(
      'CREATE TABLE beaker_cache (id SERIAL NOT NULL, namespace VARCHAR(255) NOT NULL, ' +
        'accessed TIMESTAMP WITHOUT TIME ZONE NOT NULL, created TIMESTAMP WITHOUT TIME ZONE NOT NULL, ' +
        'data BYTEA NOT NULL, PRIMARY KEY (id), UNIQUE (namespace))',
    )
    await expectBeakerRow(server, open({ url: server.url, beaker: true, lifetime: 60_000 }))
  })

  test('understands times whatever the server likes to print', async () => {
    await server.query(`ALTER ROLE ${USER} SET DateStyle = 'SQL, DMY'`)
    onTestFinished(async () => void (await server.query(`ALTER ROLE ${USER} RESET DateStyle`)))
    const store = open({ url: server.url, table: 'dates', beaker: true, lifetime: 60_000 })
    const expiresAt = Date.UTC(2026, 2, 4, 5, 6, 7, 89)
    await store.save('abc', Buffer.from('row'), { expiresAt, expected: null })
    const clock = () => expiresAt - 1
    const other = open({ url: server.url, table: 'dates', beaker: true, lifetime: 60_000, clock })
    expect(await other.load('abc')).toMatchObject({ expiresAt })
  })
})

describeWith(MARIADB, 'on MariaDB', () => {
  let server: SqlTestServer
  beforeAll(async () => {
    server = await startMariadb()
  })
  afterAll(() => server.stop())

  const table =
    'CREATE TABLE beaker_cache (id INTEGER NOT NULL AUTO_INCREMENT, namespace VARCHAR(255) NOT NULL, ' +
    'accessed DATETIME NOT NULL, created DATETIME NOT NULL, data BLOB NOT NULL, ' +
    'PRIMARY KEY (id), UNIQUE (namespace))'

  test("uses a table that Beaker's SQLAlchemy has made", async () => {
    await server.query(table)
    await expectBeakerRow(server, open({ url: server.url, beaker: true, lifetime: 60_000 }))
  })

  test('cuts no row to fit, also where the server would', async () => {
    await server.query(table.replace('beaker_cache', 'lax'))
    await server.query("SET GLOBAL sql_mode = ''")
    const store = open({ url: server.url, table: 'lax', beaker: true })
    await expect(store.save('abc', Buffer.alloc(70_000), forever)).rejects.toThrow(
      `MySQL at ${server.address}: Data too long for column 'data' at row 1`,
    )
    expect(await store.load('abc')).toBe(null)
  })
})

/** Writes a row as Beaker does, reads and replaces it by the store, and looks at it. */
async function expectBeakerRow(server: TestServer & SqlTestServer, store: SessionStore): Promise<void> {
  const now = new Date()
  const time = [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('-')
    .concat(` ${now.toTimeString().slice(0, 8)}`)
  await server.query(
    `INSERT INTO beaker_cache (namespace, accessed, created, data) VALUES ('py', '${time}', '${time}', 'one')`,
  )
  const row = await store.load('py')
  const written = Math.floor(now.getTime() / 1000) * 1000
  expect(row).toMatchObject({ payload: Buffer.from('one'), expiresAt: written + 60_000 })
  const saved = await store.save('py', Buffer.from('two'), {
    expiresAt: written + 120_000,
    expected: row?.revision ?? null,
  })
  expect(saved.saved).toBe(true)
  const [found] = await server.query('SELECT * FROM beaker_cache')
  expect(found).toMatchObject({
    namespace: 'py',
    data: Buffer.from('two'),
    created: new Date(written),
    accessed: new Date(written + 60_000),
  })
  expect(await store.save('js', Buffer.from('new'), { expiresAt: null, expected: null })).toMatchObject({
    saved: true,
  })
  expect(await store.load('js')).toMatchObject({ expiresAt: null })
}
