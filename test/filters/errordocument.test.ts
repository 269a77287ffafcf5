import { readFileSync } from 'node:fs'
import express from 'express'
import { describe, expect, it } from 'vitest'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { errordocument, factory } from '../../src/filters/errordocument.js'
import { getSession } from '../../src/filters/get-session.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'
import { serve } from '../support/site.js'

interface Case {
  readonly path: string
  readonly method: string
  readonly out: { status: string; headers: [string, string][]; body: string }
}

const { errordocument: cases } = JSON.parse(
  readFileSync(new URL('../fixtures/parts/parts.json', import.meta.url), 'utf8'),
) as { errordocument: Case[] }

/** The app of the vectors: `/500` answers 500, `/err...` is a page. */
const site: App = (req, res) => {
  const { PATH_INFO, QUERY_STRING } = environ(req)
  if (PATH_INFO.startsWith('/err')) {
    res.setHeader('X-From', PATH_INFO)
    res.end(`page for ${PATH_INFO} qs=${QUERY_STRING} method=${req.method}`)
    return
  }
  const headers = {
    'Content-Type': 'text/plain',
    'Set-Cookie': 'k=v',
    'X-Orig': '1',
    ETag: '"orig"',
    'Content-Length': 4,
    'WWW-Authenticate': 'Basic',
  }
  res.writeHead(Number(PATH_INFO.slice(1)), 'Status', headers).end('orig')
}

describe('egg:Paste#errordocument', () => {
  it.each(cases)(
    "does what Paste's does, but asks for the page by GET: $method $path",
    async ({ path, method, out }) => {
      const filter = factory(
        makeConf([]),
        makeConf([
          ['500', '/err500'],
          ['404', '/err404?code=404'],
        ]),
      )
      const { url } = await serveApp(filter(site))
      const response = await fetch(url + path, { method })
      expect(response.status).toBe(Number(out.status.split(' ')[0]))
      expect(await response.text()).toBe(out.body.replace('method=POST', 'method=GET'))
      expect(Object.fromEntries(response.headers)).toMatchObject({ 'set-cookie': 'k=v', 'x-orig': '1' })
      if (path === '/500') expect(response.headers.get('x-from')).toBe('/err500')
      expect(response.headers.has('etag')).toBe(path !== '/500')
    },
  )

  it.each([
    [{ x: '/y' }, 'x: no such setting: expected a status from 400 to 599'],
    [{ 200: '/y' }, '200: no such setting: expected a status from 400 to 599'],
    [{ 404: 'y' }, '404: expected the path of a page, starting with /, got "y"'],
  ])('refuses %o', (given, message) => {
    expect(() => errordocument(given)).toThrow(message)
  })
})

describe('errordocument', () => {
  it('says the status in its own words, and tells the page what it is about', async () => {
    const about: App = (req, res) => {
      const { 'sessd.error': error } = environ(req)
      if (error === undefined) res.writeHead(404).end()
      else res.end(JSON.stringify(error))
    }
    const { url } = await serveApp(urlmap({ '/mnt': errordocument({ 404: '/page' })(about) }))
    const response = await fetch(`${url}/mnt/x?y`)
    expect([response.status, response.statusText]).toEqual([404, 'Not Found'])
    expect(await response.json()).toEqual({ status: 404, path: '/mnt/x' })
  })

  it('shows the page when the app throws', async () => {
    const app: App = (req, res) => {
      if (environ(req).PATH_INFO === '/sorry') return void res.end('sorry')
      res.setHeader('X-Half', '1')
      throw new Error('boom')
    }
    const { url } = await serveApp(errordocument({ 500: '/sorry' })(app))
    const response = await fetch(url)
    expect([response.status, response.headers.has('x-half'), await response.text()]).toEqual([
      500,
      false,
      'sorry',
    ])
  })

  it.each<[string, App]>([
    ['is missing too', (_req, res) => void res.writeHead(404, { 'X-Half': '1' }).end('no')],
    ['throws', (req) => Promise.reject(Object.assign(new Error(req.url), { status: 404 }))],
    [
      'sends elsewhere',
      (req, res) => void res.writeHead(req.url === '/page' ? 302 : 404, { Location: '/' }).end(),
    ],
  ])('answers in words when the page %s', async (_how, app) => {
    const { url } = await serveApp(errordocument({ 404: '/page' })(app))
    const response = await fetch(url, { redirect: 'manual' })
    expect([response.status, await response.text()]).toEqual([404, '404 Not Found\n'])
  })

  it('works around apps of frameworks, mounted below, and for HEAD', async () => {
    const app = express()
    app.get('/page', (_req, res) => void res.send('page'))
    const { url } = await serveApp(
      errordocument({ 404: '/in/page' })(urlmap({ '/in': app as unknown as App })),
    )
    const missing = await fetch(`${url}/in/nope`, { method: 'POST', body: 'x'.repeat(100_000) })
    expect([missing.status, await missing.text()]).toEqual([404, 'page'])
    const outside = await fetch(`${url}/nope`)
    expect([outside.status, await outside.text()]).toEqual([404, 'page'])
    const head = await fetch(`${url}/nope`, { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([404, '4', ''])
  })

  it('shows a page to who has asked with conditions', async () => {
    const app: App = (req, res) => {
      if (environ(req).PATH_INFO === '/page') res.end(req.headers['if-none-match'] ?? 'whole')
      else res.writeHead(404).end()
    }
    const { url } = await serveApp(errordocument({ 404: '/page' })(app))
    expect(await (await fetch(url, { headers: { 'If-None-Match': '"x"' } })).text()).toBe('whole')
  })

  it.each(['outside', 'inside'])(
    'keeps the session of the app that failed, with the filter %s',
    async (where) => {
      const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
      const app: App = async (req, res) => {
        const held = await getSession<{ tries: number }>(req)
        if (environ(req).PATH_INFO === '/page') return void res.end(`${held.get('tries') ?? 'none'}`)
        held.set('tries', (held.get('tries') ?? 0) + 1)
        held.save()
        res.writeHead(404).end()
      }
      const pages = errordocument({ 404: '/page' })
      const visitor = (await serve(where === 'outside' ? session(pages(app)) : pages(session(app)))).visitor()
      await visitor.get('/')
      expect(visitor.setCookies).toHaveLength(1)
      expect(await visitor.get('/')).toBe('2')
    },
  )
})
