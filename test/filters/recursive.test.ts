import { expect, test } from 'vitest'
import { urlmap } from '../../src/apps/urlmap.js'
import { recursive } from '../../src/filters/recursive.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serveApp } from '../support/http.js'

const inner: App = async (req, res) => {
  const env = environ(req)
  const forward = env['paste.recursive.forward']!
  if (env.PATH_INFO === '/go') return forward('/there?x=1')
  if (env.PATH_INFO === '/loop') return forward('/loop')
  if (env.PATH_INFO === '/bad') return forward('//host/x')
  if (env.PATH_INFO === '/late') {
    res.write('begun')
    return forward('/there')
  }
  res.end([env.SCRIPT_NAME, env.PATH_INFO, env.QUERY_STRING, req.url].join(' '))
}

const app = urlmap({ '/m': recursive()(urlmap({ '/': inner, '/deep': inner })) })

test('a request is answered by another path below the filter, from any mount inside it', async () => {
  const { url } = await serveApp(app)
  for (const path of ['/m/go', '/m/deep/go?y=2'])
    expect(await (await fetch(url + path)).text()).toBe('/m /there x=1 /there?x=1')
})

test.each([
  ['/m/loop', 'the request was handed on 10 times, last to /loop: a loop'],
  ['/m/bad', 'expected a path that begins with /, got "//host/x"'],
  ['/m/late', "can't hand the request on to /there: the answer has begun"],
])('%s fails: %s', async (path, message) => {
  const { url, errors } = await serveApp(app)
  await fetch(url + path)
    .then((response) => response.text())
    .catch(() => {})
  expect(errors).toHaveLength(1)
  expect(errors[0]).toContain(message)
})
