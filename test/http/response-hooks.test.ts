import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, connect as http2Connect } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import {
  filterResponse,
  hookResponse,
  PublicError,
  type ResponseHook,
} from '../../src/http/response-hooks.js'

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function listen(handler: Handler): Promise<number> {
  const server = createServer((req, res) => void handler(req, res))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closing.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

/** All bytes that the server answers to one raw request, without the Date header. */
function raw(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(text.replace(/^Date: .*\r\n/im, '')))
    socket.write(request.replaceAll('\n', '\r\n'))
  })
}

function get(port: number, method = 'GET'): Promise<string> {
  return raw(port, `${method} / HTTP/1.1\nHost: x\nConnection: close\n\n`)
}

interface TestHook extends ResponseHook {
  log: string[]
}

/** A hook that adds a cookie at the head, at once or later. */
function cookieHook(wait: boolean, overrides: Partial<ResponseHook> = {}): TestHook {
  const log: string[] = []
  return {
    log,
    outer: null,
    wantsHead: () => true,
    beforeHead() {
      log.push('head')
      return wait ? turn().then(() => undefined) : undefined
    },
    addHeaders: (res) => void res.appendHeader('Set-Cookie', 'hook=1'),
    wantsBody: () => false,
    beforeBody: () => undefined,
    ...overrides,
  }
}

const idle = (): ResponseHook => cookieHook(false, { wantsHead: () => false })

const later = async () => 'later'

const shapes: Record<string, Handler> = {
  'end()': (_, res) => res.end(),
  'end(chunk)': (_, res) => res.end('hello'),
  'end(buffer)': (_, res) => res.end(Buffer.from('hello')),
  'end(chunk, encoding)': (_, res) => res.end('68656c6c6f', 'hex'),
  'end(callback)': (_, res) => res.end(() => undefined),
  'end(chunk, callback)': (_, res) => res.end('hello', () => undefined),
  'end(chunk, encoding, callback)': (_, res) => res.end('68656c6c6f', 'hex', () => undefined),
  'end taken before an await': async (_, res) => res.end(await later()),
  'write, end': (_, res) => {
    res.write('a')
    res.write('b', 'latin1')
    res.end('c')
  },
  'write with callback, end in it': (_, res) => void res.write('a', () => void res.end('b')),
  'status and headers set': (_, res) => {
    res.statusCode = 201
    res.statusMessage = 'Made'
    res.setHeader('X-A', '1')
    res.end('x')
  },
  'writeHead(status)': (_, res) => res.writeHead(202).end('x'),
  'writeHead(status, reason)': (_, res) => res.writeHead(202, 'Fine').end('x'),
  'writeHead(status, object)': (_, res) => res.writeHead(200, { 'X-A': '1', 'X-B': ['2', '3'] }).end('x'),
  'writeHead(status, reason, object)': (_, res) => res.writeHead(200, 'Yes', { 'X-A': '1' }).end('x'),
  'writeHead(status, undefined, object)': (_, res) =>
    (res.writeHead as (...args: unknown[]) => ServerResponse)(200, undefined, { 'X-A': '1' }).end('x'),
  'writeHead with a number as value': (_, res) => res.writeHead(200, { 'Content-Length': 1 }).end('x'),
  'writeHead with a flat array': (_, res) => res.writeHead(200, ['X-A', '1', 'X-A', '2']).end('x'),
  'writeHead with its own cookie': (_, res) => res.writeHead(200, { 'Set-Cookie': 'app=1' }).end('x'),
  'writeHead replacing a header': (_, res) => {
    res.setHeader('X-A', '1')
    res.writeHead(200, { 'X-A': '2' })
    res.end('x')
  },
  'flushHeaders, end': (_, res) => {
    res.flushHeaders()
    res.end('x')
  },
  'flushHeaders, then later': async (_, res) => {
    res.flushHeaders()
    await turn()
    res.write('x')
    await turn()
    res.end('y')
  },
  'early hints and continue first': (_, res) => {
    res.writeProcessing()
    res.end('x')
  },
  '204': (_, res) => res.writeHead(204).end(),
  '304': (_, res) => res.writeHead(304).end(),
  'a piped stream': (_, res) => pipeline(Readable.from(['a', 'b', 'c']), res).catch(() => undefined),
  'content-length and two writes': (_, res) => {
    res.setHeader('Content-Length', 2)
    res.write('a')
    res.end('b')
  },
  trailers: (_, res) => {
    res.writeHead(200, { Trailer: 'X-T' })
    res.write('x')
    res.addTrailers({ 'X-T': '1' })
    res.end()
  },
  'cork and uncork': (_, res) => {
    res.cork()
    res.write('a')
    res.write('b')
    res.uncork()
    res.end()
  },
  'end twice': (_, res) => {
    res.end('x')
    res.end()
  },
}

