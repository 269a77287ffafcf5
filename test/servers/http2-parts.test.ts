// The parts of a whole pipeline over HTTP/2, inside of lint: what each of them does over HTTP/1 it does here.

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { constants } from 'node:http2'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import express from 'express'
import { expect, onTestFinished, test, vi } from 'vitest'
import { cascade } from '../../src/apps/cascade.js'
import { proxy } from '../../src/apps/proxy.js'
import { staticFiles } from '../../src/apps/static.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { csrf, csrfToken } from '../../src/filters/csrf.js'
import { errordocument } from '../../src/filters/errordocument.js'
import { getSession } from '../../src/filters/get-session.js'
import { gzip } from '../../src/filters/gzip.js'
import { lint } from '../../src/filters/lint.js'
import { metrics } from '../../src/filters/metrics.js'
import { translogger } from '../../src/filters/translogger.js'
import type { App } from '../../src/protocol.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serveApp, serveNode } from '../support/http.js'
import { connect2, serveTls } from '../support/http2.js'
import { slowStore } from '../support/slow-store.js'

const secret = 'a secret of more than thirty-two characters'

async function arrive(tested: App) {
  const broken: string[] = []
  const app = lint({ onError: (error) => broken.push(error.message) })(tested)
  onTestFinished(() => expect(broken).toEqual([]))
  const { url, server } = await serveTls(app, { http2: 'true' })
  return { ...(await connect2(url)), server }
}

const sha = (body: Buffer | string) => createHash('sha256').update(body).digest('hex')

/** Reads a body, and answers what it was. */
const digest: App = async (req, res) => {
  const hash = createHash('sha256')
  for await (const chunk of req) hash.update(chunk as Buffer)
  res.end(hash.digest('hex'))
}

const missing: App = (_req, res) =>
  res.writeHead(404, { 'Set-Cookie': 'lost=1', 'X-Lost': '1' }).end('missing')

test('cascade tries the next app, which gets the whole body and none of the other answer', async () => {
  const readFirst: App = async (req, res) => {
    for await (const _chunk of req);
    missing(req, res)
  }
  const { ask } = await arrive(cascade([readFirst, missing, digest]))
  for (const body of [Buffer.from('small'), randomBytes(300_000)]) {
    const answer = await ask('/', {}, body)
    expect([answer.status, answer.body, answer.headers['set-cookie']]).toEqual([200, sha(body), undefined])
  }
})

