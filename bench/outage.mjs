// What do people get while the store is away, and how soon is all well again? `node bench/outage.mjs`, after `npm run build`.
// Steady load on `sessd serve` while its real server is stopped, paused, killed and started again, and while the line to
// it is slow, is cut, or brings garbage. Exit code 1 when a promise of docs/sessions.md was broken.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { leave, makeDirectory, progress, readList } from './lib/arguments.mjs'
import { names, openLine, startMistreated } from './lib/mistreated.mjs'

const LINE = 'redis over a bad line'
const { values: given } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '16' },
    only: { type: 'string', default: [...names, LINE].join(',') },
    help: { type: 'boolean', default: false },
  },
})
if (given.help) {
  console.log(`node bench/outage.mjs [--seconds N] [--clients N] [--only ${[...names, LINE].join(',')}]
  --seconds N    how long each outage lasts; default 5
  --clients N    people who ask all the time; default 16`)
  process.exit()
}
const SECONDS = Number(given.seconds)
const CLIENTS = Number(given.clients)
if (!(SECONDS > 0 && CLIENTS > 0)) leave('--seconds, --clients: expected numbers above 0')

/** Of one operation of the store, in milliseconds; the default of `store_timeout`. */
const STORE_TIMEOUT = 2000
/** What an answer may take besides, on a busy machine. */
const LITTLE = 1000
/** How soon all people have to be served again. */
const RECOVERY = 2000
/** A request that takes longer counts as not answered. */
const PATIENCE = 30_000

const directory = makeDirectory()
const BIN = join(import.meta.dirname, '../bin/sessd.js')
const APP = `
export default () => async (req, res) => {
  const session = await req.environ['beaker.session'].load()
  if (req.url === '/add') session.update('n', (n) => (n ?? 0) + 1)
  res.end(String(session.get('n') ?? 0))
}
`

async function serve({ type, url }, name) {
  writeFileSync(join(directory, 'app.mjs'), APP)
  const file = join(directory, `${name}.ini`)
  writeFileSync(
    file,
    `[server:main]
use = egg:Paste#http
port = 0

[app:main]
use = file:app.mjs
filter-with = session

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = a-secret-of-the-bench-alone
beaker.session.type = ${type}
beaker.session.url = ${url}
`,
  )
  const child = spawn(process.execPath, [BIN, 'serve', file], { stdio: ['ignore', 'ignore', 'pipe'] })
  process.on('exit', () => child.kill('SIGKILL'))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    said = (said + chunk).slice(-8192)
  })
  let served
  while (served === undefined) {
    if (child.exitCode !== null) throw new Error(said)
    await sleep(20)
    served = /^serving on (\S+)/m.exec(said)?.[1]
  }
  return { child, url: served, hasEnded: () => child.exitCode !== null || child.signalCode !== null }
}

const agent = new Agent({ keepAlive: true })

/** `{ status, body, cookie }`; rejects when there is no answer. */
function get(url, cookie) {
  return new Promise((resolve, reject) => {
    const req = request(url, { agent, headers: cookie ? { cookie } : {} }, (res) => {
      const set = res.headers['set-cookie']?.[0].split(';')[0]
      text(res).then((body) => resolve({ status: res.statusCode, body, cookie: set ?? cookie }), reject)
    })
    req.setTimeout(PATIENCE, () => req.destroy(new Error('no answer')))
    req.on('error', reject)
    req.end()
  })
}

