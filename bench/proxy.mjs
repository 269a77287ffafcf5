// What a proxied request costs: CPU of the proxy over that of a minimal one written by hand on node:http, in the same run.
// `node bench/proxy.mjs --help`. Ours is `sessd serve` of an INI: session, urlmap, proxy.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeDirectory, progress, readArguments, readList, report } from './lib/arguments.mjs'
import { freePort } from './lib/backends.mjs'
import { Connection, textOf } from './lib/connection.mjs'
import { getText } from './lib/load.mjs'
import { findProgram, pinLoad } from './lib/processes.mjs'
import { aboutMachine, describeMachine, ratioText, table, verdict } from './lib/report.mjs'
import { openServer } from './lib/servers.mjs'
import { compare } from './lib/windows.mjs'

const USAGE = `node bench/proxy.mjs [options]

  --only LIST        names of proxies; default: all
  --workloads LIST   of get, post, stream; default: all
  --list             prints the names of all proxies
`

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const directory = makeDirectory()
const BODY = 65_536
const LARGE = 10 * 1024 * 1024
const POST = `POST /post HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${BODY}\r\n\r\n${'x'.repeat(BODY)}`

const workloads = {
  get: { title: 'GET 1 KB', text: getText('/small'), answer: { length: 1024 }, budget: 1.35 },
  post: { title: 'POST 64 KB', text: POST, answer: { text: String(BODY) } },
  stream: {
    title: 'GET 10 MB',
    text: getText('/large'),
    answer: { length: LARGE },
    how: { connections: 4, warmUp: 50 },
  },
}

const peer = (kind) => (port) => [
  process.execPath,
  here('servers/proxies.mjs'),
  JSON.stringify({ kind, port }),
]

const proxies = {
  sessd: (port) => [process.execPath, here('../bin/sessd.js'), 'serve', writeIni(port, 'session')],
  'sessd without session': (port) => [
    process.execPath,
    here('../bin/sessd.js'),
    'serve',
    writeIni(port, 'site'),
  ],
  ...Object.fromEntries(
    [
      'http-proxy',
      'http-proxy+agent',
      'http-proxy+agent+express-session',
      'http-proxy-3+agent',
      'httpxy+agent',
      '@fastify/http-proxy',
    ].map((kind) => [kind, peer(kind)]),
  ),
  nginx: nginx,
}

function writeIni(port, main) {
  const file = join(directory, `${main}.ini`)
  writeFileSync(
    file,
    `[server:main]
use = egg:Paste#http
port = 0

[pipeline:main]
pipeline = ${main === 'session' ? 'session site' : 'site'}

[filter:session]
use = egg:Beaker#beaker_session
secret = the bench needs no secret of its own, but 32 characters

[composite:site]
use = egg:Paste#urlmap
/ = upstream

[app:upstream]
use = egg:Paste#proxy
address = http://127.0.0.1:${port}
`,
  )
  return file
}

async function nginx(upstream) {
  const program = findProgram('nginx')
  if (program === undefined) throw new Error('no nginx here')
  const port = await freePort()
  const file = join(directory, 'nginx.conf')
  const user = process.getuid() === 0 ? 'user root;' : ''
  writeFileSync(
    file,
    `${user} daemon off; master_process off; pid ${directory}/nginx.pid; error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
  client_max_body_size 1m;
  client_body_buffer_size 128k;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  upstream app { server 127.0.0.1:${upstream}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`,
  )
  return { command: [program, '-p', directory, '-c', file], port }
}

const { given, how } = readArguments(USAGE, {
  only: { type: 'string', default: Object.keys(proxies).join() },
  workloads: { type: 'string', default: Object.keys(workloads).join() },
  list: { type: 'boolean', default: false },
})

if (given.list) console.log(Object.keys(proxies).join('\n'))
else await main()

/** The answer is the upstream's, for each kind of request, twice on one connection. */
async function check(port, pages) {
  const connection = await Connection.open(port)
  for (const page of [...pages, ...pages]) {
    const { title, text, answer } = workloads[page]
    const [head, body] = await new Promise((resolve) => connection.ask(text, (...parts) => resolve(parts)))
    if (head?.slice(9, 12) !== '200') throw new Error(`${title}: ${head?.split('\r\n')[0] ?? 'cut off'}`)
    const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? []
    if (answer.length !== undefined && Number(length) !== answer.length) {
      throw new Error(`${title}: content-length ${length}, not ${answer.length}`)
    }
    if (answer.text !== undefined && textOf(head, body) !== answer.text) {
      throw new Error(`${title}: the upstream received ${textOf(head, body)} bytes`)
    }
  }
  connection.close()
}

async function main() {
  pinLoad()
  const machine = describeMachine()
  const pages = readList(given.workloads, Object.keys(workloads), 'workloads')
  const upstream = await openServer([process.execPath, here('servers/upstream.mjs')], { core: 'load' })
  const base = await openServer(peer('minimal')(upstream.port))
  const rows = []
  const failed = []
  for (const name of readList(given.only, Object.keys(proxies), 'only')) {
    let server
    try {
      const made = await proxies[name](upstream.port)
      server = await openServer(made.command ?? made, { port: made.port })
      await check(server.port, pages)
      const row = { name, workloads: {} }
      for (const page of pages) {
        const { text, how: own } = workloads[page]
        const questions = { text: () => text }
        row.workloads[page] = await compare(
          { ...base, questions },
          { ...server, questions },
          { ...how, ...own },
        )
        progress(`${name} ${page} ${ratioText(row.workloads[page].ratio)}\n`)
      }
      rows.push(row)
    } catch (error) {
      failed.push({ name, reason: error.message })
      progress(`${name}: ${error.message}\n`)
    }
    await server?.running.stop()
  }
  const result = { machine, ...how, rows, failed }
  report(given, result, markdown(result, pages))
  process.exit()
}

function markdown(result, pages) {
  const heads = [
    'proxy',
    ...pages.flatMap((page) => [workloads[page].title, page === 'stream' ? 'MB/s' : 'us CPU']),
  ]
  const cells = result.rows.map((row) => [
    row.name,
    ...pages.flatMap((page) => {
      const { ratio, cpu, perSecond } = row.workloads[page]
      const limit = row.name === 'sessd' ? workloads[page].budget : undefined
      return [
        ratioText(ratio) + verdict(ratio.median, limit),
        page === 'stream' ? ((perSecond * LARGE) / 1e6).toFixed(0) : cpu.toFixed(1),
      ]
    }),
  ])
  const text =
    'CPU of the proxy per request, over a minimal one on `node:http` with a kept agent: median [lowest to highest].'
  const left = result.failed.map(({ name, reason }) => `- ${name}: ${reason}`)
  const parts = [aboutMachine(result), text, table(heads, cells)]
  return [...parts, ...(left.length > 0 ? [`Left out:\n\n${left.join('\n')}`] : [])].join('\n\n')
}