test.each(['HTTP/1', 'HTTP/2'])(
  'cascade hands bodies to Express apps that parse them, over %s',
  async (protocol) => {
    const first = express()
      .use(express.json())
      .get('/one', (_req, res) => void res.send('one'))
    const second = express()
    second.get('/two', (req, res) => void res.json([req.protocol, req.get('x')]))
    second.post('/three', express.json(), (req, res) => void res.json(req.body))
    const app = cascade([first, second])
    const post = { ':method': 'POST', 'content-type': 'application/json' }
    const body = JSON.stringify({ a: 'x'.repeat(90_000) })
    if (protocol === 'HTTP/1') {
      const { url } = await serveApp(app)
      const answer = await fetch(`${url}/three`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      expect(await answer.text()).toBe(body)
      return
    }
    const { ask } = await arrive(app)
    expect((await ask('/one')).body).toBe('one')
    expect((await ask('/two', { x: 'y' })).body).toBe('["https","y"]')
    for (const more of [{}, { 'content-length': String(body.length) }])
      expect((await ask('/three', { ...post, ...more }, body)).body).toBe(body)
  },
)

test('errordocument shows its page with the status of the error', async () => {
  const app: App = (req, res) =>
    req.url === '/sorry' ? res.end('sorry') : res.writeHead(500, { ETag: '"x"' }).end('stack')
  const { ask } = await arrive(errordocument({ 500: '/sorry' })(app))
  expect(await ask('/x')).toMatchObject({ status: 500, body: 'sorry', whole: true })
})

test('gzip packs a stream', async () => {
  const app: App = (_req, res) => {
    res.setHeader('Content-Type', 'text/plain')
    for (let at = 0; at < 20; at++) res.write('x'.repeat(1000))
    res.end()
  }
  const { open } = await arrive(gzip()(app))
  const stream = open('/', { 'accept-encoding': 'gzip' })
  const chunks: Buffer[] = []
  stream.on('data', (chunk) => chunks.push(chunk))
  const [head] = await once(stream, 'response')
  await once(stream, 'close')
  expect(head['content-encoding']).toBe('gzip')
  expect(gunzipSync(Buffer.concat(chunks)).length).toBe(20_000)
})

test('static serves files, parts of files and 304', async () => {
  const { ask } = await arrive(staticFiles({ document_root: join(import.meta.dirname, '../fixtures/tls') }))
  const whole = await ask('/cert.pem')
  expect(whole.body).toMatch(/^-----BEGIN CERTIFICATE-----/)
  expect(await ask('/cert.pem', { range: 'bytes=0-4' })).toMatchObject({ status: 206, body: '-----' })
  const again = await ask('/cert.pem', { 'if-none-match': whole.headers.etag! })
  expect([again.status, again.body]).toEqual([304, ''])
  expect(await ask('/cert.pem', { ':method': 'HEAD' })).toMatchObject({ status: 200, body: '' })
})

test('proxy hands on bodies, with their length and without, cookies and failures', async () => {
  const { url } = await serveNode(async (req, res) => {
    if (req.url === '/cut') return void res.write('half of', () => res.destroy())
    const hash = createHash('sha256')
    for await (const chunk of req) hash.update(chunk as Buffer)
    const { 'transfer-encoding': coding = 'none', 'content-length': length = 'none', host } = req.headers
    res.setHeader('Set-Cookie', ['a=1', 'b=2'])
    res.end([hash.digest('hex'), coding, length, host, req.headers['x-forwarded-proto']].join(' '))
  })
  const { ask } = await arrive(urlmap({ '/up': proxy({ address: url, preserve_host: true }) }))
  const body = randomBytes(200_000)
  const chunked = await ask('/up/', { ':authority': 'site.example' }, body)
  expect([chunked.body, chunked.headers['set-cookie']]).toEqual([
    `${sha(body)} chunked none site.example https`,
    ['a=1', 'b=2'],
  ])
  expect((await ask('/up/', { 'content-length': '200000' }, body)).body).toMatch(`${sha(body)} none 200000 `)
  expect((await ask('/up/')).body).toMatch(`${sha('')} none none `)
  expect((await ask('/up/cut')).whole).toBe(false)
})

test('csrf finds its token in a form, which the app reads as it came', async () => {
  const app: App = async (req, res) =>
    req.method === 'GET' ? res.end(await csrfToken(req)) : digest(req, res)
  const { ask } = await arrive(beakerSession({ secret })(csrf()(app)))
  const first = await ask('/')
  const headers = {
    cookie: first.headers['set-cookie']![0]!.split(';')[0]!,
    'content-type': 'application/x-www-form-urlencoded',
  }
  const form = `a=1&csrf_token=${encodeURIComponent(first.body)}`
  expect((await ask('/', headers, form)).body).toBe(sha(form))
  expect((await ask('/', headers, 'a=1')).status).toBe(403)
})

test('a session is stored before anything of the answer is seen, and found again by a cookie in crumbs', async () => {
  const stored: string[] = []
  const slow = slowStore(memoryStore(), 20)
  const store = {
    ...slow,
    save: async (...args: Parameters<typeof slow.save>) => {
      const result = await slow.save(...args)
      stored.push('stored')
      return result
    },
  }
  const app: App = async (req, res) => {
    const session = await getSession<{ n: number }>(req)
    session.set('n', (session.get('n') ?? 0) + 1)
    session.save()
    res.write(`${session.get('n')} `)
    res.end('times')
  }
  const { ask, session } = await arrive(beakerSession({ secret, store })(app))
  const first = await ask('/')
  expect([first.body, stored]).toEqual(['1 times', ['stored']])
  const [cookie] = first.headers['set-cookie']![0]!.split(';')
  const crumbs = session.request({ ':path': '/', cookie: ['theme=dark', cookie!, 'x=y'] as never })
  let body = ''
  crumbs.setEncoding('utf8').on('data', (chunk: string) => {
    body += chunk
  })
  await once(crumbs, 'close')
  expect([body, stored.length]).toEqual(['2 times', 2])
})

test('the access log and the metrics tell answers from broken ones', async () => {
  const lines: string[] = []
  const log = translogger({ format: 'json', write: (line) => lines.push(line) })
  const app: App = (req, res) => (req.url === '/slow' ? void res.write('begun') : res.end('done'))
  const { ask, open } = await arrive(log(metrics()(app)))
  await ask('/quick')
  const slow = open('/slow')
  await once(slow, 'data')
  slow.close(constants.NGHTTP2_CANCEL)
  await vi.waitFor(() => expect(lines).toHaveLength(2))
  const [quick, broken] = lines.map((line) => JSON.parse(line))
  expect(quick).toMatchObject({ status: 200 })
  expect(quick.aborted ?? false).toBe(false)
  expect(broken).toMatchObject({ aborted: true })
})
