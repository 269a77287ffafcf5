// What a session costs: CPU of the server per request, over a bare node:http server in the same run.
// `node bench/sessions.mjs --help`. Windows of load go to one server at a time, each between two windows of the bare
// one, and a ratio is that of a window to the mean of its two neighbours: what disturbs the machine disturbs both.

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { makeDirectory, progress, readArguments, report } from './lib/arguments.mjs'
import { openBackends } from './lib/backends.mjs'
import { bare, select, selectWorkloads, settingsOf } from './lib/catalogue.mjs'
import { check, checkCounts, makeVisitors, USER } from './lib/check.mjs'
import { makeVisitor, strangers, visits } from './lib/load.mjs'
import { memoryOf, pinLoad } from './lib/processes.mjs'
import { profileTable } from './lib/profile.mjs'
import { describeMachine, markdown } from './lib/report.mjs'
import { openServer } from './lib/servers.mjs'
import { compare, measureAlone } from './lib/windows.mjs'

const USAGE = `node bench/sessions.mjs [options]

  --only LIST        servers: whole names (sessd:redis), libraries (sessd), or how stores begin (memory, cookie-signed)
  --workloads LIST   of untouched, read, save, new; default: all
  --pool N           sessions that visitors have, divided among the connections; default 64
  --same-requests    the bare server gets the cookies too; without it, it gets none
  --profile DIR      instead: runs Node's servers under --cpu-prof, one workload each, and prints where the time went
  --list             prints the names of all servers
`

const { given, how } = readArguments(USAGE, {
  only: { type: 'string' },
  workloads: { type: 'string' },
  pool: { type: 'string', default: '64' },
  'same-requests': { type: 'boolean', default: false },
  profile: { type: 'string' },
  list: { type: 'boolean', default: false },
})
const { connections } = how
const pool = Math.max(Number(given.pool), connections)

if (given.list) for (const { name } of select(given.only)) console.log(name)
else await main()

async function main() {
  const chosen = select(given.only)
  const pages = selectWorkloads(given.workloads)
  pinLoad()
  const backends = openBackends(makeDirectory())
  if (given.profile !== undefined) {
    await profile(chosen, pages, backends)
  } else {
    const result = await measure(chosen, pages, backends)
    report(given, result, markdown(result))
  }
  process.exit()
}

/** Starts a server, with what it needs. Rejects with the reason why there is none. */
async function open(server, backends, nodeFlags = []) {
  const location = server.needs === undefined ? undefined : await backends.locate(server.needs)
  const [program, ...args] = server.command(settingsOf(server, location), await backends.locate('directory'))
  return { ...server, ...(await openServer([program, ...nodeFlags, ...args])) }
}

async function measure(chosen, pages, backends) {
  const began = describeMachine()
  const base = await open(bare, backends)
  const failed = []
  const rows = []
  for (const server of chosen) {
    let opened
    try {
      opened = await open(server, backends)
      const facts = await check(opened)
      const row = {
        name: server.name,
        product: server.product,
        store: server.store,
        budget: server.budget,
        facts,
      }
      progress(`${server.name} `)
      row.workloads = await measureOne(opened, base, pages)
      row.memory = memoryOf(opened.pid)
      rows.push(row)
      progress('\n')
    } catch (error) {
      failed.push({ name: server.name, reason: error.message })
      progress(`${server.name}: ${error.message}\n`)
    } finally {
      await opened?.running.stop()
    }
  }
  await base.running.stop()
  return {
    machine: { ...began, ended: new Date().toISOString() },
    ...how,
    pool,
    sameRequests: given['same-requests'],
    rows,
    failed,
  }
}

async function measureOne(server, base, pages) {
  const measured = {}
  for (const page of pages) {
    const visitors = page === 'new' ? null : await makeVisitors(server.port, pool)
    const own = { ...server, questions: questionsOf(page, visitors) }
    const bareVisitors = given['same-requests'] ? visitors?.map(({ cookies }) => makeVisitor(cookies)) : null
    const polls = server.needs === undefined || server.needs === 'directory'
    measured[page] = await compare({ ...base, questions: questionsOf(page, bareVisitors) }, own, {
      ...how,
      polls,
    })
    if (page === 'count') await checkCounts(server.port, visitors)
    progress(`${page} ${measured[page].ratio.median.toFixed(2)} `)
  }
  return measured
}

/** Every answer is looked at: a session that got lost under load would be read faster than one that is there. */
function questionsOf(page, visitors) {
  const isRight = {
    read: (_head, body) => body.includes(USER),
    new: (head) => head.includes('et-cookie: ') || head.includes('et-Cookie: '),
  }[page]
  const path = `/app/${page}`
  return { isRight, ...(visitors ? visits(path, visitors, connections) : strangers(path)) }
}

/** Profiles of servers in Node, one process per workload, so that a profile shows nothing else. */
async function profile(chosen, pages, backends) {
  mkdirSync(given.profile, { recursive: true })
  for (const server of chosen.filter(({ runtime }) => runtime === 'node')) {
    for (const page of pages) {
      const name = `${server.name.replace(':', '-')}-${page}.cpuprofile`
      const flags = ['--cpu-prof', `--cpu-prof-dir=${resolve(given.profile)}`, `--cpu-prof-name=${name}`]
      const opened = await open(server, backends, flags)
      await check(opened)
      const visitors = page === 'new' ? null : await makeVisitors(opened.port, pool)
      const cpu = await measureAlone({ ...opened, questions: questionsOf(page, visitors) }, how)
      await opened.running.stop(true)
      console.log(`${server.name} ${page}: ${cpu.toFixed(1)} us per request while profiled, ${name}`)
      console.log(profileTable(join(given.profile, name)))
    }
  }
}