const withoutCookie = (text: string) => text.replace(/^Set-Cookie: hook=1\r\n/im, '')
/** Header order and chunk borders may differ when headers come by another way; the meaning may not. */
function meaning(text: string): unknown {
  const [head = '', body = ''] = splitOnce(text, '\r\n\r\n')
  const [status, ...headers] = head.split('\r\n')
  const chunked = /^transfer-encoding: chunked$/im.test(head)
  return {
    status,
    headers: headers.map((line) => line.toLowerCase()).sort(),
    body: chunked ? dechunk(body) : body,
  }
}

function splitOnce(text: string, mark: string): string[] {
  const at = text.indexOf(mark)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + mark.length)]
}

function dechunk(body: string): string {
  let text = ''
  let rest = body
  while (rest !== '') {
    const [size = '', after = ''] = splitOnce(rest, '\r\n')
    const length = Number.parseInt(size, 16)
    if (length === 0) return `${text}|${after}`
    text += after.slice(0, length)
    rest = after.slice(length + 2)
  }
  return text
}

describe.each([
  ['a hook with nothing to do', idle, false],
  ['a hook that works at once', () => cookieHook(false), true],
  ['a hook that takes its time', () => cookieHook(true), true],
  ['two hooks, one of them slow', () => cookieHook(true), true],
  ['a filter around a slow hook, and an idle hook around both', () => cookieHook(true), true],
  ['a filter around a hook with nothing to do', idle, false],
] as const)('a response with %s', (title, makeHook, adds) => {
  it.each(Object.entries(shapes))('answers as a bare server does: %s', async (name, handler) => {
    for (const method of name === 'trailers' ? ['GET'] : ['GET', 'HEAD']) {
      const bare = await get(await listen(handler), method)
      const hooked = await get(
        await listen((req, res) => {
          if (title.startsWith('two') || title.includes('both')) hookResponse(res, idle())
          if (title.includes('filter')) filterResponse(res, { head: () => 'pass' })
          hookResponse(res, makeHook())
          return handler(req, res)
        }),
        method,
      )
      expect(meaning(withoutCookie(hooked))).toEqual(meaning(bare))
      expect(/^set-cookie: hook=1$/im.test(hooked)).toBe(adds)
    }
  })
})

describe('a response that is held back', () => {
  it('shows nothing to the client before the hook is done', async () => {
    let stored = false
    const port = await listen((_req, res) => {
      const hook = cookieHook(false, {
        beforeHead: async () => {
          await turn()
          stored = true
        },
      })
      hookResponse(res, hook)
      const socket = res.socket!
      const write = socket.write.bind(socket)
      socket.write = ((...args: Parameters<typeof write>) => {
        expect(stored).toBe(true)
        return write(...args)
      }) as typeof socket.write
      res.write('a')
      res.end('b')
    })
    expect(await get(port)).toContain('200 OK')
  })

  it('says of itself what a sent response says', async () => {
    const seen: unknown[] = []
    const port = await listen((_req, res) => {
      hookResponse(res, cookieHook(true))
      seen.push(res.headersSent, res.writableEnded)
      res.writeHead(200)
      seen.push(res.headersSent)
      expect(() => res.setHeader('X-Late', '1')).toThrow(
        'Cannot set headers after they are sent to the client',
      )
      seen.push(res.write('a'), res.writableEnded)
      res.end('b')
      seen.push(res.writableEnded)
    })
    expect(await get(port)).not.toContain('X-Late')
    expect(seen).toEqual([false, false, true, false, false, true])
  })

  it("emits 'drain' after it refused a write", async () => {
    const port = await listen(async (_req, res) => {
      hookResponse(res, cookieHook(true))
      if (!res.write('a')) await new Promise((go) => res.once('drain', go))
      res.end('b')
    })
    expect(await get(port)).toMatch(/a[\s\S]*b/)
  })

  it('calls the callbacks of writes and end once, in order', async () => {
    const calls: string[] = []
    const port = await listen((_req, res) => {
      hookResponse(res, cookieHook(true))
      res.write('a', () => calls.push('a'))
      res.write('b', () => calls.push('b'))
      res.end('c', () => calls.push('end'))
    })
    await get(port)
    expect(calls).toEqual(['a', 'b', 'end'])
  })

  it('refuses a second head as Node does', async () => {
    const codes: unknown[] = []
    const port = await listen((_req, res) => {
      hookResponse(res, cookieHook(true))
      res.writeHead(200)
      try {
        res.writeHead(404)
      } catch (error) {
        codes.push((error as NodeJS.ErrnoException).code)
      }
      res.end('a')
      res.end('b', () => codes.push('end'))
    })
    expect(await get(port)).toContain('200 OK')
    expect(codes).toEqual(['ERR_HTTP_HEADERS_SENT', 'end'])
  })

  it('survives a client that is gone before it is released', async () => {
    let finish = () => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const port = await listen((req, res) => {
      hookResponse(
        res,
        cookieHook(false, {
          beforeHead: async () => {
            await new Promise((gone) => req.once('close', gone))
            finish()
          },
        }),
      )
      res.end('x')
    })
    const socket = connect(port, '127.0.0.1', () => {
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      setImmediate(() => socket.destroy())
    })
    await finished
    await turn()
    expect(await get(await listen((_req, res) => res.end('alive')))).toContain('alive')
  })
})

