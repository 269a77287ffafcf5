// Many mounts in the routers of others, and none at all: argv is `{ kind, paths }`. Each mount answers the same text, and
// its own path to who asks with `?where`.

import { createServer } from 'node:http'
import { answer, HELLO } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const { kind, paths } = settings
const reply = (path) => (req, res) => answer(res, req.url.endsWith('?where') ? path : HELLO)

const kinds = {
  none: () => createServer(reply('none')),
  // For the paths of this bench, which have two segments, and for nothing else.
  'by-hand'() {
    const apps = new Map(paths.map((path) => [path, reply(path)]))
    return createServer((req, res) => {
      const { url } = req
      const end = url.indexOf('/', url.indexOf('/', 1) + 1)
      const path = url.slice(0, end)
      const app = apps.get(path)
      if (app === undefined) {
        res.statusCode = 404
        return answer(res, 'no such page')
      }
      req.originalUrl = url
      req.baseUrl = path
      req.url = url.slice(end)
      return app(req, res)
    })
  },
  async connect() {
    const { default: connect } = await import('connect')
    const app = connect()
    for (const path of paths) app.use(path, reply(path))
    return createServer(app)
  },
  async express() {
    const { default: express } = await import('express')
    const app = express()
    for (const path of paths) app.use(path, reply(path))
    return createServer(app)
  },
  async fastify() {
    const { default: fastify } = await import('fastify')
    let server
    const app = fastify({
      serverFactory(handler) {
        server = createServer(handler)
        return server
      },
    })
    for (const path of paths) {
      const plugin = async (inner) => {
        inner.get('/*', (request, reply) => {
          const text = request.raw.url.endsWith('?where') ? path : HELLO
          reply.header('content-type', 'text/plain').send(text)
        })
      }
      app.register(plugin, { prefix: path })
    }
    await app.ready()
    return server
  },
}

listen(await kinds[kind]())
