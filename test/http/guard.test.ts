import { once } from 'node:events'
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2'
import type { Duplex } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { guard } from '../../src/http/guard.js'
import type { App } from '../../src/protocol.js'
import { ask, bodyOf, exchange, listenFree, serveNode, Wire } from '../support/http.js'

/** Serves `app` behind a guard on a bare server; `errors` is what was reported. */
async function guarded(app: App) {
  const errors: string[] = []
  const front = guard(app, { onError: (error, req) => errors.push(`${req.method} ${req.url}: ${error}`) })
  const { port, server } = await serveNode((req, res) => void front(req, res))
  if (front.upgrade !== undefined) server.on('upgrade', front.upgrade.bind(front))
  return { port, errors }
}

const SLIP = new Error('slip')

describe('an app that goes wrong', () => {
  test.each<[string, App]>([
    [
      'throws',
      () => {
        throw SLIP
      },
    ],
    ['rejects', async () => Promise.reject(SLIP)],
    [
      'throws after it has prepared an answer',
      (_req, res) => {
        res.statusCode = 201
        res.statusMessage = 'Made'
        res.setHeader('Set-Cookie', 'a=1')
        res.setHeader('Content-Encoding', 'gzip')
        throw SLIP
      },
    ],
  ])('and %s is a bare 500', async (_how, app) => {
    const { port, errors } = await guarded(app)
    const answer = await ask(port, '/x')
    expect(answer).toMatch(/^HTTP\/1\.1 500 Internal Server Error\r\n/)
    expect(answer).toMatch(/\r\nContent-Type: text\/plain; charset=utf-8\r\n/)
    expect(answer).not.toMatch(/set-cookie|content-encoding|slip/i)
    expect(bodyOf(answer)).toBe('500 Internal Server Error\n')
    expect(errors).toEqual(['GET /x: Error: slip'])
  })

  test('in the middle of its answer loses the connection, so that half never looks whole', async () => {
    const { port, errors } = await guarded(async (_req, res) => {
      res.write('half')
      await new Promise((done) => setImmediate(done))
      throw SLIP
    })
    const answer = await ask(port, '/')
    expect(answer).toContain('half')
    expect(answer).not.toMatch(/\r\n0\r\n\r\n$/)
    expect(errors).toEqual(['GET /: Error: slip'])
  })

  test('in the middle of an HTTP/2 answer loses its stream only', async () => {
    const app = guard(
      async (req, res) => {
        if (req.url === '/well') return res.end('well')
        res.write('half')
        throw SLIP
      },
      { onError: () => {} },
    )
    const port = await listenFree(createHttp2Server(app as never))
    const client = connectHttp2(`http://127.0.0.1:${port}`)
    const broken = client.request({ ':path': '/broken' })
    broken.resume()
    const [error] = (await once(broken, 'error')) as [Error]
    expect(error.message).toBe('Stream closed with error code NGHTTP2_INTERNAL_ERROR')
    const well = client.request({ ':path': '/well' })
    expect(await text(well)).toBe('well')
    client.close()
  })

  test('after its answer is told about and changes nothing', async () => {
    const { port, errors } = await guarded((_req, res) => {
      res.end('done')
      throw SLIP
    })
    expect(bodyOf(await ask(port, '/'))).toBe('done')
    expect(errors).toEqual(['GET /: Error: slip'])
  })

  test('only because its client went away is not told about', async () => {
    const wires: Wire[] = []
    const broken: string[] = []
    const { port, errors } = await guarded(async (req) => {
      try {
        for await (const _chunk of req) wires[0]!.reset()
      } catch (error) {
        broken.push((error as Error).message)
        throw error
      }
    })
    wires.push(new Wire(port))
    wires[0]!.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc')
    await vi.waitFor(() => expect(broken).toEqual(['aborted']))
    await new Promise(setImmediate)
    expect(errors).toEqual([])
  })

  test('is told about on stderr in one line, without the query', async () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    try {
      const app = guard(() => {
        throw new TypeError('bad\nthing')
      })
      const { port } = await serveNode((req, res) => void app(req, res))
      await ask(port, '/a/b?token=secret')
      const lines = write.mock.calls.map(([line]) => String(line))
      expect(lines).toEqual([expect.stringMatching(/^sessd: GET \/a\/b: TypeError: bad thing \(at .*\)\n$/)])
    } finally {
      write.mockRestore()
    }
  })

  test('stays answered when telling goes wrong too', async () => {
    const app = guard(
      () => {
        throw SLIP
      },
      {
        onError: () => {
          throw new Error('no disk')
        },
      },
    )
    const { port } = await serveNode((req, res) => void app(req, res))
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 500 /)
  })
})

describe('a target that can not be served', () => {
  test.each(['/%00', '/a%0ab', 'ftp://h/x'])('is answered 400 before the app sees it: %s', async (target) => {
    const { port, errors } = await guarded(() => {
      throw SLIP
    })
    const answer = await ask(port, target)
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(bodyOf(answer)).toBe('400 Bad Request\n')
    expect(errors).toEqual([])
  })

  test('is answered 400 when it names two hosts', async () => {
    const { port } = await guarded((_req, res) => res.end('reached'))
    const request = (lines: string) => `GET / HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`
    for (const lines of ['Host: a\r\nHost: b\r\n', 'host: a\r\nX-A: 1\r\nHOST: a\r\n']) {
      expect(await exchange(port, request(lines))).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    }
    expect(bodyOf(await exchange(port, request('Host: a\r\nFrom: b\r\n')))).toBe('reached')
  })

  test('is answered 400 when it asks for an upgrade', async () => {
    const { port } = await guarded(withUpgrade(() => {}))
    expect(await exchange(port, upgradeRequest('/%00'))).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
  })
})

describe('an upgrade', () => {
  test('reaches the app with its path in normal form', async () => {
    const { port } = await guarded(
      withUpgrade((req, socket) => socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\n${req.url}`)),
    )
    expect(bodyOf(await exchange(port, upgradeRequest('//a/%2e/b')))).toBe('/a/b')
  })

  test.each<[string, NonNullable<App['upgrade']>]>([
    [
      'throws',
      () => {
        throw SLIP
      },
    ],
    ['rejects', (async () => Promise.reject(SLIP)) as NonNullable<App['upgrade']>],
  ])('that %s closes its socket and nothing else', async (_how, upgrade) => {
    const { port, errors } = await guarded(withUpgrade(upgrade))
    expect(await exchange(port, upgradeRequest('/ws'))).toBe('')
    expect(errors).toEqual(['GET /ws: Error: slip'])
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('that is reset by the client does not end the process', async () => {
    let socket: Duplex | undefined
    const { port } = await guarded(
      withUpgrade((_req, taken) => {
        socket = taken
        taken.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      }),
    )
    const wire = new Wire(port)
    wire.send(upgradeRequest('/ws'))
    await wire.until(/\r\n\r\n/)
    const closed = new Promise((resolve) => socket!.once('close', resolve))
    wire.reset()
    socket!.write('to nobody')
    await closed
    expect(await ask(port, '/')).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('is not listened for when the app takes none', () => {
    expect(guard(() => {}).upgrade).toBeUndefined()
  })
})

function withUpgrade(upgrade: NonNullable<App['upgrade']>): App {
  return Object.assign<App, Pick<App, 'upgrade'>>((_req, res) => res.end(), { upgrade })
}

function upgradeRequest(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  let all = ''
  for await (const chunk of stream) all += chunk
  return all
}
