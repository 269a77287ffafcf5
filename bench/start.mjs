// From the start of a process to its first answer, over that of bare node:http, in turns. `node bench/start.mjs --help`.

import { makeDirectory, progress, readArguments, report } from './lib/arguments.mjs'
import { bare, select, settingsOf } from './lib/catalogue.mjs'
import { ask } from './lib/load.mjs'
import { summary } from './lib/numbers.mjs'
import { pinLoad } from './lib/processes.mjs'
import { aboutMachine, describeMachine, ratioText, table, verdict } from './lib/report.mjs'
import { openServer } from './lib/servers.mjs'

const USAGE = `node bench/start.mjs [options]: windows are starts here

  --only LIST        servers with sessions in memory; default: sessd,express-session,express,fastify-session,koa-session
`
const { given, how } = readArguments(USAGE, {
  only: {
    type: 'string',
    default: 'sessd:memory,express-session:memory,express:memory,fastify-session:memory,koa-session:memory',
  },
})
const BUDGET = 1.8

/** Milliseconds until a page without a session was answered. */
async function startOnce(server, directory) {
  const command = server.command(settingsOf(server), directory)
  const begin = performance.now()
  const { running, port } = await openServer(command)
  try {
    const { status, body } = await ask(port, '/app/plain')
    if (status !== 200 || body !== 'Hello, world!')
      throw new Error(`/app/plain is answered by ${status} ${body}`)
    return performance.now() - begin
  } finally {
    await running.stop()
  }
}

async function main() {
  pinLoad()
  const directory = makeDirectory()
  const machine = describeMachine()
  const rows = select(given.only)
    .filter(({ needs, store }) => needs === undefined && store === 'memory')
    .map((server) => ({ name: server.name, server, ratios: [], times: [] }))
  // The first start of each reads its files from the disk.
  for (const { server } of [{ server: bare }, ...rows]) await startOnce(server, directory)
  let before = await startOnce(bare, directory)
  for (let i = 0; i < how.windows; i++) {
    for (const row of rows) {
      const time = await startOnce(row.server, directory)
      const after = await startOnce(bare, directory)
      row.times.push(time)
      row.ratios.push((2 * time) / (before + after))
      before = after
    }
    progress('.')
  }
  progress('\n')
  const measured = rows.map(({ name, ratios, times }) => ({
    name,
    ratio: summary(ratios),
    time: summary(times),
  }))
  const result = { machine, starts: how.windows, rows: measured }
  const cells = measured.map(({ name, ratio, time }) => [
    name,
    ratioText(ratio) + (name === 'sessd:memory' ? verdict(ratio.median, BUDGET) : ''),
    time.median.toFixed(0),
  ])
  const text = `From start to first answer, over bare \`node:http\`: median [lowest to highest] of ${how.windows} starts.`
  report(
    given,
    result,
    [aboutMachine(result), text, table(['server', 'over bare', 'ms'], cells)].join('\n\n'),
  )
  process.exit()
}

await main()
