// express-session as most people have it: in Express, in memory.

import { createServer } from 'node:http'
import express from 'express'
import session from 'express-session'
import { expressStore } from './express-stores.mjs'
import { answer, HELLO, MADE, NOBODY, SECRET } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const app = express()
app.use(
  session({ secret: SECRET, resave: false, saveUninitialized: false, store: await expressStore(session) }),
)
app.get('/app/plain', (_req, res) => answer(res, HELLO))
app.get('/app/read', (req, res) => answer(res, req.session.user ?? NOBODY))
app.get('/app/count', (req, res) => {
  req.session.n = (req.session.n ?? 0) + 1
  answer(res, String(req.session.n))
})
app.get('/app/new', (req, res) => {
  Object.assign(req.session, settings.data)
  answer(res, MADE)
})
listen(createServer(app))
