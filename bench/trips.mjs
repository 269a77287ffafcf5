// The tables of docs/scaling.md: how often does a request ask its store, and what does a session take there? Trips are
// counted on the wire, by a relay between store and server. `node bench/trips.mjs --help`.

import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beakerSession, getSession } from '../dist/index.js'
import { makeDirectory, progress, readArguments, readList, report } from './lib/arguments.mjs'
import { openBackends } from './lib/backends.mjs'
import { ask, makeVisitor } from './lib/load.mjs'
import { sessionData } from './lib/numbers.mjs'
import { aboutMachine, describeMachine, table } from './lib/report.mjs'
import { openStore } from './stores.mjs'

const NAMES = ['redis', 'memcached', 'postgres', 'sqlite', 'dbm', 'file']
const USAGE = `node bench/trips.mjs [options]: windows, seconds and connections mean nothing here

  --only LIST        stores, of ${NAMES.join(', ')}; default: all
  --sessions N       sessions that are made to see what one takes; default 100000
`
const { given } = readArguments(USAGE, {
  only: { type: 'string', default: NAMES.join() },
  sessions: { type: 'string', default: '100000' },
})
const sessions = given.quick ? 2000 : Number(given.sessions)
const names = readList(given.only, NAMES, 'only')
const LIFE = 1800

/** Counts round trips: how often a connection turned from hearing to asking. */
async function openRelay(port) {
  const relay = { trips: 0, port: 0 }
  const server = createServer((socket) => {
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true })
    let asking = false
    socket.setNoDelay(true).on('data', (chunk) => {
      if (!asking) relay.trips++
      asking = true
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      asking = false
      socket.write(chunk)
    })
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ]) {
      one.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  relay.port = server.address().port
  return relay
}

/** What is done, by path; each is asked for by a visitor who has a session, but for `/new`. */
const pages = {
  untouched: () => {},
  read: async (req) => (await getSession(req)).get('user'),
  save: async (req) => {
    const session = await getSession(req)
    session.set('n', session.get('n') + 1)
    session.save()
  },
  update: async (req) => (await getSession(req)).update('n', (n) => n + 1),
  new: async (req) => {
    const session = await getSession(req)
    for (const [key, value] of Object.entries(sessionData(200))) session.set(key, value)
    session.save()
  },
  'new id': async (req) => (await getSession(req)).regenerateId(),
  'log out': async (req) => (await getSession(req)).delete(),
}

async function measure(name, backends) {
  const needs = name === 'redis' || name === 'memcached' || name === 'postgres' ? name : 'directory'
  const location = await backends.locate(needs)
  const [, port] = needs === 'directory' ? [] : /:(\d+)(?:\/|$)/.exec(location)
  const relay = port === undefined ? undefined : await openRelay(Number(port))
  const { store, ...settings } = await openStore(name, relay ? location.replace(port, relay.port) : location)
  const kept = watched(store ?? (await openFile(location)))
  let now = Date.now()
  const filter = beakerSession({
    secret: 'the bench needs no secret of its own',
    timeout: LIFE,
    ...settings,
    store: kept.store,
    clock: () => now,
  })
  const server = createHttpServer(
    filter(async (req, res) => {
      await pages[decodeURIComponent(req.url.slice(1))](req)
      res.end()
    }),
  )
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const trips = {}
  const count = async (label, path, visitor) => {
    const before = relay?.trips
    const { status } = await ask(server.address().port, `/${encodeURIComponent(path)}`, visitor)
    if (status !== 200) throw new Error(`${name} ${path}: answered with ${status}`)
    // What is done after the answer counts too.
    await sleep(50)
    trips[label] = relay && relay.trips - before
  }
  // The first round opens connections, makes tables and loads scripts; the last one is told.
  for (let round = 0; round < 3; round++) {
    const visitor = makeVisitor()
    await count('new', 'new', visitor)
    for (const page of ['untouched', 'read', 'save', 'update']) await count(page, page, visitor)
    // A tenth of the time limit, and a little: memcached counts whole seconds.
    now += (LIFE / 10 + 5) * 1000
    await count('read, and touch', 'read', visitor)
    await count('new id', 'new id', visitor)
    await count('log out', 'log out', visitor)
  }
  progress(`${name} `)
  return { name, trips, bytes: await bytesEach(name, location, kept) }
}