describe('a hook that fails', () => {
  const failing = (error: unknown, wait: boolean): ResponseHook =>
    cookieHook(false, {
      beforeHead() {
        if (wait) return turn().then(() => Promise.reject(error))
        throw error
      },
    })

  it.each([
    ['at once', false],
    ['later', true],
  ])('turns the response into a 500 without any of its headers (%s)', async (_when, wait) => {
    const port = await listen((_req, res) => {
      hookResponse(res, failing(new Error('disk full: /secret/place'), wait))
      res.setHeader('Set-Cookie', 'app=1')
      res.writeHead(200, { 'X-App': '1' })
      res.write('you are logged in')
      res.end()
    })
    const text = await get(port)
    expect(text).toMatch(/^HTTP\/1\.1 500 Internal Server Error\r\n/)
    expect(text).toMatch(/\r\n\r\nInternal Server Error\n$/)
    expect(text).not.toMatch(/app|logged|secret/i)
  })

  it('tells the client a reason that is meant for it', async () => {
    const port = await listen((_req, res) => {
      hookResponse(res, failing(new PublicError('session value cart: circular'), true))
      res.end('x')
    })
    expect(await get(port)).toMatch(/\r\n\r\nInternal Server Error\nsession value cart: circular\n$/)
  })

  it('does not throw into an app that goes on writing', async () => {
    const port = await listen((_req, res) => {
      hookResponse(res, failing(new Error('no'), false))
      res.writeHead(200)
      expect(res.write('a')).toBe(true)
      res.end('b')
      res.end()
    })
    expect(await get(port)).toContain('500')
  })

  it.each([false, true])('answers every callback (slow hook: %s)', async (wait) => {
    const answers: unknown[] = []
    const port = await listen((_req, res) => {
      hookResponse(res, failing(new Error('no'), wait))
      for (const text of ['a', 'b']) res.write(text, (error) => answers.push((error as Error).message))
      res.end('c', () => answers.push('end'))
    })
    expect(await get(port)).toContain('500')
    expect(answers).toEqual(['no', 'no', 'end'])
  })

  it('lets go of what is piped into the response', async () => {
    let piped: Promise<void> | undefined
    const port = await listen((_req, res) => {
      hookResponse(res, failing(new Error('no'), true))
      // As with a client that goes away, what is left of the source is destroyed.
      const source = Readable.from(Array.from({ length: 50 }, () => Buffer.alloc(10_000)))
      piped = pipeline(source, res).catch(() => {})
    })
    expect(await get(port)).toContain('500')
    await piped
  })

  it('cuts the connection when the head is out', async () => {
    let saved = false
    const port = await listen(async (_req, res) => {
      hookResponse(
        res,
        cookieHook(false, { wantsBody: () => saved, beforeBody: () => Promise.reject(new Error('no')) }),
      )
      res.writeHead(200, { 'Content-Length': 2 })
      res.flushHeaders()
      await turn()
      saved = true
      res.end('ab')
    })
    const text = await get(port)
    expect(text).toContain('200 OK')
    expect(text).not.toContain('ab')
  })
})

