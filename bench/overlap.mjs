// Do overlapping requests lose anything? `node bench/overlap.mjs [store ...]`, after `npm run build`.
// Real processes, real HTTP: pairs of requests that change different keys, keys set in parallel, parallel updates, and
// log-outs with a slow request under way. Servers are named by SESSD_BENCH_REDIS, SESSD_BENCH_REDISCLUSTER (urls divided by
// commas), SESSD_BENCH_MEMCACHED, SESSD_BENCH_POSTGRES, SESSD_BENCH_MYSQL and SESSD_BENCH_MONGODB; without one its store is
// left out, and that is said.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stores } from './stores.mjs'

const PAIRS = Number(process.env.SESSD_BENCH_PAIRS ?? 1000)
const LOGOUTS = Number(process.env.SESSD_BENCH_LOGOUTS ?? 1000)
const DELAYS = [0, 1, 5, 50]
const agent = new Agent({ keepAlive: true, maxSockets: 64 })

/** A visitor: one cookie jar, requests to any of the processes in turn. */
function visitor(ports) {
  const jar = new Map()
  let turn = 0
  return function request(path, cookie) {
    const port = ports[turn++ % ports.length]
    const own = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { cookie: cookie ?? own }
    return new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path, headers, agent }, (res) => {
        let body = ''
        res.setEncoding('utf8').on('data', (chunk) => (body += chunk))
        res.on('end', () => {
          for (const header of res.headers['set-cookie'] ?? []) {
            const [, name, value] = /^([^=]*)=([^;]*)/.exec(header)
            if (/max-age=0/i.test(header)) jar.delete(name)
            else jar.set(name, value)
          }
          if (res.statusCode === 200) resolve({ answer: JSON.parse(body), sent: own })
          else reject(new Error(`${path}: ${res.statusCode} ${body}`))
        })
      }).on('error', reject)
    })
  }
}

async function lostPairs(ports) {
  let lost = 0
  for (const delay of DELAYS) {
    const rounds = Math.ceil(PAIRS / DELAYS.length)
    const width = 10
    const people = Array.from({ length: width }, () => visitor(ports))
    for (const bob of people) await bob('/set?key=first')
    for (let i = 0; i < rounds; i += width) {
      await Promise.all(
        people.slice(0, rounds - i).map(async (bob, who) => {
          const [a, b] = [`a${i}-${who}`, `b${i}-${who}`]
          await Promise.all([
            bob(`/set?key=${a}&delay=${delay}`),
            bob(`/set?key=${b}&delay=${Math.random() * delay}`),
          ])
          const { answer: all } = await bob('/all')
          if (!all[a] || !all[b]) lost++
        }),
      )
    }
  }
  return lost
}

async function parallelKeys(ports) {
  const bob = visitor(ports)
  await bob('/set?key=first')
  await Promise.all(Array.from({ length: 20 }, (_, i) => bob(`/set?key=k${i}&delay=${i % 5}`)))
  return Object.keys((await bob('/all')).answer).filter((key) => key.startsWith('k')).length
}

async function parallelUpdates(ports) {
  const bob = visitor(ports)
  await bob('/set?key=first')
  await Promise.all(Array.from({ length: 100 }, () => bob('/add')))
  return (await bob('/all')).answer.n
}

async function undoneLogouts(ports) {
  let undone = 0
  for (let i = 0; i < LOGOUTS; i += 20) {
    await Promise.all(
      Array.from({ length: Math.min(20, LOGOUTS - i) }, async () => {
        const bob = visitor(ports)
        await bob('/set?key=user')
        const { sent: old } = await bob('/all')
        await Promise.all([bob('/set?key=late&delay=8'), bob('/logout?delay=4')])
        // A request that came after the log-out has a new session of its own; what must be dead is the old cookie.
        const { answer: mine } = await bob('/all')
        const { answer: stolen } = await bob('/all', old)
        if (mine.user || Object.keys(stolen).length > 0) undone++
      }),
    )
  }
  return undone
}

async function measure(name, count) {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-bench-'))
  const { needs } = stores[name]
  const location = needs === 'directory' ? directory : process.env[`SESSD_BENCH_${needs?.toUpperCase()}`]
  const children = []
  try {
    for (let i = 0; i < count; i++) {
      const script = fileURLToPath(new URL('overlap-server.mjs', import.meta.url))
      children.push(fork(script, [name, location ?? ''], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }))
    }
    const ports = []
    for (const child of children) {
      const [line] = await once(child.stdout.setEncoding('utf8'), 'data')
      ports.push(Number(line))
    }
    const row = [
      await lostPairs(ports),
      await parallelKeys(ports),
      await parallelUpdates(ports),
      await undoneLogouts(ports),
    ]
    console.log(`| ${name} | ${count} | ${row[0]} | ${row[1]} | ${row[2]} | ${row[3]} |`)
  } finally {
    for (const child of children) child.kill()
    rmSync(directory, { recursive: true, force: true })
  }
}

const wanted = process.argv.slice(2)
console.log(
  `| store | processes | lost of ${PAIRS} pairs | kept of 20 keys | counted of 100 updates | undone of ${LOGOUTS} log-outs |`,
)
console.log('|---|---|---|---|---|---|')
for (const [name, { processes, needs }] of Object.entries(stores)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  if (
    needs !== undefined &&
    needs !== 'directory' &&
    process.env[`SESSD_BENCH_${needs.toUpperCase()}`] === undefined
  ) {
    console.log(`| ${name} | left out: set SESSD_BENCH_${needs.toUpperCase()} | | | | |`)
    continue
  }
  for (const count of processes) await measure(name, count)
}
agent.destroy()
