// WebSockets of apps of other frameworks, mounted under a prefix behind one session. The pipeline hands an upgrade to the
// app that it is for; frameworks know no upgrades, so what takes them is the app's own `http.Server`, or a method `upgrade`.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import fastifyWebsocket from '@fastify/websocket'
import connectFramework from 'connect'
import expressFramework, { Router } from 'express'
import fastifyFramework from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { adaptApp } from '../../src/apps/adapt.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { lint } from '../../src/filters/lint.js'
import type { App } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'
import { Visitor } from '../support/site.js'

interface Data {
  user: string
}

/** Tells a client who it is, and what the app sees of its path. */
async function greet(client: WebSocket, req: IncomingMessage): Promise<void> {
  const session = await getSession<Data>(req)
  client.send(`${session.get('user')} at ${req.url} of ${(req as { originalUrl?: string }).originalUrl}`)
}

/** Has a server of `ws` take the upgrades of an app's server, as its documentation shows it. */
function withServer(server: Server): Server {
  new WebSocketServer({ server }).on('connection', greet)
  return server
}

/** The other way of `ws`: its server is given each upgrade. */
function upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
  const server = new WebSocketServer({ noServer: true })
  server.handleUpgrade(req, socket, head, (client) => greet(client, req))
}

const hello = () => expressFramework().use((_req, res) => void res.send('hello'))
const koa = () => {
  const app = new Koa()
  app.use((ctx) => {
    ctx.body = 'hello'
  })
  return app
}
const fastify = () => {
  const app = fastifyFramework()
  app.get('/chat', () => 'hello')
  return app
}
const hono = () => new Hono().get('/chat', (c) => c.text('hello'))

const FORMS: readonly [name: string, make: () => unknown][] = [
  ['an http.Server around Express', () => withServer(createServer(hello()))],
  ['an http.Server around Koa', () => withServer(createServer(koa().callback()))],
  [
    "Fastify's own server",
    () => {
      const app = fastify()
      withServer(app.server)
      return app
    },
  ],
  [
    'a route of @fastify/websocket',
    () => {
      const app = fastifyFramework()
      app.register(fastifyWebsocket).after(() => {
        app.route({
          method: 'GET',
          url: '/chat',
          handler: () => 'hello',
          wsHandler: (socket, request) => greet(socket, request.raw),
        })
      })
      return app
    },
  ],
  ['an Express app with a method upgrade', () => Object.assign(hello(), { upgrade })],
  [
    'a Connect app with a method upgrade',
    () =>
      Object.assign(
        connectFramework().use((_req, res) => void res.end('hello')),
        { upgrade },
      ),
  ],
  [
    'a Router with a method upgrade',
    () =>
      Object.assign(
        Router().use((_req, res) => void res.end('hello')),
        { upgrade },
      ),
  ],
  ['a Koa app with a method upgrade', () => Object.assign(koa(), { upgrade })],
  ['a Hono app with a method upgrade', () => Object.assign(hono(), { upgrade })],
]

/** `/in` and `/out`, and the app at `/app`. */
async function arrive(make: () => unknown) {
  const app = (await adaptApp(make()))!
  const door: App = async (req, res) => {
    const session = await getSession<Data>(req)
    if (req.url === '/in') session.set('user', 'ann')
    else session.delete()
    session.save()
    res.end()
  }
  door.upgrade = (_req, socket) => socket.destroy()
  const filter = beakerSession({ secret: 'a secret of these tests alone', type: 'memory' })
  const { url, errors } = await serveApp(lint()(filter(urlmap({ '/app': app, '/': door }))))
  onTestFinished(async () => {
    await app.close?.()
    await filter.close!()
    expect(errors).toEqual([])
  })
  const visitor = new Visitor(url)
  const open = (path: string) => {
    const socket = new WebSocket(url.replace('http', 'ws') + path, { headers: { cookie: visitor.cookie } })
    socket.on('error', () => {})
    onTestFinished(() => socket.terminate())
    return socket
  }
  return { visitor, open }
}

describe.each(FORMS)('%s', (_name, make) => {
  test('takes a WebSocket at its mount with the session of its visitor, and pages beside', async () => {
    const { visitor, open } = await arrive(make)
    await visitor.get('/in')
    const socket = open('/app/chat')
    const upgraded = once(socket, 'upgrade') as Promise<[IncomingMessage]>
    const [greeting] = await once(socket, 'message')
    expect(String(greeting)).toBe('ann at /chat of /app/chat')
    expect((await upgraded)[0].headers).not.toHaveProperty('set-cookie')
    expect(await visitor.get('/app/chat')).toBe('hello')
  })

  test('loses the WebSocket when its session is ended', async () => {
    const { visitor, open } = await arrive(make)
    await visitor.get('/in')
    const socket = open('/app/chat')
    await once(socket, 'message')
    const closed = once(socket, 'close')
    await visitor.get('/out')
    expect((await closed)[0]).toBe(1006)
  })
})

test.each<[string, () => unknown]>([
  ['Express', hello],
  ['Koa', koa],
  ['Fastify', fastify],
  ['Hono', hono],
])('%s alone takes none: beside one that does, the client is told so', async (_name, make) => {
  const { open } = await arrive(make)
  const [, response] = (await once(open('/app/chat'), 'unexpected-response')) as [unknown, IncomingMessage]
  expect(response.statusCode).toBe(501)
})

test('a path that its WebSocket server is not for is refused by that', async () => {
  const { open } = await arrive(() => {
    const server = createServer(hello())
    new WebSocketServer({ server, path: '/chat' }).on('connection', greet)
    return server
  })
  expect(String((await once(open('/app/chat'), 'message'))[0])).toMatch(/ at \/chat /)
  const [, response] = (await once(open('/app/other'), 'unexpected-response')) as [unknown, IncomingMessage]
  expect(response.statusCode).toBe(400)
})