async function openFile(directory) {
  const { fileStore } = await import('../dist/session/stores/file.js')
  return fileStore({ directory })
}

/** The store, and the last row that was inserted. */
function watched(store) {
  const kept = { row: undefined, store: undefined }
  kept.store = {
    ...store,
    save(id, payload, options) {
      if (options.expected === null) kept.row = Buffer.from(payload)
      return store.save(id, payload, options)
    },
  }
  return kept
}

/** Bytes that the backend has more, per session, when so many rows like the one that was made are in it. */
async function bytesEach(name, location, { store, row }) {
  const before = await bytesOf(name, location)
  const expiresAt = Date.now() + LIFE * 1000
  for (let made = 0; made < sessions; made += 500) {
    const some = Array.from({ length: Math.min(500, sessions - made) }, (_, i) =>
      (made + i).toString(16).padStart(32, '0'),
    )
    await Promise.all(some.map((id) => store.save(id, row, { expiresAt, expected: null })))
  }
  const after = await bytesOf(name, location)
  return { row: row.length, each: (after - before) / sessions }
}

async function bytesOf(name, location) {
  const port = /:(\d+)(?:\/|$)/.exec(location)?.[1]
  switch (name) {
    case 'redis': {
      const told = execFileSync('redis-cli', ['-p', port, 'info', 'memory'], { encoding: 'utf8' })
      return Number(/^used_memory:(\d+)/m.exec(told)[1])
    }
    case 'postgres': {
      const size = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname = 'sessd_sessions'"
      return Number(execFileSync('psql', [location, '-Atc', size], { encoding: 'utf8' }))
    }
    case 'memcached':
      return Number(/STAT bytes (\d+)/.exec(await memcachedStats(Number(port)))[1])
    default:
      return sizeOf(location)
  }
}

function memcachedStats(port) {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(port, '127.0.0.1', () => socket.write('stats\r\n'))
    socket.on('error', reject).on('data', (chunk) => {
      text += chunk
      if (text.endsWith('END\r\n')) socket.end(() => resolve(text))
    })
  })
}

/** As the disk counts: whole blocks. */
function sizeOf(path) {
  const stat = statSync(path)
  const own = stat.blocks * 512
  return stat.isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), own)
    : own
}

const machine = describeMachine()
const backends = openBackends(makeDirectory())
const rows = []
const failed = []
for (const name of names) {
  try {
    rows.push(await measure(name, backends))
  } catch (error) {
    failed.push({ name, reason: error.message })
  }
}
progress('\n')
report(given, { machine, sessions, rows, failed }, markdown())
process.exit()

function markdown() {
  const counted = rows.filter(({ trips }) => trips.new !== undefined)
  const labels = Object.keys(counted[0]?.trips ?? {})
  const mebibytes = (each) => ((each * 1e6) / 2 ** 20).toFixed(0)
  return [
    aboutMachine({ machine }),
    ...(counted.length > 0
      ? [
          'Round trips to the server, per request:',
          table(
            ['request', ...counted.map(({ name }) => name)],
            labels.map((label) => [label, ...counted.map(({ trips }) => trips[label])]),
          ),
        ]
      : []),
    `What ${sessions} sessions take:`,
    table(
      ['store', 'row, bytes', 'each, bytes', 'MiB per million'],
      rows.map(({ name, bytes }) => [name, bytes.row, bytes.each.toFixed(0), mebibytes(bytes.each)]),
    ),
    ...failed.map(({ name, reason }) => `Left out: ${name}: ${reason}`),
  ].join('\n\n')
}
