// What dispatch costs by the number of mounts: CPU of the server per request over node:http without any, in the same run.
// `node bench/urlmap.mjs --help`. Ours is `sessd serve` of an INI with one urlmap.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeDirectory, progress, readArguments, readList, report } from './lib/arguments.mjs'
import { ask, getText, inTurn } from './lib/load.mjs'
import { pinLoad } from './lib/processes.mjs'
import { aboutMachine, describeMachine, ratioText, table, verdict } from './lib/report.mjs'
import { openServer } from './lib/servers.mjs'
import { compare } from './lib/windows.mjs'

const USAGE = `node bench/urlmap.mjs [options]

  --only LIST        of sessd, itself, by-hand, connect, express, fastify, paste; default: all. itself: ours over ours
                     without a urlmap; by-hand: one Map
  --mounts LIST      numbers of mounts; default 1,10,100,1000,10000
`

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const directory = makeDirectory()

function writeIni(paths) {
  const file = join(directory, `mounts-${paths.length}.ini`)
  const app = `use = file:${here('servers/mounts-app.js')}#makeApp`
  const lines = paths.map((path) => `${path} = app`)
  const site = `[composite:main]\nuse = egg:Paste#urlmap\n${lines.join('\n')}\n\n[app:app]\n${app}`
  const server = '[server:main]\nuse = egg:Paste#http\nport = 0'
  writeFileSync(file, `${server}\n\n${paths.length > 0 ? site : `[app:main]\n${app}`}\n`)
  return file
}

// What a kernel takes as one argument ends at 128 KiB: the paths go by file.
function settingsFile(kind, paths) {
  const file = join(directory, `${kind}-${paths.length}.json`)
  writeFileSync(file, JSON.stringify({ kind, paths }))
  return `@${file}`
}

const peer = (kind) => (paths) => [process.execPath, here('servers/mounts.mjs'), settingsFile(kind, paths)]
const sessd = (paths) => [process.execPath, here('../bin/sessd.js'), 'serve', writeIni(paths)]
const kinds = {
  sessd,
  itself: sessd,
  'by-hand': peer('by-hand'),
  connect: peer('connect'),
  express: peer('express'),
  fastify: peer('fastify'),
  paste: (paths) => ['/usr/bin/python3', here('servers/mounts_server.py'), settingsFile('paste', paths)],
}

const { given, how } = readArguments(USAGE, {
  only: { type: 'string', default: Object.keys(kinds).join() },
  mounts: { type: 'string', default: '1,10,100,1000,10000' },
})

const mountPaths = (count) => Array.from({ length: count }, (_, i) => `/team${i % 100}/app${i}`)

/** Requests to mounts all over the map. */
function questionsFor(paths) {
  return inTurn(
    Array.from({ length: 1024 }, (_, i) => getText(`${paths[(i * 7919) % paths.length]}/page?id=${i}`)),
  )
}

/** Every mount that is tried answers as itself, and what is no mount is not found. */
async function check(port, paths) {
  for (let i = 0; i < 50; i++) {
    const path = paths[(i * 104_729) % paths.length]
    const { status, body } = await ask(port, `${path}/page?where`)
    if (status !== 200 || body !== path)
      throw new Error(`${path} is answered by ${status} ${body.slice(0, 80)}`)
  }
  const { status } = await ask(port, '/no/such/mount')
  if (status !== 404) throw new Error(`a path of no mount is answered with ${status}`)
}

/** Ten thousand mounts over none. */
const BUDGET = 1.04

const titles = {
  itself: 'sessd over sessd without urlmap',
  'by-hand': 'one Map, by hand',
  paste: 'paste.urlmap, waitress',
}

async function main() {
  pinLoad()
  const machine = describeMachine()
  const counts = given.mounts.split(',').map(Number)
  const none = await openServer(peer('none')([]))
  const itself = await openServer(sessd([]))
  const rows = []
  for (const kind of readList(given.only, Object.keys(kinds), 'only')) {
    const row = { name: kind, mounts: {} }
    const base = kind === 'itself' ? itself : none
    rows.push(row)
    for (const count of counts) {
      const paths = mountPaths(count)
      let server
      try {
        server = await openServer(kinds[kind](paths))
        await check(server.port, paths)
        const questions = questionsFor(paths)
        row.mounts[count] = await compare(
          { ...base, questions },
          { ...server, questions },
          { ...how, polls: true },
        )
      } catch (error) {
        row.mounts[count] = { failed: error.message }
      }
      await server?.running.stop()
      progress(`${kind} ${count}: ${cell(row.mounts[count])}\n`)
    }
  }
  const heads = ['router', ...counts.map((count) => `${count} mounts`)]
  const cells = rows.map(({ name, mounts }) => [
    titles[name] ?? name,
    ...counts.map((count) => cell(mounts[count], name === 'itself' && count === 10_000 ? BUDGET : undefined)),
  ])
  const result = { machine, ...how, rows }
  const text =
    'CPU of the server per request, over `node:http` without any dispatch: median [lowest to highest].'
  report(given, result, [aboutMachine(result), text, table(heads, cells)].join('\n\n'))
  process.exit()
}

function cell({ ratio, failed }, limit) {
  return failed === undefined
    ? ratioText(ratio) + verdict(ratio.median, limit)
    : failed.replaceAll('|', '/').slice(0, 60)
}

await main()
