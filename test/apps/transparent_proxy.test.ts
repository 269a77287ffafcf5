import { describe, expect, it, onTestFinished } from 'vitest'
import { factory, transparentProxy } from '../../src/apps/transparent_proxy.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { exchange, serveApp } from '../support/http.js'
import { upstream } from '../support/upstream.js'

async function serve(given: Parameters<typeof transparentProxy>[0]) {
  const app = transparentProxy(given)
  onTestFinished(() => app.close!())
  return serveApp(urlmap({ '/mnt': app }))
}

const request = (path: string, host: string) =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`

describe('egg:Paste#transparent_proxy', () => {
  it.each(['/mnt/x%20y?q=1', '/mnt', '/mnt/'])(
    'sends %s whole, with the Host that it came with',
    async (path) => {
      const behind = await upstream()
      const { port } = await serve({ force_host: `127.0.0.1:${behind.port}` })
      expect(await exchange(port, request(path, 'front.example'))).toMatch(/^HTTP\/1\.1 200 /)
      expect(behind.got[0]).toMatchObject({ url: path, headers: { host: 'front.example' } })
    },
  )

  it('sends a request to the host that it names', async () => {
    const [one, two] = [await upstream(), await upstream()]
    const hosts = [one, two].map(({ port }) => `127.0.0.1:${port}`)
    const { port } = await serve({ allowed_hosts: hosts })
    await exchange(port, request('/mnt/1', hosts[0]!))
    await exchange(port, request('/mnt/2', hosts[1]!))
    expect([one, two].map(({ got }) => got.map(({ url }) => url))).toEqual([['/mnt/1'], ['/mnt/2']])
  })

  it('goes to no host that the file does not list', async () => {
    const [listed, other] = [await upstream(), await upstream()]
    const { port } = await serve({ allowed_hosts: [`127.0.0.1:${listed.port}`] })
    expect(await exchange(port, request('/mnt', `127.0.0.1:${other.port}`))).toMatch(/^HTTP\/1\.1 403 /)
    expect(other.got).toEqual([])
  })

  it('is not made without a list of hosts', () => {
    expect(() => factory(makeConf([]), makeConf([]))).toThrow(
      'allowed_hosts: missing: the hosts that requests may name, or give force_host',
    )
    expect(() => transparentProxy({ force_host: 'a/b' })).toThrow(
      'force_host: expected a host, or host:port, got "a/b"',
    )
  })
})
