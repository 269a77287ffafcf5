// What the proxies stand in front of: 1 KB, 10 MB, and a page that counts the bytes it is sent.

import { createServer } from 'node:http'
import { answer } from './pages.mjs'
import { listen } from './peer.mjs'

const bodies = { '/small': Buffer.alloc(1024, 'x'), '/large': Buffer.alloc(10 * 1024 * 1024, 'x') }

listen(
  createServer((req, res) => {
    const body = bodies[req.url]
    if (body !== undefined) {
      res.setHeader('content-type', 'application/octet-stream')
      res.setHeader('content-length', body.length)
      res.end(body)
      return
    }
    let received = 0
    req.on('data', (chunk) => (received += chunk.length))
    req.on('end', () => answer(res, String(received)))
  }),
)
