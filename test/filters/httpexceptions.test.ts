import { describe, expect, it } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { factory, httpexceptions } from '../../src/filters/httpexceptions.js'
import type { App } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'
import { serve } from '../support/site.js'

const throws =
  (error: unknown): App =>
  (_req, res) => {
    res.setHeader('X-Half', '1')
    throw error
  }

const error = (properties: object, message = 'the reason') => Object.assign(new Error(message), properties)

async function get(thrown: unknown) {
  const { url, errors } = await serveApp(httpexceptions()(throws(thrown)))
  const response = await fetch(url, { redirect: 'manual' })
  return { response, body: await response.text(), errors }
}

describe('egg:Paste#httpexceptions', () => {
  it.each([
    [error({ status: 404 }), 404, '404 Not Found\nthe reason\n'],
    [error({ statusCode: 410 }), 410, '410 Gone\nthe reason\n'],
    [error({ status: 403 }, 'Forbidden'), 403, '403 Forbidden\n'],
    [error({ status: 503 }, 'db at 10.0.0.1 is down'), 503, '503 Service Unavailable\n'],
    [error({ status: 503, expose: true }), 503, '503 Service Unavailable\nthe reason\n'],
    [error({ status: 404, expose: false }), 404, '404 Not Found\n'],
  ])('answers %s with %i', async (thrown, status, text) => {
    const { response, body, errors } = await get(thrown)
    expect([response.status, body, errors]).toEqual([status, text, []])
    expect(response.headers.has('x-half')).toBe(false)
  })

  it('sends the headers of the error, but none about the body', async () => {
    const headers = {
      'Retry-After': 5,
      'Content-Length': 9999,
      'content-type': 'text/evil',
      'Set-Cookie': ['a=1', 'b=2'],
    }
    const { response } = await get(error({ status: 429, headers }))
    expect(response.headers.get('retry-after')).toBe('5')
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
  })

  it('redirects by a thrown redirect', async () => {
    const { response } = await get(error({ status: 303, headers: new Headers({ Location: '/there' }) }))
    expect([response.status, response.headers.get('location')]).toEqual([303, '/there'])
  })

  it.each([
    [new Error('boom')],
    [error({ status: 200 })],
    [error({ status: '404' })],
    [error({ code: 404 })],
  ])('lets %s pass', async (thrown) => {
    const { response, errors } = await get(thrown)
    expect(response.status).toBe(500)
    expect(errors).toEqual([`GET /: ${thrown.message}`])
  })

  it.each([
    ['inside', '1'],
    ['outside', 'none'],
  ])('%s of the session filter, what was saved before stays: %s', async (where, kept) => {
    const session = beakerSession({ secret: 'a secret of enough length', type: 'memory' })
    const app: App = async (req, res) => {
      const held = await getSession<{ n: number }>(req)
      if (req.url !== '/set') return void res.end(`${held.get('n') ?? 'none'}`)
      held.set('n', 1)
      held.save()
      throw error({ status: 404 })
    }
    const visitor = (
      await serve(where === 'inside' ? session(httpexceptions()(app)) : httpexceptions()(session(app)))
    ).visitor()
    expect((await visitor.fetch('/set')).status).toBe(404)
    expect(await visitor.get('/')).toBe(kept)
  })

  it('has no settings', () => {
    expect(() => factory(makeConf([]), makeConf([['x', '1']]))).toThrow(
      'x: no such setting: this filter has none',
    )
  })
})
