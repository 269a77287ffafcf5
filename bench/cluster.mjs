// The experiment of docs/scaling.md: `sessd serve` with several workers on a Redis Cluster of three nodes, all on this
// machine. What does a request cost workers and nodes, how often does it ask them, what does a session take there, is
// anything lost between workers, and what do visitors see when a node dies? `node bench/cluster.mjs --help`.

import { setTimeout as sleep } from 'node:timers/promises'
import { makeDirectory, progress, readArguments, report } from './lib/arguments.mjs'
import { makeSessdCommand, settingsOf } from './lib/catalogue.mjs'
import { check, checkCounts, makeVisitors, TOGETHER } from './lib/check.mjs'
import { ask, makeVisitor, openLoad, strangers, visits } from './lib/load.mjs'
import { quantile } from './lib/numbers.mjs'
import { cpuOf } from './lib/processes.mjs'
import { countCommands, memoryOfMasters, redisCli, startRedisCluster } from './lib/redis-cluster.mjs'
import { aboutMachine, describeMachine, table } from './lib/report.mjs'
import { openServer } from './lib/servers.mjs'

const USAGE = `node bench/cluster.mjs [options]

  --workers LIST     numbers of workers; default 1,2,4
  --sessions N       sessions that are made to see what one takes; default 20000
  --replicas         a replica for each node: then one of them takes over from a dead node
`
const { given, how } = readArguments(
  USAGE,
  {
    workers: { type: 'string', default: '1,2,4' },
    sessions: { type: 'string', default: '20000' },
    replicas: { type: 'boolean', default: false },
  },
  { connections: 64 },
)
const POOL = 256

function serve(nodes, workers, directory) {
  const location = nodes.map(({ port }) => `redis://127.0.0.1:${port}`).join(',')
  const settings = { ...settingsOf({ kind: 'cluster', bytes: 200 }, location), workers }
  return openServer(makeSessdCommand(settings, directory), { core: 'any' })
}

const cpuOfAll = (processes) => processes.reduce((sum, { pid }) => sum + cpuOf(pid), 0)

/** One kind of request with some workers: rate, latencies, CPU of workers and nodes, commands; each per request. */
async function measure(server, nodes, page, visitors) {
  const path = `/app/${page}`
  const load = await openLoad(server.port, how.connections)
  const questions = visitors === null ? strangers(path) : visits(path, visitors, how.connections)
  try {
    const run = async (milliseconds) => {
      const done = await load.run(questions, milliseconds)
      if (done.wrong !== undefined) throw new Error(`${path} under load: ${done.wrong}`)
      return done
    }
    await run(how.milliseconds * 2)
    const [workersBefore, nodesBefore, commandsBefore] = [
      cpuOf(server.pid),
      cpuOfAll(nodes),
      await countCommands(nodes),
    ]
    const { requests, latencies, seconds } = await run(how.milliseconds * how.windows)
    const [workersAfter, nodesAfter] = [cpuOf(server.pid), cpuOfAll(nodes)]
    const commands = [...(await countCommands(nodes))]
      .map(([name, calls]) => [name, (calls - (commandsBefore.get(name) ?? 0)) / requests])
      .filter(([, each]) => each >= 0.005)
    return {
      page,
      perSecond: requests / seconds,
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      workersCpu: (workersAfter - workersBefore) / requests,
      nodesCpu: (nodesAfter - nodesBefore) / requests,
      commands: Object.fromEntries(commands),
    }
  } finally {
    load.close()
  }
}

/** Requests of one session at once, on connections of their own and so on any worker: how many of them count? */
async function together(port) {
  let counted = 0
  const rounds = 10
  for (const visitor of await makeVisitors(port, rounds)) {
    const jar = visitor.cookies
    await Promise.all(Array.from({ length: TOGETHER }, () => ask(port, '/app/add', makeVisitor(jar))))
    counted += Number((await ask(port, '/app/count', visitor)).body) - 1
  }
  return `${counted} of ${rounds * TOGETHER}`
}

/**
 * What visitors see of the death of one node: who finds what, as ranges, for as long as it is of the same kind. Ends when
 * all have a session again for two seconds, or when nothing of another kind comes for ten.
 */
