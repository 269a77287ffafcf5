// iron-session, called by hand as its README says for node:http.

import { createServer } from 'node:http'
import { getIronSession } from 'iron-session'
import { answer, HELLO, MADE, NOBODY, SECRET } from './pages.mjs'
import { listen, settings } from './peer.mjs'

const options = { password: SECRET, cookieName: 'sid', cookieOptions: { secure: false } }

async function app(req, res) {
  switch (req.url) {
    case '/app/plain':
      return answer(res, HELLO)
    case '/app/read': {
      const session = await getIronSession(req, res, options)
      return answer(res, session.user ?? NOBODY)
    }
    case '/app/count': {
      const session = await getIronSession(req, res, options)
      session.n = (session.n ?? 0) + 1
      await session.save()
      return answer(res, String(session.n))
    }
    case '/app/new': {
      const session = await getIronSession(req, res, options)
      Object.assign(session, settings.data)
      await session.save()
      return answer(res, MADE)
    }
  }
  res.statusCode = 404
  answer(res, 'no such page')
}

listen(
  createServer((req, res) => {
    app(req, res).catch((error) => {
      res.statusCode = 500
      answer(res, String(error.message))
    })
  }),
)
