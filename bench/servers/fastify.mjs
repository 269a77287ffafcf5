// Fastify with @fastify/session (in memory) or, for store = cookie, with @fastify/secure-session (encrypted cookies).

import { createHash } from 'node:crypto'
import fastify from 'fastify'
import { HELLO, heap, MADE, NOBODY, SECRET, uniqueData } from './pages.mjs'
import { settings } from './peer.mjs'

const app = fastify()
if (settings.store === 'cookie') {
  const { default: secureSession } = await import('@fastify/secure-session')
  const key = createHash('sha256').update(SECRET).digest()
  await app.register(secureSession, { key, cookieName: 'sid', cookie: { path: '/', httpOnly: true } })
} else {
  const [{ default: cookie }, { default: session }] = await Promise.all([
    import('@fastify/cookie'),
    import('@fastify/session'),
  ])
  await app.register(cookie)
  await app.register(session, { secret: SECRET, cookie: { secure: false }, saveUninitialized: false })
}
const isSecure = settings.store === 'cookie'
const get = isSecure ? (session, key) => session.get(key) : (session, key) => session[key]
const set = isSecure
  ? (session, key, value) => session.set(key, value)
  : (session, key, value) => {
      session[key] = value
    }

app.get('/app/plain', (_request, reply) => send(reply, HELLO))
app.get('/app/read', ({ session }, reply) => send(reply, get(session, 'user') ?? NOBODY))
app.get('/app/count', ({ session }, reply) => {
  const n = (get(session, 'n') ?? 0) + 1
  set(session, 'n', n)
  send(reply, String(n))
})
app.get('/app/new', ({ session }, reply) => {
  for (const [key, value] of Object.entries(settings.data)) set(session, key, value)
  send(reply, MADE)
})

const unique = uniqueData(settings.data)
app.get('/app/unique', ({ session }, reply) => {
  for (const [key, value] of Object.entries(unique())) set(session, key, value)
  send(reply, MADE)
})
app.get('/app/heap', (_request, reply) => send(reply, heap()))

function send(reply, text) {
  reply.header('content-type', 'text/plain').send(text)
}

console.log(await app.listen({ host: '127.0.0.1', port: 0 }))
