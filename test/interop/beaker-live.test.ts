// One cookie jar, two servers: real Beaker in Python and our filter, with the same settings, in turns.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { factory } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App, Filter } from '../../src/protocol.js'
import { startMemcached, startRedis, type TestServer } from '../support/servers.js'
import { serve, Visitor } from '../support/site.js'

const PYTHON = '/usr/bin/python3'
const probe = spawnSync(PYTHON, ['-c', 'import beaker; print(beaker.__version__)'])
const beaker = probe.status === 0 ? String(probe.stdout).trim() : undefined
if (beaker === undefined && process.env.CI === 'true') throw new Error('python3-beaker is not installed')

const keys = {
  'beaker.session.encrypt_key': 'an encryption key of Beaker',
  'beaker.session.validate_key': 'a validation key of Beaker',
}

const setups: [string, Record<string, string>][] = [
  ['file', { 'beaker.session.type': 'file' }],
  [
    'file with data_serializer = json',
    { 'beaker.session.type': 'file', 'beaker.session.data_serializer': 'json' },
  ],
  ['file, encrypted', { 'beaker.session.type': 'file', 'beaker.session.crypto_type': 'pycrypto', ...keys }],
  [
    'file, encrypted, as JSON',
    {
      'beaker.session.type': 'file',
      'beaker.session.crypto_type': 'pycrypto',
      'beaker.session.data_serializer': 'json',
      ...keys,
    },
  ],
  ['ext:redis', { 'beaker.session.type': 'ext:redis', 'beaker.session.url': 'redis://{redis}/1' }],
  ['ext:memcached', { 'beaker.session.type': 'ext:memcached', 'beaker.session.url': '{memcached}' }],
  [
    'ext:memcached, encrypted, as JSON',
    {
      'beaker.session.type': 'ext:memcached',
      'beaker.session.url': '{memcached}',
      'beaker.session.crypto_type': 'pycrypto',
      'beaker.session.data_serializer': 'json',
      ...keys,
    },
  ],
  [
    'ext:database on SQLite',
    { 'beaker.session.type': 'ext:database', 'beaker.session.url': 'sqlite:///{directory}/sessions.db' },
  ],
  [
    'cookie',
    { 'beaker.session.type': 'cookie', 'beaker.session.validate_key': 'a validation key of Beaker' },
  ],
  [
    'cookie as JSON',
    {
      'beaker.session.type': 'cookie',
      'beaker.session.validate_key': 'a validation key of Beaker',
      'beaker.session.data_serializer': 'json',
    },
  ],
  [
    'cookie, encrypted',
    { 'beaker.session.type': 'cookie', 'beaker.session.crypto_type': 'pycrypto', ...keys },
  ],
]

const app: App = async (req, res) => {
  const session = await getSession(req)
  let answer: unknown = null
  switch (req.url) {
    case '/count':
      answer = session.update('n', (n) => ((n as number | undefined) ?? 0) + 1)
      break
    case '/n':
      answer = session.get('n') ?? null
      break
    case '/all':
      answer = session.toJSON()
      break
    case '/logout':
      session.delete()
      break
    case '/login':
      session.set('user', 'bob')
      session.regenerateId()
      break
    case '/flash':
      session.flash('from node')
      break
    case '/pop':
      answer = session.popFlash()
      break
  }
  res.end(JSON.stringify(answer))
}

