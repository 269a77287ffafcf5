// Koa with koa-session: signed cookies (its default), or for store = memory a Map of JSON behind its `store`.

import Koa from 'koa'
import session from 'koa-session'
import { HELLO, heap, MADE, NOBODY, SECRET, uniqueData } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const rows = new Map()
const store = {
  get: (id) => {
    const text = rows.get(id)
    return text === undefined ? undefined : JSON.parse(text)
  },
  set: (id, value) => void rows.set(id, JSON.stringify(value)),
  destroy: (id) => void rows.delete(id),
}

const unique = uniqueData(settings.data)
const app = new Koa()
app.keys = [SECRET]
const make = session.createSession ?? session.default ?? session
app.use(make(settings.store === 'cookie' ? { key: 'sid' } : { key: 'sid', store }, app))
app.use((ctx) => {
  ctx.type = 'text/plain'
  switch (ctx.path) {
    case '/app/plain':
      ctx.body = HELLO
      break
    case '/app/read':
      ctx.body = ctx.session.user ?? NOBODY
      break
    case '/app/count':
      ctx.session.n = (ctx.session.n ?? 0) + 1
      ctx.body = String(ctx.session.n)
      break
    case '/app/new':
      Object.assign(ctx.session, settings.data)
      ctx.body = MADE
      break
    case '/app/unique':
      Object.assign(ctx.session, unique())
      ctx.body = MADE
      break
    case '/app/heap':
      ctx.body = heap()
      break
    default:
      ctx.status = 404
  }
})
listen((await import('node:http')).createServer(app.callback()))
