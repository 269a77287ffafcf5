// A little world for tests: an app on a real port, and visitors with cookie jars.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { lint } from '../../src/filters/lint.js'
import type { App } from '../../src/protocol.js'

export interface Site {
  readonly url: string
  readonly port: number
  /** A new visitor, with an empty cookie jar. */
  visitor(): Visitor
}

/**
 * Serves `app` on a free port until the test is over, inside lint: a broken rule of the protocol fails the test. A handler
 * that throws is answered with 500, as servers do.
 */
export async function serve(tested: App): Promise<Site> {
  const broken: string[] = []
  const app = lint({ onError: (error) => broken.push(error.message) })(tested)
  onTestFinished(() => expect(broken).toEqual([]))
  const server = createServer(async (req, res) => {
    try {
      await app(req, res)
    } catch (error) {
      if (res.headersSent) res.destroy()
      else {
        res.statusCode = 500
        res.end(`caught: ${(error as Error).message}`)
      }
    }
  })
  if (app.upgrade !== undefined) server.on('upgrade', app.upgrade.bind(app))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return { url, port, visitor: () => new Visitor(url) }
}

/** A browser's cookie behaviour, as far as one host needs it: name, value, Max-Age=0. */
export class Visitor {
  readonly #url: string
  readonly jar = new Map<string, string>()
  /** The Set-Cookie headers of the last answer. */
  setCookies: string[] = []

  constructor(url: string) {
    this.#url = url
  }

  get cookie(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.jar.size > 0 && !headers.has('cookie')) headers.set('cookie', this.cookie)
    const response = await fetch(this.#url + path, { redirect: 'manual', ...init, headers })
    this.setCookies = response.headers.getSetCookie()
    for (const header of this.setCookies) {
      const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(header) ?? []
      if (/; *max-age=0\b/i.test(header)) this.jar.delete(name)
      else this.jar.set(name, value)
    }
    return response
  }

  /** The text of the answer. */
  async get(path: string, init: RequestInit = {}): Promise<string> {
    return (await this.fetch(path, init)).text()
  }

  /** A second visitor with the same cookies: a thief, or another tab. */
  clone(): Visitor {
    const copy = new Visitor(this.#url)
    for (const [name, value] of this.jar) copy.jar.set(name, value)
    return copy
  }
}
