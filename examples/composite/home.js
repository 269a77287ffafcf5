// The page at `/`: log in by a name, count, log out. What it remembers is in the session, which
// /servicebroker reads and writes too.

import { timingSafeEqual } from 'node:crypto'
import { environ, getSession } from 'sessd'
import { page } from './page.js'

/** Longest form that is read, in characters. */
const FORM_LIMIT = 4096

const actions = {
  '/login'(session, form) {
    const user = form.get('name')?.trim().slice(0, 40)
    if (!user) return session.flash('Please give a name.')
    session.regenerateId() // an id that somebody planted before the log-in is worth nothing after it
    session.newCsrfToken()
    session.set('user', user)
    session.flash(`Welcome, ${user}.`)
  },
  '/count'(session) {
    session.update('count', (count = 0) => count + 1)
  },
  '/logout'(session) {
    session.delete()
  },
}

/** `use = file:composite/home.js` */
export default function home() {
  return async (req, res) => {
    const { SCRIPT_NAME, PATH_INFO } = environ(req)
    const root = `${encodeURI(SCRIPT_NAME)}/`
    const action = Object.hasOwn(actions, PATH_INFO) ? actions[PATH_INFO] : undefined

    if (action === undefined && PATH_INFO !== '/' && PATH_INFO !== '') return answer(res, 404, 'Not found')
    const allowed = action === undefined ? ['GET', 'HEAD'] : ['POST']
    if (!allowed.includes(req.method)) {
      res.setHeader('Allow', allowed.join(', '))
      return answer(res, 405, 'Method not allowed')
    }

    const session = await getSession(req)
    if (action === undefined) {
      const state = {
        user: session.get('user'),
        count: session.get('count') ?? 0,
        messages: session.popFlash(),
        token: session.csrfToken(),
      }
      return answer(res, 200, page(root, state), 'text/html')
    }

    const form = await readForm(req)
    if (form === null) return answer(res, 413, 'Form too long')
    if (!isSame(form.get('token') ?? '', session.csrfToken()))
      return answer(res, 403, 'This form is out of date: go back and reload')
    action(session, form)
    res.setHeader('Location', root)
    answer(res, 303, 'See /')
  }
}

async function readForm(req) {
  let text = ''
  for await (const chunk of req.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += chunk
    if (text.length > FORM_LIMIT) return null
  }
  return new URLSearchParams(text)
}

function isSame(given, expected) {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function answer(res, status, body, type = 'text/plain') {
  res.writeHead(status, {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    'Cache-Control': 'no-store',
  })
  res.end(`${body}\n`)
}
