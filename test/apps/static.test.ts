import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished, test } from 'vitest'
import { cascade } from '../../src/apps/cascade.js'
import { factory, staticFiles } from '../../src/apps/static.js'
import { urlmap } from '../../src/apps/urlmap.js'
import { makeConf } from '../../src/config/conf.js'
import { ask, bodyOf, exchange, serveApp } from '../support/http.js'

let here = ''
const MODIFIED = new Date('2020-09-13T12:26:40Z')

beforeAll(async () => {
  here = await mkdtemp(join(tmpdir(), 'static-'))
  const files: Record<string, string> = {
    'public/index.html': '<p>home',
    'public/a.txt': 'hello world',
    'public/sub/index.html': 'sub',
    'public/noindex/x.txt': 'x',
    'public/x.tar.gz': 'gz',
    'public/big.bin': 'x'.repeat(10_000),
    'public/unknown': '?',
    'public/café.txt': 'café',
    'public/prod.ini': 'beaker.session.secret = x',
    'public/.env': 'SECRET=1',
    'public/.git/config': 'git',
    'public/other..name.txt': 'dots inside',
    'outside/secret.txt': 'secret',
    'public-2/secret.txt': 'secret',
  }
  for (const [name, text] of Object.entries(files)) {
    const path = join(here, name)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, text)
    await utimes(path, MODIFIED, MODIFIED)
  }
  const root = join(here, 'public')
  await symlink(join(here, 'outside/secret.txt'), join(root, 'link.txt'))
  await symlink(join(here, 'outside'), join(root, 'folder'))
  await symlink(join(here, 'public-2'), join(root, 'sibling'))
  await symlink(join(root, '.git'), join(root, 'git'))
  await symlink(join(root, 'a.txt'), join(root, 'inner.txt'))
  await symlink('loop', join(root, 'loop'))
  return () => rm(here, { recursive: true })
})

const serve = (max?: string) =>
  serveApp(
    factory(
      makeConf([['here', here]]),
      makeConf([
        ['document_root', 'public'],
        ...(max === undefined ? [] : [['cache_max_age', max] as const]),
      ]),
    ),
  )

const get = async (path: string, init: RequestInit = {}) => {
  const { url } = await serve()
  return fetch(url + path, { redirect: 'manual', ...init })
}

interface Vector {
  readonly path: string
  readonly request: {
    readonly method?: string
    readonly qs?: string
    readonly headers?: Record<string, string>
  }
  readonly out: { readonly status: string; readonly body: string }
}

/** What Paste answers, made by Paste. */
const vectors = (
  JSON.parse(readFileSync(new URL('../fixtures/parts/parts.json', import.meta.url), 'utf8')) as {
    static: readonly Vector[]
  }
).static

/** Where ours is better, by path and header; what it answers is below, and in docs/parts/static.md why. */
const BETTER = new Set([
  '/a.txt/ ',
  '/prod.ini ',
  '/.. ',
  '/link ',
  '/a.txt\0.html ',
  '/a.txt "1600000000.25-11"',
  '/a.txt 1600000000.25',
  '/a.txt garbage',
  '/a.txt bytes=-3',
])
const caseOf = ({ path, request }: Vector) => `${path} ${Object.values(request.headers ?? {}).join()}`

test('of what Paste answers, only what is listed here is answered in another way', async () => {
  const { url } = await serve()
  const differing: string[] = []
  for (const vector of vectors) {
    const { method = 'GET', qs, headers = {} } = vector.request
    const { Host: _, ...rest } = headers
    const target = `${url}${encodeURI(vector.path)}${qs === undefined ? '' : `?${qs}`}`
    const response = await fetch(target, { method, headers: rest, redirect: 'manual' })
    const body = await response.text()
    const isSame = `${response.status}` === vector.out.status.slice(0, 3)
    // Sentences of redirects and errors are our own.
    const isPage = response.status < 300
    if (!isSame || (isPage && body !== vector.out.body && vector.path !== '/big.bin'))
      differing.push(caseOf(vector))
  }
  expect(vectors).toHaveLength(23)
  expect(new Set(differing)).toEqual(BETTER)
})

