// node:http and nothing else, to which all others are compared. Its bodies are constants, and so is its cookie.

import { createServer } from 'node:http'
import { answer, HELLO, MADE, USER } from './pages.mjs'
import { listen } from './peer.mjs'

const COOKIE = `sid=${'0123456789abcdef'.repeat(5)}; Path=/; HttpOnly; SameSite=Lax`

listen(
  createServer((req, res) => {
    switch (req.url) {
      case '/app/plain':
        return answer(res, HELLO)
      case '/app/read':
        return answer(res, USER)
      case '/app/count':
        return answer(res, '1')
      case '/app/new':
        res.setHeader('set-cookie', COOKIE)
        return answer(res, MADE)
    }
    res.statusCode = 404
    answer(res, 'no such page')
  }),
)
