// express-session behind connect, which is the least that it runs on; all its stores.

import { createServer } from 'node:http'
import connect from 'connect'
import session from 'express-session'
import { expressStore } from './express-stores.mjs'
import { answer, HELLO, heap, MADE, NOBODY, SECRET, uniqueData } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const unique = uniqueData(settings.data)
const app = connect()
app.use(
  session({ secret: SECRET, resave: false, saveUninitialized: false, store: await expressStore(session) }),
)
app.use('/app', (req, res) => {
  switch (req.url) {
    case '/plain':
      return answer(res, HELLO)
    case '/read':
      return answer(res, req.session.user ?? NOBODY)
    case '/count':
      req.session.n = (req.session.n ?? 0) + 1
      return answer(res, String(req.session.n))
    case '/new':
      Object.assign(req.session, settings.data)
      return answer(res, MADE)
    case '/unique':
      Object.assign(req.session, unique())
      return answer(res, MADE)
    case '/heap':
      return answer(res, heap())
  }
  res.statusCode = 404
  answer(res, 'no such page')
})
listen(createServer(app))
