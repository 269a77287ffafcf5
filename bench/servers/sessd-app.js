// The app of sessd's own server: a part in a file, as a user's would be. It is mounted at /app.

import { getSession } from '../../dist/index.js'
import { answer, HELLO, heap, MADE, NOBODY, uniqueData } from './pages.mjs'

export function makeApp(_globalConf, { data }) {
  const given = JSON.parse(data)
  const entries = Object.entries(given)
  const unique = uniqueData(given)
  return (req, res) => {
    switch (req.url) {
      case '/plain':
        return answer(res, HELLO)
      case '/read':
        return read(req, res)
      case '/count':
        return count(req, res)
      case '/add':
        return add(req, res)
      case '/new':
        return create(req, res, entries)
      case '/unique':
        return create(req, res, Object.entries(unique()))
      case '/heap':
        return answer(res, heap())
    }
    res.statusCode = 404
    answer(res, 'no such page')
  }
}

async function read(req, res) {
  const session = await getSession(req)
  answer(res, session.get('user') ?? NOBODY)
}

async function count(req, res) {
  const session = await getSession(req)
  const n = (session.get('n') ?? 0) + 1
  session.set('n', n)
  session.save()
  answer(res, String(n))
}

/** As `count`, in the way that requests at the same time can not undo. */
async function add(req, res) {
  const session = await getSession(req)
  session.update('n', (n = 0) => n + 1)
  answer(res, MADE)
}

async function create(req, res, entries) {
  const session = await getSession(req)
  for (const [key, value] of entries) session.set(key, value)
  session.save()
  answer(res, MADE)
}
