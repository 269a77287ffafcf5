import { describe, expect, it } from 'vitest'
import { factory, type RedirectSettings, redirect } from '../../src/apps/redirect.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { serveApp } from '../support/http.js'

async function follow(given: RedirectSettings, path: string) {
  const { url } = await serveApp(urlmap({ '/old': redirect(given) }))
  const response = await fetch(url + path, { redirect: 'manual' })
  return [response.status, response.headers.get('location')]
}

describe('egg:sessd#redirect', () => {
  it.each([
    [{ to: '/new' }, '/old/x?y=1', [302, '/new']],
    [{ to: 'https://example.org/a', status: 308 }, '/old', [308, 'https://example.org/a']],
    [{ to: '/new', keep_path: true }, '/old', [302, '/new']],
    [{ to: '/new', keep_path: true }, '/old?y=1', [302, '/new?y=1']],
    [{ to: '/new/', keep_path: true }, '/old/x/y?y=1', [302, '/new/x/y?y=1']],
    [{ to: 'https://example.org', keep_path: true }, '/old/x', [302, 'https://example.org/x']],
    [{ to: '/new?a=1#part', keep_path: true }, '/old/x?b=2', [302, '/new/x?a=1&b=2#part']],
    [{ to: '/', keep_path: true }, '/old//evil.example', [302, '/evil.example']],
    [{ to: '/', keep_path: true }, '/old/%2F/evil.example', [302, '/%2F/evil.example']],
  ] as const)('%o sends %s to %j', async (given, path, expected) => {
    expect(await follow(given, path)).toEqual(expected)
  })

  it.each([['//evil.example'], ['javascript:alert(1)'], ['page'], ['https://user:pass@example.org/']])(
    'refuses to = %s',
    (to) => {
      expect(() => redirect({ to })).toThrow(
        `to: expected a path that starts with one /, or a URL with http: or https:, got "${to}"`,
      )
    },
  )

  it('refuses a status that sends nobody anywhere', () => {
    expect(() =>
      factory(
        makeConf([]),
        makeConf([
          ['to', '/'],
          ['status', '200'],
        ]),
      ),
    ).toThrow('status: expected 301, 302, 303, 307 or 308, got "200"')
  })
})
