// CPU per proxied request against a minimal hand-written proxy, both as processes of their own, in turns in one run.
// Only the ratio counts. `npm run build && node bench/proxy.mjs`

import { fork } from 'node:child_process'
import { Agent, createServer, request } from 'node:http'
import { connect } from 'node:net'

const BODY = Buffer.alloc(1024, 'x')
const [, , role, upstreamPort] = process.argv

const servers = {
  upstream: () =>
    createServer((_req, res) => {
      res.setHeader('content-type', 'text/plain')
      res.setHeader('content-length', BODY.length)
      res.end(BODY)
    }),
  /** The least that can be called a proxy. */
  minimal: () => {
    const agent = new Agent({ keepAlive: true })
    return createServer((req, res) => {
      const { method, url, headers } = req
      const out = request(
        { port: upstreamPort, host: '127.0.0.1', agent, method, path: url, headers },
        (answer) => {
          res.writeHead(answer.statusCode, answer.rawHeaders)
          answer.pipe(res)
        },
      )
      req.pipe(out)
    })
  },
  sessd: async () => {
    const { proxy } = await import('../dist/apps/proxy.js')
    const { guard } = await import('../dist/http/guard.js')
    return createServer(guard(proxy({ address: `http://127.0.0.1:${upstreamPort}` })))
  },
}

if (role !== undefined) await serve()
else await measure()

async function serve() {
  const server = await servers[role]()
  server.listen(0, '127.0.0.1', () => process.send(server.address().port))
  process.on('message', () => process.send(process.cpuUsage()))
}

async function measure() {
  const upstream = await start('upstream', 0)
  const minimal = await start('minimal', upstream.port)
  const sessd = await start('sessd', upstream.port)
  const ratios = []
  await window(minimal, 1500)
  await window(sessd, 1500)
  for (let round = 0; round < 7; round++) {
    const [a, b] = [await window(minimal, 1000), await window(sessd, 1000)]
    ratios.push(b / a)
    console.log(`minimal ${a.toFixed(1)} us, sessd ${b.toFixed(1)} us, ratio ${(b / a).toFixed(2)}`)
  }
  console.log('median ratio', ratios.sort((a, b) => a - b)[3].toFixed(2))
  for (const { child } of [upstream, minimal, sessd]) child.kill()
}

async function start(name, port) {
  const child = fork(new URL(import.meta.url), [name, String(port)])
  return { child, port: await new Promise((done) => child.once('message', done)) }
}

/** CPU microseconds per request over some milliseconds of load by 20 connections. */
async function window(server, milliseconds) {
  const before = await cpu(server)
  const end = Date.now() + milliseconds
  const counts = await Promise.all(Array.from({ length: 20 }, () => client(server.port, end)))
  const after = await cpu(server)
  return (after - before) / counts.reduce((sum, count) => sum + count, 0)
}

function cpu({ child }) {
  child.send('cpu')
  return new Promise((done) => child.once('message', ({ user, system }) => done(user + system)))
}

function client(port, end) {
  const question = `GET /some/path?x=1 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n`
  return new Promise((done) => {
    let count = 0
    let received = 0
    const socket = connect(port, '127.0.0.1', () => socket.write(question))
    socket.on('data', (chunk) => {
      received += chunk.length
      if (received < BODY.length + 100 || chunk.at(-1) !== BODY[0]) return
      received = 0
      count++
      if (Date.now() < end) socket.write(question)
      else socket.destroy()
    })
    socket.on('close', () => done(count))
  })
}
