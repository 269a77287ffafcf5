import express from 'express'
import { expect, test } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { context, environ, request, session } from '../../src/filters/context.js'
import { serve } from '../support/site.js'

const withSession = beakerSession({ secret: 'a secret for the tests of context' })

/** Business logic that knows no request. */
async function count(): Promise<number> {
  const found = await session<{ n: number }>()
  found.set('n', (found.get('n') ?? 0) + 1).save()
  return found.get('n')!
}

test('the session and the environ are there without the request being passed', async () => {
  const site = await serve(
    withSession(context()(async (_req, res) => res.end(`${environ().PATH_INFO} ${await count()}`))),
  )
  const v = site.visitor()
  expect([await v.get('/a'), await v.get('/b')]).toEqual(['/a 1', '/b 2'])
})

test('overlapping requests have each their own', async () => {
  let release = () => {}
  const both = new Promise<void>((resolve) => {
    release = resolve
  })
  let arrived = 0
  const site = await serve(
    context()(async (_req, res) => {
      if (++arrived === 2) release()
      await both
      res.end(request().url)
    }),
  )
  expect(await Promise.all([site.visitor().get('/a'), site.visitor().get('/b')])).toEqual(['/a', '/b'])
})

test('it is still there after an Express body parser, and in events of request and response', async () => {
  const app = express().use(express.json())
  app.post('/', (req, res, next) => {
    res.on('finish', () => seen.push(request().method!))
    count().then((n) => res.json([n, req.body]), next)
  })
  const seen: string[] = []
  const v = (await serve(withSession(context()(app)))).visitor()
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }
  expect(await v.get('/', init)).toBe('[1,{"a":1}]')
  expect(await v.get('/', init)).toBe('[2,{"a":1}]')
  expect(seen).toEqual(['POST', 'POST'])
})

test('outside of a request it says so', () => {
  expect(() => request()).toThrow(
    'no request is being handled here: no context filter is in front of the app (in an INI: use = egg:sessd#context), ' +
      'or this runs outside of a request',
  )
})

test('a second copy of the module, as bundlers put it into apps, finds the request too', async () => {
  const path: string = '../../src/filters/context.js?copy'
  const copy = (await import(path)) as { request: typeof request }
  expect(copy.request).not.toBe(request)
  const site = await serve(context()((_req, res) => void res.end(copy.request().url)))
  expect(await site.visitor().get('/here')).toBe('/here')
})
