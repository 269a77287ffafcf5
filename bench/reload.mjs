// Does anybody who asks lose a request? Load on `sessd serve` while it is reloaded, loses workers and is stopped.
// node bench/reload.mjs [seconds]; the tree must be built. Exit code 1 when a request failed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'

const SECONDS = Number(process.argv[2] ?? 10)
const BIN = join(import.meta.dirname, '../bin/sessd.js')
const directory = mkdtempSync(join(tmpdir(), 'sessd-bench-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

const APP = `
const go = new Promise((resolve) => process.on('SIGUSR2', resolve))
export default (globalConf, { word }) => async (req, res) => {
  const session = await req.environ['beaker.session'].load()
  if (req.url === '/slow') {
    session.set('kept', 'yes')
    session.save()
    await go
  }
  res.end([process.pid, word, session.get('kept')].join(' '))
}
`

const ini = (word, workers) => `
[server:main]
use = egg:Paste#http
port = 0
workers = ${workers}

[pipeline:main]
pipeline = session hello

[app:hello]
use = file:app.mjs
word = ${word}

[filter:session]
use = egg:Beaker#beaker_session
beaker.session.secret = a-secret-of-the-bench-alone
beaker.session.data_dir = %(here)s/data
`

function write(name, content) {
  writeFileSync(join(directory, `${name}.new`), content)
  renameSync(join(directory, `${name}.new`), join(directory, name))
}

async function serve(workers, ...args) {
  write('app.mjs', APP)
  write('app.ini', ini('w0', workers))
  const child = spawn(process.execPath, [BIN, 'serve', join(directory, 'app.ini'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  process.on('exit', () => child.kill('SIGKILL'))
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    said += chunk
  })
  const ended = once(child, 'exit')
  while (!/^serving on/m.test(said)) await pause(20)
  const url = /^serving on (\S+)/m.exec(said)[1]
  return { url, child, ended, count: (pattern) => said.match(pattern)?.length ?? 0 }
}

/** Resolves with the body. A kept connection that the server was closing is tried once more, as browsers do. */
function get(url, agent, headers = {}) {
  return new Promise((resolve, reject) => {
    const req = request(url, { agent, headers }, (res) => {
      text(res).then((body) => {
        if (res.statusCode === 200) resolve({ body, cookie: res.headers['set-cookie']?.[0].split(';')[0] })
        else reject(new Error(`${res.statusCode} ${body}`))
      }, reject)
    })
    req.on('error', (error) => {
      if (req.reusedSocket && error.code === 'ECONNRESET') get(url, agent, headers).then(resolve, reject)
      else reject(error)
    })
    req.end()
  })
}

/** Half of the clients keep their connections, half have a new one for each request. */
function load(url, clients = 16) {
  const result = { answered: 0, failures: [], pids: new Set(), words: new Set() }
  let going = true
  const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: false })]
  const all = Promise.all(
    Array.from({ length: clients }, async (_, at) => {
      while (going) {
        try {
          const [pid, word] = (await get(url, agents[at % 2])).body.split(' ')
          result.answered++
          result.pids.add(Number(pid))
          result.words.add(word)
        } catch (error) {
          result.failures.push(error.message)
          await pause(5)
        }
      }
    }),
  )
  return {
    result,
    async stop() {
      going = false
      await all
      for (const agent of agents) agent.destroy()
      return result
    },
  }
}

let failed = 0

function tell(what, { answered, failures, pids }, more = '') {
  failed += failures.length
  const seen = failures.length === 0 ? '' : ` (${[...new Set(failures)].join(', ')})`
  console.log(
    `${what}: ${failures.length} of ${answered + failures.length} requests failed${seen}; ${pids.size} processes${more}`,
  )
}

/** `act(turn)` again and again, each time when the one before has been `loaded again`. */
async function reloading(what, workers, args, act) {
  const served = await serve(workers, ...args)
  const { result, stop } = load(served.url)
  const until = Date.now() + SECONDS * 1000
  let turns = 0
  while (Date.now() < until) {
    await pause(100)
    turns++
    act(served, turns)
    while (served.count(/^loaded again$/gm) < turns) await pause(20)
  }
  await stop()
  served.child.kill('SIGTERM')
  await served.ended
  tell(what, result, `, ${turns} reloads, ${result.words.size} versions seen`)
}

for (const workers of [1, 2]) {
  await reloading(`SIGHUP, ${workers} worker(s)`, workers, [], (served, turn) => {
    write('app.ini', ini(`w${turn}`, workers))
    served.child.kill('SIGHUP')
  })
}
await reloading('--reload', 1, ['--reload'], (_served, turn) => write('app.ini', ini(`w${turn}`, 1)))

{
  // Idle workers: a client with one connection shows who is busy, the others are killed one by one.
  const served = await serve(4)
  const busy = load(served.url, 1)
  const scout = load(served.url, 32)
  while (scout.result.pids.size < 4) await pause(20)
  await scout.stop()
  const there = new Set(scout.result.pids)
  const result = { answered: 0, failures: [], pids: new Set(there) }
  const until = Date.now() + SECONDS * 1000
  let kills = 0
  while (Date.now() < until) {
    const [idle] = [...there].filter((pid) => !busy.result.pids.has(pid))
    if (idle === undefined) break
    there.delete(idle)
    process.kill(idle, 'SIGKILL')
    kills++
    const after = load(served.url, 4)
    await pause(500)
    const { answered, failures, pids } = await after.stop()
    result.answered += answered
    result.failures.push(...failures)
    for (const pid of pids) {
      if (pid !== idle) there.add(pid)
      result.pids.add(pid)
    }
  }
  const { answered, failures } = await busy.stop()
  result.answered += answered
  result.failures.push(...failures)
  served.child.kill('SIGTERM')
  await served.ended
  tell('idle workers killed by -9', result, `, ${kills} killed`)
}

for (const workers of [1, 2]) {
  const served = await serve(workers)
  const before = load(served.url, 16)
  await pause(500)
  await before.stop()
  const agent = new Agent({ keepAlive: false })
  const running = Array.from({ length: 100 }, () =>
    get(`${served.url}/slow`, agent).catch((error) => ({ error })),
  )
  const during = load(served.url, 8)
  await pause(500)
  await during.stop()
  served.child.kill('SIGTERM')
  await pause(300)
  for (const pid of new Set([...before.result.pids, ...during.result.pids])) {
    try {
      process.kill(pid, 'SIGUSR2')
    } catch {
      // it had nothing to finish
    }
  }
  const answers = await Promise.all(running)
  const [code] = await served.ended
  const again = await serve(workers)
  let kept = 0
  for (const { cookie } of answers) {
    if (cookie && (await get(again.url, agent, { cookie })).body.endsWith(' yes')) kept++
  }
  again.child.kill('SIGTERM')
  await again.ended
  const failures = answers.flatMap(({ error }) => (error ? [error.message] : []))
  if (code !== 0 || kept !== 100) failed++
  const result = { answered: answers.length - failures.length, failures, pids: during.result.pids }
  tell(
    `SIGTERM with 100 requests in flight, ${workers} worker(s)`,
    result,
    `, ${kept} sessions stored, exit ${code}`,
  )
}

process.exit(failed === 0 ? 0 : 1)
