import { get as httpGet, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { gzip } from '../../src/filters/gzip.js'
import type { App, Filter } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'
import { serve } from '../support/site.js'

const TEXT = 'all work and no play makes jack a dull boy\n'.repeat(100)

const page =
  (headers: Record<string, string> = {}, body = TEXT, status = 200): App =>
  (_req, res) => {
    res.writeHead(status, {
      'Content-Type': 'text/html',
      'Content-Length': Buffer.byteLength(body),
      ...headers,
    })
    res.end(body)
  }

/** As it comes: fetch would take the encoding off. */
async function get(app: App, accept: string | undefined, method = 'GET') {
  const { url } = await serveApp(app)
  const res = await new Promise<IncomingMessage>((done, failed) =>
    httpGet(url, { method, headers: accept === undefined ? {} : { 'Accept-Encoding': accept } }, done).on(
      'error',
      failed,
    ),
  )
  const body = Buffer.concat(await res.toArray())
  return { headers: res.headers, body, status: res.statusCode }
}

const decode: Record<string, (body: Buffer) => Buffer> = {
  gzip: (body) => zlib.gunzipSync(body),
  br: (body) => zlib.brotliDecompressSync(body),
  zstd: (zlib as unknown as { zstdDecompressSync: (body: Buffer) => Buffer }).zstdDecompressSync,
}

const hasZstd = 'createZstdCompress' in zlib

describe('egg:Paste#gzip', () => {
  it.each([
    ['gzip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['br, gzip', 'br'],
    ['gzip, deflate, br, zstd', hasZstd ? 'zstd' : 'br'],
    ['*', hasZstd ? 'zstd' : 'br'],
    ['br;q=0.5, gzip;q=0.8', 'gzip'],
    ['*;q=0.1, gzip', 'gzip'],
    ['GZIP;Q=1', 'gzip'],
  ])('gives to Accept-Encoding: %s what it likes best: %s', async (accept, encoding) => {
    const { headers, body } = await get(gzip()(page()), accept)
    expect(headers).toMatchObject({ 'content-encoding': encoding, vary: 'Accept-Encoding' })
    expect(headers).not.toHaveProperty('content-length')
    expect(body.length).toBeLessThan(TEXT.length / 4)
    expect(decode[encoding]!(body).toString()).toBe(TEXT)
  })

  it.each([
    undefined,
    '',
    'gzip;q=0',
    'identity',
    '*;q=0',
    'gzip;q=0.5, identity',
    'deflate',
    'gzip;q=nonsense',
  ])('gives to Accept-Encoding: %s the plain body', async (accept) => {
    const { headers, body } = await get(gzip()(page()), accept)
    expect(headers).toMatchObject({ 'content-length': `${TEXT.length}`, vary: 'Accept-Encoding' })
    expect(headers).not.toHaveProperty('content-encoding')
    expect(body.toString()).toBe(TEXT)
  })

  it.each<[string, App]>([
    ['a short body', page({}, 'short')],
    ['a picture', page({ 'Content-Type': 'image/png' })],
    ['an archive', page({ 'Content-Type': 'application/zip' })],
    ['a body without a type', (_req, res) => void res.end(TEXT)],
    ['what is compressed already', page({ 'Content-Encoding': 'br' })],
    ['what is not to be changed', page({ 'Cache-Control': 'public, no-transform' })],
    ['a part', page({ 'Content-Range': 'bytes 0-1/2' }, TEXT, 206)],
    ['no content', (_req, res) => void res.writeHead(204, { 'Content-Type': 'text/html' }).end()],
  ])('leaves %s alone', async (_what, app) => {
    const accept = 'gzip'
    const bare = await get(app, accept)
    const { headers, body, status } = await get(gzip()(app), accept)
    expect({ ...headers, date: '' }).toEqual({ ...bare.headers, date: '' })
    expect([status, body]).toEqual([bare.status, bare.body])
  })

  it('tells caches with a 304, too, what the body varies by', async () => {
    const app: App = (_req, res) => void res.writeHead(304, { ETag: '"x"', Vary: 'Cookie' }).end()
    const { headers } = await get(gzip()(app), 'gzip')
    expect(headers).toMatchObject({ etag: '"x"', vary: 'Cookie, Accept-Encoding' })
  })

  it.each([
    ['W/"x"', '"x"', 'W/"x"'],
    ['"a", W/"x"', '"x"', 'W/"x"'],
    ['"x"', '"x"', '"x"'],
    ['W/"x"', 'W/"x"', 'W/"x"'],
    ['*', '"x"', '"x"'],
  ])(
    'asked for news of %s, answers 304 of %s with the ETag that the client has: %s',
    async (asked, etag, sent) => {
      const app: App = (_req, res) => void res.writeHead(304, { ETag: etag }).end()
      const { url } = await serveApp(gzip()(app))
      const { status, headers } = await fetch(url, { headers: { 'If-None-Match': asked } })
      expect([status, headers.get('etag')]).toEqual([304, sent])
    },
  )

  it('gives HEAD the head of the plain body', async () => {
    const { headers } = await get(gzip()(page()), 'gzip', 'HEAD')
    expect(headers).toMatchObject({ 'content-length': `${TEXT.length}`, vary: 'Accept-Encoding' })
    expect(headers).not.toHaveProperty('content-encoding')
  })

  it.each([
    ['"x"', 'W/"x"'],
    ['W/"x"', 'W/"x"'],
  ])('makes an ETag weak: %s', async (etag, sent) => {
    expect((await get(gzip()(page({ ETag: etag })), 'gzip')).headers.etag).toBe(sent)
  })

  it.each([
    ['Origin', 'Origin, Accept-Encoding'],
    ['*', '*'],
    ['accept-encoding', 'accept-encoding'],
  ])('adds to Vary: %s', async (vary, sent) => {
    expect((await get(gzip()(page({ Vary: vary })), 'gzip')).headers.vary).toBe(sent)
  })

  it('sends each event of a stream when it is written', async () => {
    let next = () => {}
    const events: App = async (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' })
      for (const name of ['one', 'two', 'three']) {
        res.write(`data: ${name}\n\n`)
        await new Promise<void>((go) => {
          next = go
        })
      }
      res.end()
    }
    const { url } = await serveApp(gzip()(events))
    const response = await fetch(url, { headers: { 'Accept-Encoding': 'gzip' } })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    const seen: string[] = []
    for await (const chunk of response.body!) {
      seen.push(Buffer.from(chunk).toString())
      next()
    }
    expect(seen).toEqual(['data: one\n\n', 'data: two\n\n', 'data: three\n\n'])
  })

  it.each(['br', 'gzip'])('streams 20 MB with back-pressure as %s', async (encoding) => {
    const chunk = Buffer.from('0123456789abcdef'.repeat(4096))
    const big: App = async (_req, res) => {
      res.setHeader('Content-Type', 'text/plain')
      await pipeline(Readable.from(Array(320).fill(chunk)), res)
    }
    const { headers, body } = await get(gzip({ compress_level: 1 })(big), encoding)
    expect(headers['content-encoding']).toBe(encoding)
    expect(decode[encoding]!(body).length).toBe(320 * chunk.length)
  })

  it('looks to the app like a response that is sent', async () => {
    const seen: unknown[] = []
    const app: App = (_req, res) => {
      res.setHeader('Content-Type', 'text/plain')
      res.write('a')
      seen.push(res.headersSent, res.writableEnded)
      res.end('b', () => seen.push('ended'))
      seen.push(res.writableEnded)
      res.end('c')
    }
    const { body } = await get(gzip()(app), 'gzip')
    expect(decode.gzip!(body).toString()).toBe('ab')
    expect(seen).toEqual([true, false, true, 'ended'])
  })

  it.each<[string, (session: Filter) => (app: App) => App]>([
    ['outside', (session) => (app) => session(gzip()(app))],
    ['inside', (session) => (app) => gzip()(session(app))],
  ])('works with the session filter %s of it', async (_where, around) => {
    const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
    const counts: App = async (req, res) => {
      const held = await getSession<{ n: number }>(req)
      held.set('n', (held.get('n') ?? 0) + 1)
      held.save()
      res.setHeader('Content-Type', 'text/plain')
      res.write(`${held.get('n')} `)
      held.set('n', held.get('n')! + 10)
      held.save()
      res.end(TEXT)
    }
    const visitor = (await serve(around(session)(counts))).visitor()
    const accept = { headers: { 'Accept-Encoding': 'gzip' } }
    const response = await visitor.fetch('/', accept)
    expect(response.headers.get('content-encoding')).toBe('gzip')
    expect(response.headers.get('vary')!.split(', ').sort()).toEqual(['Accept-Encoding', 'Cookie'])
    expect(await response.text()).toBe(`1 ${TEXT}`)
    expect(await visitor.get('/', accept)).toBe(`12 ${TEXT}`)
  })

  it.each(['outside', 'inside'])(
    'tells the truth when the session %s of it can not be stored',
    async (where) => {
      const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
      const breaks: App = async (req, res) => {
        const held = await getSession<{ n: unknown }>(req)
        held.set('n', 1n)
        held.save()
        res.setHeader('Content-Type', 'text/plain')
        res.end(TEXT)
      }
      const app = where === 'outside' ? session(gzip()(breaks)) : gzip()(session(breaks))
      const { status, body, headers } = await get(app, 'gzip')
      expect(status).toBe(500)
      expect(headers).not.toHaveProperty('content-encoding')
      expect(body.toString()).toMatch(/^Internal Server Error\n/)
    },
  )

  it('refuses an encoding that it does not have', () => {
    expect(() => gzip({ encodings: ['deflate'] })).toThrow(
      'encodings: expected some of zstd, br and gzip, got "deflate"',
    )
  })
})