describe.skipIf(beaker === undefined).each(setups)('a session in Beaker %s', (name, settings) => {
  let python: ChildProcess
  let pythonUrl: string
  let filter: Filter
  const directory = mkdtempSync(join(tmpdir(), 'sessd-beaker-'))
  const servers: TestServer[] = []
  const shared: Record<string, string> = {
    'beaker.session.key': 'sid',
    'beaker.session.secret': 'golden-secret-é',
    'beaker.session.data_dir': directory,
    'beaker.session.timeout': '600',
    ...settings,
  }

  beforeAll(async () => {
    const url = shared['beaker.session.url']
    if (url !== undefined) shared['beaker.session.url'] = await place(url)
    const script = fileURLToPath(new URL('beaker_app.py', import.meta.url))
    python = spawn(PYTHON, [script, JSON.stringify(shared)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [port] = (await once(createInterface({ input: python.stdout! }), 'line')) as [string]
    pythonUrl = `http://127.0.0.1:${port}`
    const conf = makeConf(Object.entries({ ...shared, format: 'beaker-1.11' }))
    filter = await factory(makeConf([]), conf)
  })

  /** The url with the address of what it names, which is started. */
  async function place(url: string): Promise<string> {
    const start = { '{redis}': startRedis, '{memcached}': startMemcached }
    for (const [mark, begin] of Object.entries(start)) {
      if (!url.includes(mark)) continue
      const server = await begin()
      servers.push(server)
      return url.replace(mark, server.address)
    }
    return url.replace('{directory}', directory)
  }

  afterAll(async () => {
    python.kill()
    await filter.close?.()
    for (const server of servers) await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** One person with one jar, at both servers. */
  async function person() {
    const site = await serve(filter(app))
    const jar = new Map<string, string>()
    const at = (url: string) => async (path: string) => {
      const visitor = new Visitor(url)
      for (const [name, value] of jar) visitor.jar.set(name, value)
      const text = await visitor.get(path)
      jar.clear()
      for (const [name, value] of visitor.jar) jar.set(name, value)
      return text.startsWith('Internal') ? text : (JSON.parse(text) as unknown)
    }
    return { node: at(site.url), python: at(pythonUrl), jar }
  }

  it('counts on, whoever is asked', async () => {
    const bob = await person()
    const seen: unknown[] = []
    for (let i = 0; i < 6; i++) seen.push(await bob.python('/count'), await bob.node('/count'))
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  })

  it('counts on when we begin', async () => {
    const bob = await person()
    const seen: unknown[] = []
    for (let i = 0; i < 3; i++) seen.push(await bob.node('/count'), await bob.python('/count'))
    expect(seen).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('keeps what the other put into it', async () => {
    const bob = await person()
    await bob.python('/set')
    await bob.node('/count')
    expect(await bob.node('/all')).toEqual({ python: { float: 1, list: [1, 'ä', null], yes: true }, n: 1 })
    expect(await bob.python('/all')).toEqual({ python: { float: 1, list: [1, 'ä', null], yes: true }, n: 1 })
  })

  it('passes messages both ways', async () => {
    const bob = await person()
    await bob.python('/flash')
    expect(await bob.node('/pop')).toEqual(['from python'])
    await bob.node('/flash')
    expect(await bob.python('/pop')).toEqual(['from node'])
  })

  it('is over for both when either logs out', async () => {
    for (const [one, other] of [
      ['node', 'python'],
      ['python', 'node'],
    ] as const) {
      const bob = await person()
      await bob.python('/count')
      await bob.node('/count')
      await bob[one]('/logout')
      expect(await bob[other]('/n')).toBeNull()
    }
  })

  // Beaker 1.11 pickles what is in files, whatever the serializer, unless it is encrypted.
  const isPickled =
    settings['beaker.session.data_serializer'] !== 'json' || name === 'file with data_serializer = json'

  if (isPickled) {
    it('is readable and never overwritten when Python put an object into it', async () => {
      vi.spyOn(process.stderr, 'write').mockReturnValue(true)
      const bob = await person()
      await bob.python('/count')
      await bob.python('/object')
      expect(await bob.node('/n')).toBe(1)
      const refused = await bob.node('/count')
      vi.restoreAllMocks()
      expect(refused).toMatch(
        /^Internal Server Error\na Python object \(datetime\.date\), at session key "since"\n$/,
      )
      expect(await bob.python('/since')).toBe('2026-11-20')
      await bob.node('/logout')
      expect(await bob.python('/n')).toBeNull()
    })
  }

  it('goes on at the other under a new id', async () => {
    const bob = await person()
    await bob.python('/count')
    await bob.node('/login')
    expect(await bob.python('/all')).toEqual({ n: 1, user: 'bob' })
  })
})

describe('the Beaker beside us', () => {
  it.skipIf(beaker === undefined)('is the one that these settings stand for', () => {
    expect(beaker).toMatch(/^1\.11\./)
  })
})
