// One hot session: 200 requests at once that each save it, in rounds. How long do they take beside requests of one alone,
// and beside 200 at once that have a session each? `node bench/hot.mjs --help`.

import { makeDirectory, progress, readArguments, report } from './lib/arguments.mjs'
import { openBackends } from './lib/backends.mjs'
import { bare, select, settingsOf } from './lib/catalogue.mjs'
import { check, makeVisitors } from './lib/check.mjs'
import { Connection } from './lib/connection.mjs'
import { ask, getText } from './lib/load.mjs'
import { quantile } from './lib/numbers.mjs'
import { pinLoad } from './lib/processes.mjs'
import { aboutMachine, describeMachine, table } from './lib/report.mjs'
import { openServer } from './lib/servers.mjs'

const USAGE = `node bench/hot.mjs [options]: windows are rounds here, --seconds and --connections mean nothing

  --only LIST        servers, as in sessions.mjs; default: sessd:memory, file, redis, sqlite, postgres, memcached
  --at-once N        requests at once; default 200
`
const { given, how } = readArguments(USAGE, {
  only: {
    type: 'string',
    default:
      'sessd:memory,sessd:file,sessd:redis,sessd:sqlite,sessd:postgres,sessd:memcached,express-session:memory',
  },
  'at-once': { type: 'string', default: '200' },
})
const atOnce = Number(given['at-once'])

/** Latency in microseconds of one request; throws for an answer that is not 200. */
function timed(connection, text) {
  const begin = performance.now()
  return new Promise((resolve, reject) => {
    connection.ask(text, (head) => {
      if (head?.slice(9, 12) === '200') resolve((performance.now() - begin) * 1000)
      else reject(new Error(`under load an answer was ${head?.slice(9, 12) ?? 'cut off'}`))
    })
  })
}

async function rounds(connections, texts) {
  const latencies = []
  for (let i = 0; i < how.windows + 3; i++) {
    const round = await Promise.all(connections.map((one, at) => timed(one, texts[at % texts.length])))
    // The first rounds warm up.
    if (i >= 3) latencies.push(...round)
  }
  return {
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    requests: connections.length * (how.windows + 3),
  }
}

async function alone(connection, text) {
  const latencies = []
  for (let i = 0; i < 300; i++) latencies.push(await timed(connection, text))
  return quantile(latencies.slice(100), 0.5)
}

async function measure(server, port) {
  // Ours counts in the way that loses nothing; others have no such thing.
  const page = server.product === 'sessd' ? '/app/add' : '/app/count'
  const connections = await Promise.all(Array.from({ length: atOnce }, () => Connection.open(port)))
  try {
    if (server.product === 'bare') {
      const text = getText('/app/count')
      const some = await rounds(connections, [text])
      return { one: await alone(connections[0], text), apart: some, hot: some }
    }
    const [hot, single] = await makeVisitors(port, 2)
    const many = await makeVisitors(port, atOnce)
    const one = await alone(connections[0], getText(page, single.cookies))
    const apart = await rounds(
      connections,
      many.map(({ cookies }) => getText(page, cookies)),
    )
    const together = await rounds(connections, [getText(page, hot.cookies)])
    const counted = Number((await ask(port, '/app/count', hot)).body) - 1
    return { one, apart, hot: together, counted: `${counted} of ${together.requests}` }
  } finally {
    for (const connection of connections) connection.close()
  }
}

async function main() {
  pinLoad()
  const machine = describeMachine()
  const backends = openBackends(makeDirectory())
  const rows = []
  const failed = []
  for (const server of [bare, ...select(given.only)]) {
    let opened
    try {
      const location = server.needs === undefined ? undefined : await backends.locate(server.needs)
      opened = await openServer(
        server.command(settingsOf(server, location), await backends.locate('directory')),
      )
      if (server !== bare) await check({ ...server, ...opened })
      rows.push({ name: server.name, ...(await measure(server, opened.port)) })
    } catch (error) {
      failed.push({ name: server.name, reason: error.message })
    }
    await opened?.running.stop()
    progress(`${server.name} `)
  }
  progress('\n')
  const result = { machine, rounds: how.windows, atOnce, rows, failed }
  report(given, result, markdown(result))
  process.exit()
}

function markdown(result) {
  const heads = [
    'server',
    'one alone: p50 us',
    'sessions of their own: p50',
    'p99',
    'one session: p50',
    'p99',
    'p99 of one session over p50 of their own',
    'over one alone',
    'saved',
  ]
  const cells = result.rows.map(({ name, one, apart, hot, counted }) => [
    name,
    ...[one, apart.p50, apart.p99, hot.p50, hot.p99].map((value) => value.toFixed(0)),
    (hot.p99 / apart.p50).toFixed(1),
    (hot.p99 / one).toFixed(1),
    counted ?? '',
  ])
  const text = `${atOnce} requests at once, ${how.windows} rounds. Every request saves; \`bare\` saves nothing, and shows what 200 at once cost alone.`
  const left = result.failed.map(({ name, reason }) => `- ${name}: ${reason}`)
  const parts = [aboutMachine(result), text, table(heads, cells)]
  return [...parts, ...(left.length > 0 ? [`Left out:\n\n${left.join('\n')}`] : [])].join('\n\n')
}

await main()
