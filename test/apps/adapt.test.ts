// Finished apps of frameworks, mounted from an INI and asked over HTTP.

import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { adaptApp, adaptMiddleware } from '../../src/apps/adapt.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { environ } from '../../src/http/environ.js'
import { loadApp } from '../../src/loader.js'
import type { App } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'

const FRAMEWORKS = join(import.meta.dirname, '../fixtures/frameworks')
const load = (name: string) => loadApp(`config:site.ini#${name}`, { relativeTo: FRAMEWORKS })

async function serve(name: string) {
  const app = await load(name)
  onTestFinished(async () => app.close?.())
  return serveApp(app)
}

describe('mounted by its export, or by what a factory gives back, answers with the rest of the path:', () => {
  test.each(['express', 'express4', 'router', 'connect', 'koa', 'server', 'made'])('%s', async (name) => {
    const { url } = await serve('main')
    const response = await fetch(`${url}/${name}/info`)
    expect(await response.json()).toEqual({ url: '/info', originalUrl: `/${name}/info` })
    expect((await fetch(`${url}/${name}/nothing`)).status).toBe(404)
  })

  test('fastify, which is made ready before and closed after', async () => {
    const app = await load('later')
    const { url, server } = await serveApp(app)
    const response = await fetch(`${url}/fastify/info`)
    expect(await response.json()).toEqual({ url: '/info', originalUrl: '/fastify/info' })
    await server.close()
    await app.close?.()
    const { closed } = (await import(join(FRAMEWORKS, 'apps.js'))) as { closed: string[] }
    expect(closed).toEqual(['fastify'])
  })
})

test('what looks like Next is prepared before, sees the whole path, and is closed after (e2e/next.test.ts has Next)', async () => {
  const told: string[] = []
  const seen: App = (req, res) => {
    const { SCRIPT_NAME, PATH_INFO } = environ(req)
    res.end([req.url, SCRIPT_NAME, PATH_INFO].join(' '))
  }
  const next = {
    prepare: async () => void told.push('prepared'),
    getRequestHandler: () => {
      told.push('asked')
      return seen
    },
    close: async () => void told.push('closed'),
  }
  const app = (await adaptApp(next))!
  const { url } = await serveApp(urlmap({ '/next': app }))
  expect(await (await fetch(`${url}/next/about?x=1`)).text()).toBe('/next/about?x=1  /next/about')
  await app.close!()
  expect(told).toEqual(['prepared', 'asked', 'closed'])
  expect(adaptApp({}, 'next')).toBeUndefined()
})

describe('Connect middleware in a pipeline', () => {
  test.each(['behind', 'behind-made'])('passes on, ends or fails a request (%s)', async (name) => {
    const { url, errors } = await serve(name)
    const passed = await fetch(`${url}/info`)
    expect([passed.status, passed.headers.get('x-middleware')]).toEqual([200, 'was here'])
    expect(await (await fetch(`${url}/stop`)).text()).toBe('stopped')
    expect((await fetch(`${url}/fail`)).status).toBe(500)
    expect(errors).toEqual([])
  })

  test('that calls next twice runs the app once, and what the app throws is not thrown into it', async () => {
    const caught: unknown[] = []
    let runs = 0
    const twice = (_req: unknown, _res: unknown, next: () => void) => {
      try {
        next()
        next()
      } catch (error) {
        caught.push(error)
      }
    }
    const app: App = () => {
      runs++
      throw new Error('from the app')
    }
    const { url, errors } = await serveApp(adaptMiddleware(twice)!(app))
    expect((await fetch(url)).status).toBe(500)
    expect([runs, caught, errors]).toEqual([1, [], ['GET /: from the app']])
  })

  test('leaves upgrades to the app', () => {
    const upgrade = () => {}
    const wrapped = adaptMiddleware((_req: unknown, _res: unknown, next: () => void) => next())!
    expect(wrapped(Object.assign(() => {}, { upgrade })).upgrade).toBeTypeOf('function')
    expect(wrapped(() => {}).upgrade).toBeUndefined()
  })
})

describe('is refused with a sentence:', () => {
  const at = (line: number, text: string) => `${FRAMEWORKS}/site.ini:${line}: ${text}`

  test.each([
    [
      'instance',
      at(
        39,
        '[app:instance]: file:./apps.js#instance is an object (Site), expected an app factory (globalConf, localConf)',
      ),
    ],
    [
      'settled',
      at(
        43,
        '[app:settled] colour: finds no taker: file:./apps.js#express is finished and takes no settings',
      ),
    ],
  ])('%s', async (name, message) => {
    await expect(load(name)).rejects.toThrow(message)
  })
})

describe('kind says what an export is:', () => {
  test.each([
    ['handler', () => {}, true],
    ['handler', {}, false],
    ['middleware', (_req: unknown, _res: unknown, next: () => void) => next(), true],
    ['middleware', 'x', false],
    ['fetch', () => new Response('x'), true],
    ['fetch', { fetch: () => new Response('x') }, true],
    ['express', () => {}, false],
    ['connect', {}, false],
    ['koa', { fetch: () => new Response('x') }, false],
    ['fastify', null, false],
    ['server', {}, false],
    ['constructor', () => {}, false],
  ])('%s (%#)', async (kind, exported, taken) => {
    expect((await adaptApp(exported, kind)) !== undefined).toBe(taken)
  })

  test('middleware as an app has a 404 behind it', async () => {
    const app = await adaptApp((_req: unknown, _res: unknown, next: () => void) => next(), 'middleware')
    const { url } = await serveApp(app!)
    expect((await fetch(url)).status).toBe(404)
  })
})

test('what is no app of any framework is left alone', () => {
  for (const value of [undefined, null, 1, 'x', {}, [], () => {}, class {}])
    expect(adaptApp(value)).toBeUndefined()
})
