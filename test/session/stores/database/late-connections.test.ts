// Connections that are there only when nobody waits for them any more: real servers, behind a line that delays bytes.

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type DatabaseStoreOptions, databaseStore } from '../../../../src/session/stores/database.js'
import { describeWith } from '../../../support/servers.js'
import {
  MARIADB,
  POSTGRES,
  type SqlTestServer,
  startMariadb,
  startPostgres,
} from '../../../support/sql-servers.js'
import { type Relay, relayTo, untilItWorks } from '../../../support/tcp.js'

const forever = { expiresAt: null, expected: null }
const TIMEOUT = 300
/** Each answer on the way to a connection, and there are several. */
const SLOW = 2 * TIMEOUT

const servers = [
  {
    name: 'PostgreSQL',
    programs: POSTGRES,
    start: startPostgres,
    count: `SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'sessd'`,
  },
  {
    name: 'MySQL',
    programs: MARIADB,
    start: startMariadb,
    count: `SELECT count(*) AS n FROM information_schema.processlist WHERE user = 'sessd' AND id <> connection_id()`,
  },
]

for (const { name, programs, start, count } of servers) {
  describeWith(programs, `a connection to ${name} that comes too late`, () => {
    let server: SqlTestServer
    let table = 0
    beforeAll(async () => {
      server = await start()
    })
    afterAll(() => server.stop())

    const connections = async () => Number((await server.query(count))[0]!.n)
    const isConnected = () => expect.poll(connections, { timeout: 10_000 }).toBe(1)
    const isGone = (relay: Relay) => expect.poll(() => relay.connections, { timeout: 10_000 }).toBe(0)

    /** A store whose table is there, and the line to its server, which is slow. */
    async function behindSlowLine(args: string, options: Partial<DatabaseStoreOptions> = {}) {
      const given = { ...options, table: `late${++table}` }
      const maker = databaseStore({ ...given, url: server.url })
      await maker.ping?.()
      await maker.close?.()
      await expect.poll(connections, { timeout: 10_000 }).toBe(0)
      const relay = await relayTo(server.port)
      relay.weather = SLOW
      const url = new URL(`${server.url}${args}`)
      url.port = relay.address.split(':')[1]!
      const store = databaseStore({ ...given, url: url.href, timeout: TIMEOUT, poolSize: 1 })
      onTestFinished(() => store.close?.())
      return { store, relay, late: new Error(`${name} at ${relay.address}: no answer within ${TIMEOUT} ms`) }
    }

    const rows = () => server.query(`SELECT id FROM late${table}`)
    const clear = (relay: Relay) => {
      relay.weather = 'fine'
    }

    test('does nothing that was given up, and serves what comes afterwards', async () => {
      const { store, relay, late } = await behindSlowLine('?connect_timeout=10')
      const asked = ['a', 'b', 'c'].map((id) => store.save(id, Buffer.from('row'), forever))
      for (const result of await Promise.allSettled([...asked, store.delete('d')]))
        expect(result).toEqual({ status: 'rejected', reason: late })
      clear(relay)
      await isConnected()
      await untilItWorks(() => store.save('after', Buffer.from('row'), forever))
      expect(await rows()).toEqual([{ id: 'after' }])
      expect(relay.connections).toBe(1)
    })

    test('is closed with its store', async () => {
      const { store, relay, late } = await behindSlowLine('?connect_timeout=10')
      await expect(store.load('abc')).rejects.toThrow(late)
      clear(relay)
      await isConnected()
      await store.close?.()
      await isGone(relay)
    })

    test('is closed with its store, also before it is there', async () => {
      const { store, relay, late } = await behindSlowLine('?connect_timeout=10')
      await expect(store.load('abc')).rejects.toThrow(late)
      expect(relay.connections).toBe(1)
      const closed = store.close?.()
      clear(relay)
      await closed
      await isGone(relay)
    })

    test('is given up where the time to connect is over as well, and takes no place from the next one', async () => {
      const { store, relay, late } = await behindSlowLine('')
      for (let attempt = 0; attempt < 3; attempt++)
        await expect(store.save('abc', Buffer.from('row'), forever)).rejects.toThrow(late)
      clear(relay)
      await untilItWorks(() => store.save('after', Buffer.from('row'), forever))
      expect(await rows()).toEqual([{ id: 'after' }])
      await expect.poll(() => relay.connections).toBe(1)
    })
  })
}
