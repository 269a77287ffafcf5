// What is left when all writers are killed at once? `node bench/kill.mjs`, after `npm run build`.
// 50 processes add to session files, with fsync, until each has been told something; then all are killed (SIGKILL) in the
// middle of it, 20 times. After each round another process starts, saves once, and everything is counted: what was said
// to be stored and is not there, files that are no sessions, and temporary files and locks of the dead.

import { fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { fileStore } from '../dist/session/stores/file.js'

const ROUNDS = Number(process.env.SESSD_BENCH_ROUNDS ?? 20)
const WRITERS = Number(process.env.SESSD_BENCH_WRITERS ?? 50)
/** Sessions that all writers change; besides, each makes new ones of its own. */
const SHARED = Array.from({ length: 25 }, (_, index) => `shared${index}`)
const script = fileURLToPath(import.meta.url)

/** A row that says how often it was changed, and can be seen to be whole. */
function rowOf(count) {
  const text = JSON.stringify({ count, filler: 'x'.repeat((count * 37) % 3000) })
  return Buffer.from(`${createHash('sha256').update(text).digest('hex')} ${text}`)
}

/** How often a row was changed; undefined: it is broken. */
function countOf(payload) {
  const [digest, text] = Buffer.from(payload).toString().split(' ')
  if (text === undefined || createHash('sha256').update(text).digest('hex') !== digest) return undefined
  return JSON.parse(text).count
}

async function add(store, id) {
  for (;;) {
    const row = await store.load(id)
    const count = row === null ? 0 : countOf(row.payload)
    if (count === undefined) throw new Error(`${id} is broken`)
    const options = { expiresAt: null, expected: row === null ? null : row.revision }
    if ((await store.save(id, rowOf(count + 1), options)).saved) return
  }
}

/** Adds for ever; says which row, when it is told that it is stored. */
async function write(directory, name) {
  const store = fileStore({ directory, fsync: true })
  for (let turn = 0; ; turn++) {
    const shared = SHARED[Math.floor(Math.random() * SHARED.length)]
    for (const id of [shared, `${name}-${turn >> 2}`]) {
      try {
        await add(store, id)
        writeSync(1, `${id}\n`)
      } catch (error) {
        // On a busy disk, with so many who want the same row. Nothing was promised.
        if (!error.message.startsWith('no turn')) throw error
      }
    }
  }
}

const remains = (directory) => {
  const temporary = readdirSync(join(directory, 'tmp'))
  const locks = readdirSync(join(directory, 'lock')).filter((name) => name.endsWith('.lock'))
  return { temporary: temporary.length, locks: locks.length }
}

/** The next start: saves once, then looks at everything. */
async function look(directory) {
  const store = fileStore({ directory, fsync: true })
  await add(store, 'next')
  const left = remains(directory)
  const counts = {}
  for await (const id of store.ids()) counts[id] = countOf((await store.load(id)).payload) ?? null
  await store.close()
  process.send({ left, counts })
}

async function round(number, directory, told) {
  const children = Array.from({ length: WRITERS }, (_, index) =>
    spawn(process.execPath, [script, 'write', directory, `round${number}-${index}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    }),
  )
  let heard = 0
  let allAtWork
  const working = new Promise((resolve) => {
    allAtWork = resolve
  })
  const ending = children.map(async (child) => {
    let lines = 0
    for await (const id of createInterface(child.stdout)) {
      told.set(id, (told.get(id) ?? 0) + 1)
      if (++lines === 1 && ++heard === WRITERS) allAtWork()
    }
  })
  const exits = children.map((child) => once(child, 'exit'))
  await Promise.race([working, ...exits])
  await sleep(Math.random() * 200)
  for (const child of children) child.kill('SIGKILL')
  await Promise.all([...ending, ...exits])
  if (children.some(({ exitCode }) => exitCode !== null)) throw new Error('a writer ended by itself')
  const before = remains(directory)

  const next = fork(script, ['look', directory])
  const [{ left, counts }] = await once(next, 'message')
  let lost = 0
  for (const [id, count] of told) lost += Math.max(0, count - (counts[id] ?? 0))
  const corrupt = Object.values(counts).filter((count) => count === null).length
  return { before, left, lost, corrupt }
}

async function main() {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-bench-'))
  const told = new Map()
  const sum = { lost: 0, corrupt: 0, left: 0, locks: 0 }
  try {
    console.log(
      '| round | saves told so far | left by the dead | lost | corrupt | left after the next start |',
    )
    console.log('|---|---|---|---|---|---|')
    for (let number = 1; number <= ROUNDS; number++) {
      const { before, left, lost, corrupt } = await round(number, directory, told)
      const saves = [...told.values()].reduce((all, count) => all + count, 0)
      const text = ({ temporary, locks }) => `${temporary} temp, ${locks} locks`
      console.log(`| ${number} | ${saves} | ${text(before)} | ${lost} | ${corrupt} | ${text(left)} |`)
      // What is lost stays lost: the last round says it all.
      sum.lost = lost
      sum.corrupt = corrupt
      sum.left += left.temporary
      sum.locks += left.locks
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
  console.log(
    `\n${ROUNDS} rounds of kill -9 with ${WRITERS} writers: ${sum.lost} lost, ${sum.corrupt} corrupt, ` +
      `${sum.left} temp files and ${sum.locks} locks left after the next start`,
  )
  if (Object.values(sum).some((count) => count > 0)) process.exitCode = 1
}

const [task, directory, name] = process.argv.slice(2)
if (task === 'write') await write(directory, name)
else if (task === 'look') await look(directory)
else await main()
