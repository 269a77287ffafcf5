// The same session as a JSON API: GET / reads it, POST /count counts.

import { environ, getSession } from 'sessd'

/** `use = file:composite/servicebroker.js` */
export default function servicebroker() {
  return async (req, res) => {
    const { PATH_INFO } = environ(req)
    const counts = PATH_INFO === '/count'
    if (!counts && PATH_INFO !== '/' && PATH_INFO !== '') return answer(res, 404, { error: 'not found' })
    if (!(counts ? ['POST'] : ['GET', 'HEAD']).includes(req.method)) {
      res.setHeader('Allow', counts ? 'POST' : 'GET, HEAD')
      return answer(res, 405, { error: 'method not allowed' })
    }
    if (counts && isFromElsewhere(req)) return answer(res, 403, { error: 'not from another site' })

    const session = await getSession(req)
    if (counts) session.update('count', (count = 0) => count + 1)
    answer(res, 200, { user: session.get('user') ?? null, count: session.get('count') ?? 0 })
  }
}

/** Whether the browser says that a page of another site sends this. Browsers from before 2023 need a token. */
function isFromElsewhere(req) {
  return !['same-origin', 'none', undefined].includes(req.headers['sec-fetch-site'])
}

function answer(res, status, body) {
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  res.end(`${JSON.stringify(body)}\n`)
}
