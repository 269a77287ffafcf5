// Brings along the server behind /proxy: starts it on a free port and hands its address down to the app that it is
// given. What a composite hands down, a section takes with `get`: `get address = upstream`.

import { once } from 'node:events'
import { createServer } from 'node:http'

/** `[composite:x] use = file:composite/upstream.js`, `app` names the section that proxies. */
export default async function upstream(loader, globalConf, localConf) {
  const server = createServer(echo).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = () => {
    server.close()
    server.closeAllConnections()
  }
  try {
    const address = `http://127.0.0.1:${server.address().port}`
    const next = await loader.getApp(localConf.app, { ...globalConf, upstream: address })
    return Object.assign((req, res) => next(req, res), { close })
  } catch (error) {
    close()
    throw error
  }
}

/** Answers with what it was asked, as any server behind a proxy sees it. */
function echo(req, res) {
  const names = Object.keys(req.headers).filter((name) => name.startsWith('x-forwarded-'))
  res.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  res.end(
    `${JSON.stringify({
      upstream: 'was asked',
      method: req.method,
      url: req.url,
      forwarded: Object.fromEntries(names.sort().map((name) => [name, req.headers[name]])),
    })}\n`,
  )
}