async function kill(server, nodes, visitors) {
  await nodes[0].running.stop()
  const begin = performance.now()
  const seconds = () => (performance.now() - begin) / 1000
  const spans = []
  for (;;) {
    const answers = await Promise.all(visitors.map((visitor) => findSession(server.port, visitor)))
    const kinds = new Map()
    for (const { kind } of answers) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    const names = [...kinds.keys()].sort().join()
    const slowest = Math.max(...answers.map(({ milliseconds }) => milliseconds))
    if (spans.at(-1)?.names !== names) spans.push({ names, from: seconds(), slowest: 0, kinds: new Map() })
    const span = spans.at(-1)
    span.slowest = Math.max(span.slowest, slowest)
    for (const [kind, count] of kinds) {
      const [low, high] = span.kinds.get(kind) ?? [count, count]
      span.kinds.set(kind, [Math.min(low, count), Math.max(high, count)])
    }
    if (seconds() - span.from > (names === FOUND ? 2 : 10)) break
    await sleep(300)
  }
  return spans.map(({ from, slowest, kinds }) => ({ from, slowest, kinds: Object.fromEntries(kinds) }))
}

const FOUND = 'the session'

async function findSession(port, { cookies }) {
  const sent = performance.now()
  try {
    const { status, body } = await ask(port, '/app/read', makeVisitor(cookies))
    const kind = status !== 200 ? `status ${status}` : body === 'maria.example' ? FOUND : 'a new session'
    return { kind, milliseconds: performance.now() - sent }
  } catch (error) {
    return { kind: error.message, milliseconds: performance.now() - sent }
  }
}

async function main() {
  const machine = { ...describeMachine(), pinning: 'not pinned' }
  const directory = makeDirectory()
  const nodes = await startRedisCluster(directory, given)
  progress(`${nodes.length} nodes `)
  const rows = []
  let bytesEach
  let seen
  const counts = given.workers.split(',').map(Number)
  for (const workers of counts) {
    const server = await serve(nodes, workers, directory)
    await check({ ...server, product: 'sessd' })
    for (const page of ['plain', 'read', 'count', 'new']) {
      const visitors = page === 'new' ? null : await makeVisitors(server.port, POOL)
      rows.push({ workers, ...(await measure(server, nodes, page, visitors)) })
      if (page === 'count') {
        await checkCounts(server.port, visitors)
        rows.at(-1).together = await together(server.port)
      }
      progress(`${workers} ${page} `)
    }
    if (workers === counts.at(-1)) {
      for (const { port } of nodes) await redisCli(port, 'flushall').catch(() => {})
      const before = await memoryOfMasters(nodes)
      const made = Number(given.sessions)
      for (let left = made; left > 0; left -= 500) await makeVisitors(server.port, Math.min(500, left))
      bytesEach = ((await memoryOfMasters(nodes)) - before) / made
      seen = await kill(server, nodes, await makeVisitors(server.port, 60))
    }
    await server.running.stop(true)
  }
  progress('\n')
  const result = { machine, ...how, nodes: nodes.length, rows, bytesEach, seen }
  report(given, result, markdown(result))
  process.exit()
}

function markdown(result) {
  const heads = [
    'workers',
    'page',
    'requests/s',
    'p50 us',
    'p99 us',
    'us CPU of workers',
    'of nodes',
    'commands',
    'at once',
  ]
  const cells = result.rows.map(
    ({ workers, page, perSecond, p50, p99, commands, together: counted, ...each }) => [
      workers,
      page,
      ...[perSecond, p50, p99, each.workersCpu, each.nodesCpu].map((value) => value.toFixed(0)),
      Object.entries(commands)
        .map(([name, calls]) => `${calls.toFixed(2)} ${name}`)
        .join(', ') || 'none',
      counted ?? '',
    ],
  )
  const each = `A session of 200 bytes takes ${result.bytesEach.toFixed(0)} bytes of the nodes: ${((result.bytesEach * 1e6) / 2 ** 20).toFixed(0)} MiB per million.`
  const range = ([low, high]) => (low === high ? String(low) : `${low} to ${high}`)
  const times = result.seen.map(({ from, slowest, kinds }) => {
    const what = Object.entries(kinds).map(([kind, counts]) => `${range(counts)} ${kind}`)
    return `| ${from.toFixed(1)} | ${what.sort().join(', ')} | ${slowest.toFixed(0)} |`
  })
  return [
    aboutMachine(result),
    `${result.nodes} nodes of Redis; workers, nodes and load share the cores. CPU and commands are per request; what a ` +
      'script runs in Redis counts as commands too.',
    table(heads, cells),
    each,
    'One master is killed, and 60 visitors come again and again:',
    ['| from second | of 60 visitors find | slowest ms |', '|---|---|---|', ...times].join('\n'),
  ].join('\n\n')
}

await main()
