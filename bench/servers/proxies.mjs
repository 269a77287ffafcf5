// Proxies of others in front of one upstream: argv is `{ kind, port }`.

import { Agent, createServer, request } from 'node:http'
import { SECRET } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const { kind, port } = settings
const target = `http://127.0.0.1:${port}`
const agent = () => new Agent({ keepAlive: true })

function refuse(_error, _req, res) {
  res.statusCode = 502
  res.end()
}

/** http-proxy and those that took over its API. */
async function like(name, options = {}) {
  const module = await import(name)
  const create = module.createProxyServer ?? module.default.createProxyServer
  const proxy = create({ target, ...options })
  proxy.on('error', refuse)
  return (req, res) => proxy.web(req, res)
}

const kinds = {
  /** The least that can be called a proxy: all others are compared to it. */
  minimal() {
    const kept = agent()
    return createServer((req, res) => {
      const { method, url, headers } = req
      const out = request({ port, host: '127.0.0.1', agent: kept, method, path: url, headers }, (reply) => {
        res.writeHead(reply.statusCode, reply.rawHeaders)
        reply.pipe(res)
      })
      out.on('error', (error) => refuse(error, req, res))
      req.pipe(out)
    })
  },
  'http-proxy': async () => createServer(await like('http-proxy')),
  'http-proxy+agent': async () => createServer(await like('http-proxy', { agent: agent() })),
  async 'http-proxy+agent+express-session'() {
    const [{ default: connect }, { default: session }] = await Promise.all([
      import('connect'),
      import('express-session'),
    ])
    const app = connect()
    app.use(session({ secret: SECRET, resave: false, saveUninitialized: false }))
    app.use(await like('http-proxy', { agent: agent() }))
    return createServer(app)
  },
  'http-proxy-3+agent': async () => createServer(await like('http-proxy-3', { agent: agent() })),
  'httpxy+agent': async () => createServer(await like('httpxy', { agent: agent() })),
  async '@fastify/http-proxy'() {
    const [{ default: fastify }, { default: proxy }] = await Promise.all([
      import('fastify'),
      import('@fastify/http-proxy'),
    ])
    let server
    const app = fastify({
      serverFactory(handler) {
        server = createServer(handler)
        return server
      },
    })
    app.register(proxy, { upstream: target })
    await app.ready()
    return server
  },
}

listen(await kinds[kind]())