describe('the body after the head', () => {
  it('waits for what was saved before it', async () => {
    const order: string[] = []
    const port = await listen(async (_req, res) => {
      let dirty = false
      hookResponse(
        res,
        cookieHook(false, {
          wantsBody: () => dirty,
          beforeBody: () => {
            dirty = false
            order.push('storing')
            return turn().then(() => void order.push('stored'))
          },
        }),
      )
      res.write('a')
      dirty = true
      res.write('b', () => order.push('b out'))
      res.end()
    })
    expect(await get(port)).toMatch(/a[\s\S]*b/)
    expect(order).toEqual(['storing', 'stored', 'b out'])
  })
})

describe('several hooks', () => {
  it('run from the one added last to the one added first', async () => {
    const order: string[] = []
    const named = (name: string, wait: boolean) =>
      cookieHook(false, {
        beforeHead: () => {
          order.push(name)
          return wait ? turn().then(() => undefined) : undefined
        },
      })
    const port = await listen((_req, res) => {
      hookResponse(res, named('outer', false))
      hookResponse(res, named('middle', true))
      hookResponse(res, named('inner', false))
      res.end('x')
    })
    await get(port)
    expect(order).toEqual(['inner', 'middle', 'outer'])
  })
})

describe('http2', () => {
  it.each([false, true])('gets the same head (slow hook: %s)', async (wait) => {
    const server = createHttp2Server((_req, res) => {
      hookResponse(res as unknown as ServerResponse, cookieHook(wait))
      res.writeHead(201, { 'x-app': '1', 'set-cookie': 'app=1' })
      res.write('a')
      res.end('b')
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const client = http2Connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    closing.push(() => {
      client.destroy()
      server.close()
    })
    const stream = client.request({ ':path': '/' })
    const headers = new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve))
    let body = ''
    for await (const chunk of stream) body += chunk
    expect(await headers).toMatchObject({ ':status': 201, 'x-app': '1', 'set-cookie': ['app=1', 'hook=1'] })
    expect(body).toBe('ab')
  })

  it.each([false, true])('gets a 500 and no warning from a hook that fails (slow hook: %s)', async (wait) => {
    const warnings: string[] = []
    const listener = (warning: Error) => warnings.push(warning.message)
    process.on('warning', listener)
    closing.push(() => process.off('warning', listener))
    const hook = cookieHook(false, {
      beforeHead() {
        if (wait) return turn().then(() => Promise.reject(new Error('no')))
        throw new Error('no')
      },
    })
    const server = createHttp2Server((_req, res) => {
      hookResponse(res as unknown as ServerResponse, hook)
      res.writeHead(201, { 'x-app': '1', 'set-cookie': 'app=1' })
      res.write('a')
      res.end('b')
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const client = http2Connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    closing.push(() => {
      client.destroy()
      server.close()
    })
    const stream = client.request({ ':path': '/' })
    const headers = new Promise<Record<string, unknown>>((resolve) => stream.once('response', resolve))
    let body = ''
    for await (const chunk of stream) body += chunk
    expect(await headers).toMatchObject({ ':status': 500 })
    expect(Object.keys(await headers)).not.toContain('set-cookie')
    expect(body).toBe('Internal Server Error\n')
    await turn()
    expect(warnings).toEqual([])
  })

  it('survives a hook that fails after the head', async () => {
    let saved = false
    const server = createHttp2Server(async (_req, res) => {
      hookResponse(
        res as unknown as ServerResponse,
        cookieHook(false, { wantsBody: () => saved, beforeBody: () => Promise.reject(new Error('no')) }),
      )
      res.writeHead(200)
      res.write('a')
      await turn()
      saved = true
      res.end('b')
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const client = http2Connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    closing.push(() => {
      client.destroy()
      server.close()
    })
    const stream = client.request({ ':path': '/' })
    let body = ''
    const outcome = new Promise<string>((resolve) => {
      stream.on('data', (chunk) => {
        body += chunk
      })
      stream.on('error', () => resolve('cut'))
      stream.on('end', () => resolve('ended'))
    })
    await outcome
    expect(body).not.toContain('b')
  })
})
