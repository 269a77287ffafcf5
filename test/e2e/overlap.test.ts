// The overlap bench with small counts: real processes, real stores, and nothing lost in any of them.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it, onTestFinished } from 'vitest'
import { startMongoFake } from '../support/mongo-fake.js'
import { describeWith, startMemcached, startRedis, startRedisCluster } from '../support/servers.js'
import { MARIADB, POSTGRES, startMariadb, startPostgres } from '../support/sql-servers.js'

const script = fileURLToPath(new URL('../../bench/overlap.mjs', import.meta.url))

/** Runs the bench on one store; answers its rows: processes, lost pairs, kept keys, counted updates, undone log-outs. */
async function overlap(store: string, env: Record<string, string> = {}): Promise<number[][]> {
  const counts = { SESSD_BENCH_PAIRS: '40', SESSD_BENCH_LOGOUTS: '20' }
  const { stdout } = await promisify(execFile)(process.execPath, [script, store], {
    env: { ...process.env, ...counts, ...env },
  })
  const rows = stdout.split('\n').filter((line) => line.startsWith(`| ${store} |`))
  return rows.map((line) => line.split('|').slice(2, -1).map(Number))
}

const nothingLost = (processes: number) => [processes, 0, 20, 100, 0]

it.each(['memory', 'cookie', 'chain', 'express'])('%s loses nothing in one process', async (store) => {
  expect(await overlap(store)).toEqual([nothingLost(1)])
})

it.each(['file', 'dbm', 'sqlite'])('%s loses nothing, in one process, in two and in four', async (store) => {
  expect(await overlap(store)).toEqual([1, 2, 4].map(nothingLost))
})

it('mongodb, as far as a fake server tells, loses nothing in one process, in two and in four', async () => {
  const fake = await startMongoFake()
  onTestFinished(() => fake.kill())
  expect(await overlap('mongodb', { SESSD_BENCH_MONGODB: fake.url })).toEqual([1, 2, 4].map(nothingLost))
})

describeWith(['redis-server', 'redis-cli', 'memcached', ...POSTGRES, ...MARIADB], 'servers', () => {
  it.each([
    ['redis', async () => startRedis(), (address: string) => `redis://${address}`],
    ['memcached', async () => startMemcached(), (address: string) => address],
  ] as const)('%s loses nothing, for one process, for two and for four', async (store, start, urlOf) => {
    const server = await start()
    onTestFinished(() => server.stop())
    const env = { [`SESSD_BENCH_${store.toUpperCase()}`]: urlOf(server.address) }
    expect(await overlap(store, env)).toEqual([1, 2, 4].map(nothingLost))
  })

  it('rediscluster loses nothing, for one process, for two and for four', async () => {
    const { servers, stop } = await startRedisCluster()
    onTestFinished(stop)
    const url = servers.map(({ address }) => `redis://${address}`).join(',')
    expect(await overlap('rediscluster', { SESSD_BENCH_REDISCLUSTER: url })).toEqual(
      [1, 2, 4].map(nothingLost),
    )
  })

  it.each([
    ['postgres', startPostgres],
    ['mysql', startMariadb],
  ])('%s loses nothing, for one process, for two and for four', async (store, start) => {
    const server = await start()
    onTestFinished(() => server.stop())
    const env = { [`SESSD_BENCH_${store.toUpperCase()}`]: server.url }
    expect(await overlap(store, env)).toEqual([1, 2, 4].map(nothingLost))
  })
})
