// WebSockets through a proxy mount, with the package `ws` on both ends, and with ends that misbehave.

import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { urlmap } from '../../../src/apps/urlmap.js'
import { bodyOf, exchange, listenFree, serveApp, Wire } from '../../support/http.js'
import { closing, rawAnswer, rawUpstream, serveProxy } from '../../support/upstream.js'

const HANDSHAKE =
  'Host: front\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
const GET = `GET /ws HTTP/1.1\r\n${HANDSHAKE}\r\n`

/** A WebSocket server that greets with what it got of the handshake, and echoes. */
async function echo() {
  const server = createServer()
  const sockets = new WebSocketServer({
    server,
    verifyClient: ({ req }: { req: IncomingMessage }) => req.url !== '/deny',
  })
  sockets.on('connection', (socket, req) => {
    socket.on('error', () => {})
    const { host, 'x-forwarded-for': from, 'x-forwarded-prefix': prefix, cookie } = req.headers
    socket.send(JSON.stringify({ url: req.url, host, from, prefix, cookie }))
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const port = await listenFree(server)
  onTestFinished(() => {
    for (const client of sockets.clients) client.terminate()
  })
  return { url: `http://127.0.0.1:${port}`, port, sockets }
}

function open(url: string, headers: Record<string, string> = {}): WebSocket {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers })
  onTestFinished(() => socket.terminate())
  return socket
}

const next = async (socket: WebSocket) => String((await once(socket, 'message'))[0])

describe('a WebSocket', () => {
  test('goes through, with the headers that a request has, in text and in megabytes', async () => {
    const behind = await echo()
    const { url } = await serveProxy(`${behind.url}/base`, (app) => urlmap({ '/chat': app }))
    const socket = open(`${url}/chat/room?x=1`, { cookie: 'a=b', 'x-forwarded-for': '6.6.6.6' })
    expect(JSON.parse(await next(socket))).toEqual({
      url: '/base/room?x=1',
      host: `127.0.0.1:${behind.port}`,
      from: '127.0.0.1',
      prefix: '/chat',
      cookie: 'a=b',
    })
    socket.send('hello')
    expect(await next(socket)).toBe('hello')
    const large = Buffer.alloc(5_000_000, 'x')
    socket.send(large)
    expect(large.equals((await once(socket, 'message'))[0] as Buffer)).toBe(true)
  })

  test('ends on both sides when either side ends', async () => {
    const behind = await echo()
    const { url } = await serveProxy(behind.url)
    const first = open(url)
    await next(first)
    first.close(4001, 'bye')
    const [code] = await once(first, 'close')
    expect(code).toBe(4001)
    const second = open(url)
    await next(second)
    const [served] = behind.sockets.clients
    served!.close(4002)
    expect((await once(second, 'close'))[0]).toBe(4002)
  })

  test('that the upstream refuses gets its answer', async () => {
    const behind = await echo()
    const { port } = await serveProxy(behind.url)
    const answer = await exchange(port, GET.replace('/ws', '/deny'))
    expect(answer).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n/)
    expect(bodyOf(answer)).toBe('Unauthorized')
  })

  test('is a 502 when nobody is there, or what is there speaks nonsense', async () => {
    const free = createNetServer()
    const port = await listenFree(free)
    await new Promise((resolve) => free.close(resolve))
    const nobody = await serveProxy(`http://127.0.0.1:${port}`)
    expect(await exchange(nobody.port, GET)).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(nobody.reports).toEqual([expect.stringMatching(/^GET: proxy to http:.*ECONNREFUSED/)])
    const nonsense = await rawAnswer('nonsense\r\n\r\n')
    const other = await serveProxy(nonsense.url)
    expect(await exchange(other.port, GET)).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
  })

  test.each(['000', '101'])('is a 502 when the upstream answers %s and opens nothing', async (status) => {
    const behind = await rawAnswer(`HTTP/1.1 ${status} What\r\nContent-Length: 0\r\n\r\n`)
    const { port, reports } = await serveProxy(behind.url)
    expect(await exchange(port, GET)).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/)
    expect(reports).toEqual([
      `GET: proxy to ${behind.url}: the answer has the status ${Number(status)}, expected 200 to 999`,
    ])
  })

  test('is a 504 when the upstream says nothing in time', async () => {
    const silent = await rawUpstream(() => {})
    const { port } = await serveProxy({ address: silent.url, proxy_timeout: 1 })
    expect(await exchange(port, GET)).toMatch(/^HTTP\/1\.1 504 Gateway Timeout\r\n/)
  })

  test.each([
    ['a body', `GET /ws HTTP/1.1\r\nContent-Length: 5\r\n${HANDSHAKE}\r\nhello`, 400],
    ['a chunked body', `GET /ws HTTP/1.1\r\nTransfer-Encoding: chunked\r\n${HANDSHAKE}\r\n0\r\n\r\n`, 400],
    ['another method', `POST /ws HTTP/1.1\r\n${HANDSHAKE}\r\n`, 405],
  ])('with %s is refused, and nothing of it goes on', async (_what, text, status) => {
    const behind = await rawUpstream(() => {})
    const { port } = await serveProxy(behind.url)
    expect(await exchange(port, text)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(behind.sockets).toEqual([])
  })
})

describe('resets', () => {
  test('of the client, during the handshake and after it, end the other side and nothing else', async () => {
    const silent = await rawUpstream(() => {})
    const before = await serveProxy(silent.url)
    const early = new Wire(before.port)
    early.send(GET)
    await expect.poll(() => silent.sockets.length).toBe(1)
    early.reset()
    await closing(silent.sockets[0]!)
    const talking = await rawAnswer(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi',
    )
    const { port } = await serveProxy(talking.url)
    const late = new Wire(port)
    late.send(GET)
    await late.until(/\r\n\r\nhi/)
    late.reset()
    await closing(talking.sockets[0]!)
  })

  test('of the upstream end the client', async () => {
    const behind = await rawAnswer(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi',
      'reset',
    )
    const { port } = await serveProxy(behind.url)
    expect(await exchange(port, GET)).toMatch(/^HTTP\/1\.1 (101|502) /)
  })
})

test('a mount that takes no WebSockets refuses them, and one beside it does not', async () => {
  const behind = await echo()
  const { url: plain } = await serveProxy(behind.url, (app) =>
    urlmap({ '/ws': app, '/plain': (_req, res) => res.end('plain') }),
  )
  expect(JSON.parse(await next(open(`${plain}/ws`)))).toMatchObject({ prefix: '/ws' })
  const refused = open(`${plain}/plain`)
  const [error] = await once(refused, 'error')
  expect((error as Error).message).toBe('Unexpected server response: 501')
  const { url } = await serveApp((_req, res) => res.end('no sockets'))
  const ordinary = open(url)
  expect(((await once(ordinary, 'error'))[0] as Error).message).toBe('Unexpected server response: 200')
})