describe('egg:Paste#static', () => {
  it.each([
    ['/', '<p>home', 'text/html; charset=utf-8'],
    ['/index.html', '<p>home', 'text/html; charset=utf-8'],
    ['/sub/', 'sub', 'text/html; charset=utf-8'],
    ['/a.txt', 'hello world', 'text/plain; charset=utf-8'],
    ['//a.txt', 'hello world', 'text/plain; charset=utf-8'],
    ['/%61.txt', 'hello world', 'text/plain; charset=utf-8'],
    ['/caf%C3%A9.txt', 'café', 'text/plain; charset=utf-8'],
    ['/other..name.txt', 'dots inside', 'text/plain; charset=utf-8'],
    ['/inner.txt', 'hello world', 'text/plain; charset=utf-8'],
    ['/x.tar.gz', 'gz', 'application/gzip'],
    ['/unknown', '?', 'application/octet-stream'],
  ])('serves %s', async (path, body, type) => {
    const response = await get(path)
    expect([response.status, await response.text(), response.headers.get('content-type')]).toEqual([
      200,
      body,
      type,
    ])
    expect(response.headers.get('last-modified')).toBe('Sun, 13 Sep 2020 12:26:40 GMT')
    expect(response.headers.get('accept-ranges')).toBe('bytes')
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    for (const name of ['content-range', 'content-encoding', 'cache-control'])
      expect(response.headers.has(name)).toBe(false)
  })

  it.each([
    '/nope',
    '/noindex/',
    '/a.txt/',
    '/a.txt/more',
    '/prod.ini',
    '/PROD.INI',
    '/.env',
    '/%2eenv',
    '/.git/config',
    '/git/config',
    '/link.txt',
    '/folder',
    '/folder/',
    '/folder/secret.txt',
    '/sibling/secret.txt',
    '/loop',
    '/sub%2Findex.html',
    '/..%2foutside/secret.txt',
    '/%2e%2e%2foutside/secret.txt',
    '/..%5coutside%5csecret.txt',
    '/..\\outside\\secret.txt',
    '/%ff',
    `/${'x'.repeat(5000)}`,
  ])('has nothing at %s', async (path) => {
    const { port } = await serve()
    const answer = await ask(port, path)
    expect(answer).toMatch(/^HTTP\/1\.1 404 /)
    expect(bodyOf(answer)).toBe('404 Not Found\n')
  })

  it('never leaves the root by dots', async () => {
    const { port } = await serve()
    expect(await ask(port, '/../outside/secret.txt')).toMatch(/^HTTP\/1\.1 404 /)
    expect(bodyOf(await ask(port, '/../../a.txt'))).toBe('hello world')
  })

  it('answers 400 to an escaped control character', async () => {
    const { port } = await serve()
    expect(await ask(port, '/a.txt%00.html')).toMatch(/^HTTP\/1\.1 400 /)
  })

  it.each([
    ['/sub', '/sub/'],
    ['/sub?x=1', '/sub/?x=1'],
    ['/noindex', '/noindex/'],
    ['//sub', '/sub/'],
  ])('sends %s to %s, whatever the Host says', async (path, to) => {
    const { port } = await serve()
    const answer = await exchange(
      port,
      `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 301 /)
    expect(/^location: (.*)\r$/im.exec(answer)![1]).toBe(to)
  })

  it.each([
    ['/files', '/files/'],
    ['/files?q', '/files/?q'],
    ['/files/sub', '/files/sub/'],
  ])('keeps the mount in the redirect from %s', async (path, to) => {
    const { url } = await serveApp(urlmap({ '/files': staticFiles({ document_root: join(here, 'public') }) }))
    const response = await fetch(url + path, { redirect: 'manual' })
    expect([response.status, response.headers.get('location')]).toEqual([301, to])
    expect((await fetch(`${url}/files/a.txt`)).status).toBe(200)
  })

  it('answers with 304 to who has the file', async () => {
    const { port, url } = await serve()
    const etag = (await fetch(`${url}/a.txt`)).headers.get('etag')!
    for (const [line, status] of [
      [`If-None-Match: ${etag}`, 304],
      ['If-None-Match: *', 304],
      [`If-None-Match: "other", ${etag}`, 304],
      ['If-None-Match: 1600000000.25', 200],
      [`If-Modified-Since: ${MODIFIED.toUTCString()}`, 304],
      ['If-Modified-Since: garbage', 200],
    ] as const) {
      expect(await ask(port, '/a.txt', line), line).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    }
  })

  it.each([
    ['bytes=-3', 206, 'bytes 8-10/11', 'rld'],
    ['bytes=0-4', 206, 'bytes 0-4/11', 'hello'],
    ['bytes=6-', 206, 'bytes 6-10/11', 'world'],
    ['bytes=50-60', 416, 'bytes */11', '416 Range Not Satisfiable\n'],
    ['bytes=0-1,4-5', 200, null, 'hello world'],
    ['nonsense', 200, null, 'hello world'],
  ])('answers to Range: %s', async (range, status, contentRange, body) => {
    const response = await get('/a.txt', { headers: { range } })
    expect([response.status, response.headers.get('content-range'), await response.text()]).toEqual([
      status,
      contentRange,
      body,
    ])
  })

  it('gives HEAD the head, and other methods 405 where there is a file', async () => {
    const head = await get('/a.txt', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '11', ''])
    const post = await get('/a.txt', { method: 'POST' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    expect((await get('/nope', { method: 'POST' })).status).toBe(404)
  })

  it('says how long a file keeps', async () => {
    const { url } = await serve('1h')
    expect((await fetch(`${url}/a.txt`)).headers.get('cache-control')).toBe('public, max-age=3600')
  })

  it('leaves what it has not to the next app of a cascade', async () => {
    const files = staticFiles({ document_root: join(here, 'public') })
    const { url } = await serveApp(cascade([files, (_req, res) => void res.end('app')]))
    expect(await (await fetch(`${url}/a.txt`)).text()).toBe('hello world')
    expect(await (await fetch(`${url}/nope`)).text()).toBe('app')
    expect(await (await fetch(`${url}/nope`, { method: 'POST', body: 'x' })).text()).toBe('app')
  })

  it('follows a root that is swapped while it serves', async () => {
    const current = join(here, 'current')
    await symlink(join(here, 'public'), current)
    onTestFinished(() => rm(current, { force: true }))
    const { url } = await serveApp(staticFiles({ document_root: current }))
    expect((await fetch(`${url}/secret.txt`)).status).toBe(404)
    await rm(current)
    await symlink(join(here, 'outside'), current)
    expect(await (await fetch(`${url}/secret.txt`)).text()).toBe('secret')
  })

  it('says at load that the directory is none', () => {
    expect(() => factory(makeConf([['here', here]]), makeConf([['document_root', 'nope']]))).toThrow(
      'document_root: expected a directory, got "nope": there is none',
    )
    expect(() => factory(makeConf([]), makeConf([]))).toThrow(
      'document_root: missing: The directory; a relative path',
    )
  })
})
