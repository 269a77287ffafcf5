// What an idle session takes: 100,000 sessions, each with strings of its own, made by requests; the heap after a garbage
// collection, less what it was before. `node bench/memory.mjs --help`.

import { makeDirectory, progress, readArguments, report } from './lib/arguments.mjs'
import { select, settingsOf } from './lib/catalogue.mjs'
import { check } from './lib/check.mjs'
import { Connection } from './lib/connection.mjs'
import { ask, getText } from './lib/load.mjs'
import { memoryOf, pinLoad } from './lib/processes.mjs'
import { aboutMachine, describeMachine, table, verdict } from './lib/report.mjs'
import { openServer } from './lib/servers.mjs'

const USAGE = `node bench/memory.mjs [options]: windows and seconds mean nothing here

  --only LIST        of the servers with sessions in memory; default: all of them but express
  --sessions N       how many sessions; default 100000
  --bytes LIST       how large as JSON; default 200,1000
`
const { given, how } = readArguments(USAGE, {
  only: {
    type: 'string',
    default: 'sessd:memory,express-session:memory,fastify-session:memory,koa-session:memory,beaker:memory',
  },
  sessions: { type: 'string', default: '100000' },
  bytes: { type: 'string', default: '200,1000' },
})
const sessions = given.quick ? 10_000 : Number(given.sessions)
const BUDGET = { 200: 450 }

/** Heap and resident memory in bytes after a collection; Python's servers have no such page. */
async function memory({ port, pid, runtime }) {
  if (runtime === 'python') return { rss: memoryOf(pid) }
  const { status, body } = await ask(port, '/app/heap')
  if (status !== 200) throw new Error(`/app/heap is answered with ${status}`)
  return JSON.parse(body)
}

async function makeSessions(port, count) {
  const connections = await Promise.all(Array.from({ length: how.connections }, () => Connection.open(port)))
  const text = getText('/app/unique')
  let left = count
  await Promise.all(
    connections.map(
      (connection) =>
        new Promise((resolve, reject) => {
          const next = () => {
            if (left-- <= 0) return resolve()
            connection.ask(text, (head) => {
              if (head?.slice(9, 12) === '200' && /\r\nset-cookie:/i.test(head)) next()
              else
                reject(new Error(`/app/unique is answered by ${head?.slice(9, 12) ?? 'a closed connection'}`))
            })
          }
          next()
        }),
    ),
  )
  for (const connection of connections) connection.close()
}

async function measure(server, bytes, directory) {
  const settings = settingsOf({ ...server, bytes })
  const [program, ...args] = server.command(settings, directory)
  const flags = server.runtime === 'node' ? ['--expose-gc'] : []
  const opened = await openServer([program, ...flags, ...args])
  try {
    await check({ ...server, ...opened })
    // Buffers and compiled code come with the first thousands.
    await makeSessions(opened.port, 2000)
    const before = await memory({ ...server, ...opened })
    await makeSessions(opened.port, sessions)
    const after = await memory({ ...server, ...opened })
    const each = (name) => (after[name] === undefined ? undefined : (after[name] - before[name]) / sessions)
    // Buffers of Node lie outside of V8's heap.
    const outside = each('external')
    return { name: server.name, bytes, heap: each('heapUsed'), outside, rss: each('rss') }
  } finally {
    await opened.running.stop()
  }
}

async function main() {
  pinLoad()
  const directory = makeDirectory()
  const machine = describeMachine()
  const rows = []
  const failed = []
  for (const server of select(given.only).filter(({ store }) => store === 'memory')) {
    for (const bytes of given.bytes.split(',').map(Number)) {
      try {
        rows.push(await measure(server, bytes, directory))
      } catch (error) {
        failed.push({ name: server.name, reason: error.message })
      }
      progress(`${server.name} ${bytes} `)
    }
  }
  progress('\n')
  const result = { machine, sessions, rows, failed }
  report(given, result, markdown(result))
  process.exit()
}

function markdown(result) {
  const cells = result.rows.map(({ name, bytes, heap, outside, rss }) => {
    const limit = name === 'sessd:memory' ? BUDGET[bytes] : undefined
    const all = heap === undefined ? undefined : heap + Math.max(outside, 0)
    const numbers = [heap, outside, rss].map((value) => value?.toFixed(0) ?? '')
    return [name, String(bytes), ...numbers, all === undefined ? '' : all.toFixed(0) + verdict(all, limit)]
  })
  const text = `Bytes per idle session, ${sessions} sessions that share no strings, after a garbage collection.`
  const heads = ['server', 'bytes as JSON', 'heap', 'outside of the heap', 'RSS', 'heap and outside']
  const left = result.failed.map(({ name, reason }) => `- ${name}: ${reason}`)
  const parts = [aboutMachine(result), text, table(heads, cells)]
  return [...parts, ...(left.length > 0 ? [`Left out:\n\n${left.join('\n')}`] : [])].join('\n\n')
}

await main()
