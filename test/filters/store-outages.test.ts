import { setTimeout as pause } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { addWhile, expectRecovered, gather } from '../support/outages.js'
import { describeWith, startMemcached, startRedis, type TestServer } from '../support/servers.js'
import { MARIADB, POSTGRES, startMariadb, startPostgres } from '../support/sql-servers.js'

import { relayTo, type Weather } from '../support/tcp.js'

type Outage = [string, (server: TestServer) => Promise<void>]

const paused: Outage = [
  'is paused and goes on',
  async (server) => {
    server.pause()
    await pause(1500)
    server.resume()
  },
]

const killed: Outage = [
  'is killed and started again',
  async (server) => {
    await server.kill()
    await pause(300)
    await server.restart()
  },
]

const promise = '%s, every request is answered, and nothing said to be stored is lost'

describeWith(['redis-server'], 'when Redis', () => {
  it.each([paused, killed])(promise, async (_what, outage) => {
    const server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
    onTestFinished(() => server.stop())
    const { people } = await gather({ type: 'ext:redis', url: `redis://127.0.0.1:${server.port}` })
    const stored = await addWhile(people, () => outage(server))
    await expectRecovered(people, stored)
  })
})

describeWith(['redis-server'], 'when the line to Redis', () => {
  it.each<[string, Weather]>([
    ['is slow', 200],
    ['is slower than anybody waits', 5000],
    ['is cut in the middle of answers', 'cut'],
    ['brings garbage', 'garbage'],
  ])(promise, async (_what, weather) => {
    const server = await startRedis()
    onTestFinished(() => server.stop())
    const line = await relayTo(server.port)
    const { people } = await gather({ type: 'ext:redis', url: `redis://${line.address}` })
    const stored = await addWhile(people, async () => {
      line.weather = weather
      await pause(1500)
      line.weather = 'fine'
    })
    await expectRecovered(people, stored)
  })
})

describeWith(['memcached'], 'when memcached', () => {
  it.each([paused])(promise, async (_what, outage) => {
    const server = await startMemcached()
    onTestFinished(() => server.stop())
    const { people } = await gather({ type: 'ext:memcached', url: `127.0.0.1:${server.port}` })
    const stored = await addWhile(people, () => outage(server))
    await expectRecovered(people, stored)
  })
})

describeWith(POSTGRES, 'when PostgreSQL', () => {
  it.each([paused, killed])(promise, async (_what, outage) => {
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    const { people } = await gather({ type: 'ext:database', url: server.url })
    const stored = await addWhile(people, () => outage(server))
    expect(Math.min(...stored)).toBeGreaterThan(0)
    await expectRecovered(people, stored)
  })
})

describeWith(MARIADB, 'when MariaDB', () => {
  it.each([paused, killed])(promise, async (_what, outage) => {
    const server = await startMariadb()
    onTestFinished(() => server.stop())
    const { people } = await gather({ type: 'ext:database', url: server.url })
    const stored = await addWhile(people, () => outage(server))
    expect(Math.min(...stored)).toBeGreaterThan(0)
    await expectRecovered(people, stored)
  })
})
