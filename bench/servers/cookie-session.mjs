// cookie-session behind connect: signed cookies that hold the session.

import { createServer } from 'node:http'
import connect from 'connect'
import session from 'cookie-session'
import { answer, HELLO, MADE, NOBODY, SECRET } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const app = connect()
app.use(session({ name: 'sid', keys: [SECRET] }))
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
  }
  res.statusCode = 404
  answer(res, 'no such page')
})
listen(createServer(app))
