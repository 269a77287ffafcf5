// The page that has moved to Node. Who is logged in, messages and the token of forms are those of the old app: the keys are
// in the one session that both have.

import { timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { environ, getSession } from 'sessd'

/** Longest form that is read, in characters. */
const FORM_LIMIT = 4096
const STYLE = readFileSync(new URL('page.css', import.meta.url), 'utf8')

const actions = {
  '/nickname'(session, form) {
    const nickname = form.get('nickname')?.trim().slice(0, 40)
    if (!nickname) return session.flash('Please give a nickname.')
    session.set('nickname', nickname)
    session.flash(`You are called ${nickname} now.`)
  },
  '/logout'(session) {
    session.delete()
  },
}

/** `use = file:account.js` */
export default function account() {
  return async (req, res) => {
    const { SCRIPT_NAME, PATH_INFO } = environ(req)
    const action = Object.hasOwn(actions, PATH_INFO) ? actions[PATH_INFO] : undefined
    if (action === undefined && !['', '/', '/session'].includes(PATH_INFO))
      return answer(res, 404, 'Not found')
    const allowed = action === undefined ? ['GET', 'HEAD'] : ['POST']
    if (!allowed.includes(req.method)) {
      res.setHeader('Allow', allowed.join(', '))
      return answer(res, 405, 'Method not allowed')
    }

    const session = await getSession(req)
    if (PATH_INFO === '/session') {
      const seen = ['user', 'nickname', 'count'].map((key) => [key, session.get(key) ?? null])
      return answer(res, 200, JSON.stringify(Object.fromEntries(seen)), 'application/json')
    }
    if (action === undefined) return answer(res, 200, page(encodeURI(SCRIPT_NAME), session), 'text/html')

    const form = await readForm(req)
    if (form === null) return answer(res, 413, 'Form too long')
    if (!isSame(form.get('csrf_token') ?? '', session.csrfToken()))
      return answer(res, 403, 'This form is out of date: go back and reload')
    action(session, form)
    res.setHeader('Location', '/')
    answer(res, 303, 'See /')
  }
}

/** Takes the messages and makes the token, if there is none: that is all that it changes. */
function page(root, session) {
  const user = session.get('user')
  const token = `<input type="hidden" name="csrf_token" value="${escapeHtml(session.csrfToken())}">`
  const notes = session.popFlash().map((note) => `<p class="note" role="status">${escapeHtml(note)}</p>`)
  const content =
    user === undefined
      ? '<h1>Your account</h1><p>Please <a href="/">log in</a> at the old app.</p>'
      : `<header><h1>${escapeHtml(user)}'s account</h1>
<form class="quiet" method="post" action="${root}/logout">${token}<button>Log out</button></form></header>
<form method="post" action="${root}/nickname">${token}
  <input name="nickname" placeholder="Nickname" aria-label="Nickname" required maxlength="40"
    value="${escapeHtml(session.get('nickname') ?? '')}">
  <button>Save</button>
</form>`
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Your account</title><style>${STYLE}</style></head>
<body><main>
${content}
${notes.join('\n')}
<footer>This is Node. The <a href="/">rest</a> is Pyramid still.</footer>
</main></body>
</html>`
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

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

function escapeHtml(value) {
  return String(value).replace(/[&<>"']/g, (sign) => ENTITIES[sign])
}

function answer(res, status, body, type = 'text/plain') {
  res.writeHead(status, { 'Content-Type': `${type}; charset=utf-8`, 'Cache-Control': 'no-store' })
  res.end(`${body}\n`)
}