/** People who add to their sessions all the time, until `stop()`. */
function load(url) {
  const people = Array.from({ length: CLIENTS }, () => ({ cookie: undefined, told: 0, served: 0 }))
  const sum = { answered: 0, errors: 0, unanswered: 0, longest: 0 }
  let going = true
  const working = people.map(async (person) => {
    while (going) {
      const sent = performance.now()
      try {
        const { status, cookie } = await get(`${url}/add`, person.cookie)
        sum.answered++
        if (status === 200) {
          person.cookie = cookie
          person.told++
          // A request that was sent before the outage was over says nothing of what came after it.
          person.served = sent
        } else sum.errors++
      } catch {
        sum.unanswered++
      }
      sum.longest = Math.max(sum.longest, performance.now() - sent)
      await sleep(5)
    }
  })
  return {
    people,
    sum,
    async stop() {
      going = false
      await Promise.all(working)
    },
    /** Milliseconds from `since` until everybody sent a request that was served; Infinity: not within 20 seconds. */
    async recovery(since) {
      const isServed = ({ served }) => served >= since
      while (!people.every(isServed)) {
        if (performance.now() - since > 20_000) return Number.POSITIVE_INFINITY
        await sleep(5)
      }
      return performance.now() - since
    },
  }
}

/** What people were told is stored, and is not there. */
async function countLost(url, people) {
  let lost = 0
  for (const { cookie, told } of people) {
    const { status, body } = await get(`${url}/`, cookie)
    lost += status === 200 ? Math.max(0, told - Number(body)) : told
  }
  return lost
}

let broken = 0

async function tell(name, what, served, { begin, end, forgets }) {
  progress(`${name}: ${what} ... `)
  const { people, sum, recovery, stop } = load(served.url)
  await recovery(performance.now())
  await sleep(500)
  await begin()
  await sleep(SECONDS * 1000)
  await end()
  const back = await recovery(performance.now())
  await sleep(500)
  await stop()
  const lost = forgets ? 0 : await countLost(served.url, people)
  const ended = served.hasEnded() ? 1 : 0
  const isKept =
    sum.longest <= STORE_TIMEOUT + LITTLE && back <= RECOVERY && lost + ended + sum.unanswered === 0
  if (!isKept) broken++
  progress(isKept ? 'as promised\n' : 'NOT as promised\n')
  const cells = [
    ...[name, what, sum.answered + sum.unanswered, sum.errors, sum.unanswered],
    ...[`${(sum.longest / 1000).toFixed(2)} s`, `${(back / 1000).toFixed(2)} s`, ended],
    forgets ? 'all, as is its nature' : lost,
  ]
  return `| ${cells.join(' | ')} |`
}

/** The cases of one server, and of the line to it. */
async function cases(name) {
  const isLine = name === LINE
  const server = await startMistreated(isLine ? 'redis' : name, join(directory, name.replaceAll(' ', '-')))
  const line = isLine ? await openLine(server.port) : undefined
  const served = await serve(server.settings(line?.port ?? server.port), name.replaceAll(' ', '-'))
  const { forgets, begin: start, stop, kill, pause, resume } = server
  const all = isLine
    ? [
        ['answers 0.3 s late', 300],
        ['answers 10 s late', 10_000],
        ['cuts connections', 'cut'],
        ['answers garbage', 'garbage'],
      ].map(([what, weather]) => [what, { begin: () => line.be(weather), end: () => line.be('fine') }])
    : [
        ['paused, goes on', { begin: pause, end: resume }],
        ['stopped, started again', { begin: stop, end: start, forgets }],
        ['killed, started again', { begin: kill, end: start, forgets }],
      ]
  const rows = []
  for (const [what, how] of all) rows.push(await tell(name, what, served, how))
  served.child.kill('SIGTERM')
  if (!served.hasEnded()) await once(served.child, 'exit')
  line?.close()
  await server.kill()
  return rows
}

const rows = []
for (const name of readList(given.only, [...names, LINE], 'only')) {
  try {
    rows.push(...(await cases(name)))
  } catch (error) {
    progress(`${name}: left out, ${error.message}\n`)
    broken++
  }
}
console.log(`Outages of ${SECONDS} seconds, ${CLIENTS} people, store_timeout of ${STORE_TIMEOUT / 1000} seconds:

| server | what happens | requests | answered 500 | not answered | longest answer | all served again after | processes ended | told and lost |
|---|---|---|---|---|---|---|---|---|
${rows.join('\n')}`)
process.exit(broken === 0 ? 0 : 1)
