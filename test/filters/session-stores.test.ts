import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { OptionError } from '../../src/config/errors.js'
import { factory } from '../../src/filters/beaker_session.js'
import { getSession, login, sessionsOf } from '../../src/filters/get-session.js'
import { options } from '../../src/filters/session-options.js'
import { needs, storeType } from '../../src/filters/session-store-type.js'
import type { App } from '../../src/protocol.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { importPeer } from '../../src/session/stores/optional-peer.js'
import { describeWith, startMemcached, startRedis } from '../support/servers.js'
import { serve } from '../support/site.js'
import { POSTGRES, startPostgres } from '../support/sql-servers.js'

const app: App = async (req, res) => {
  const session = await getSession(req)
  let answer: unknown = null
  if (req.url === '/add') answer = session.update('n', (n) => ((n as number | undefined) ?? 0) + 1)
  if (req.url === '/n') answer = session.get('n') ?? null
  if (req.url === '/login') await login(req, 'bob')
  if (req.url === '/mine') answer = (await sessionsOf(req, 'bob')).length
  if (req.url === '/logout') session.delete()
  res.end(JSON.stringify(answer))
}

/** A filter of an INI section with these settings, and a visitor of an app behind it. */
async function visit(settings: Record<string, string>, here = process.cwd()) {
  const section = { secret: 'a secret of more than thirty-two characters', key: 'sid', ...settings }
  const filter = await factory(makeConf([['here', here]]), makeConf(Object.entries(section)))
  onTestFinished(async () => filter.close?.())
  return (await serve(filter(app))).visitor()
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** What every type of store must do when it is named in a file. */
async function usual(settings: Record<string, string>) {
  const bob = await visit(settings)
  expect(await bob.get('/add')).toBe('1')
  await Promise.all(Array.from({ length: 20 }, () => bob.get('/add')))
  const elsewhere = await visit(settings)
  elsewhere.jar.set('sid', bob.jar.get('sid')!)
  if (settings.type !== 'memory') expect(await elsewhere.get('/n')).toBe('21')
  await bob.get('/login')
  if (settings.format === undefined) expect(await bob.get('/mine')).toBe('1')
  const thief = bob.clone()
  await bob.get('/logout')
  expect(await thief.get('/n')).toBe('null')
}

describe('type =', () => {
  it('memory', () => usual({ type: 'memory' }))
  it('file', () => usual({ type: 'file', data_dir: temporaryDirectory() }))
  it('dbm', () => usual({ type: 'dbm', data_dir: temporaryDirectory() }))
  it('ext:database with SQLite', () =>
    usual({ type: 'ext:database', url: `sqlite:///${join(temporaryDirectory(), 'sessions.db')}` }))
  it('chain of memory and file', () =>
    usual({
      type: 'chain',
      'chain.stores': 'memory, file',
      data_dir: temporaryDirectory(),
    }))
  it('express:session-file-store', async () => {
    const bob = await visit({ type: 'express:session-file-store', 'express.path': temporaryDirectory() })
    await bob.get('/add')
    expect(await bob.get('/add')).toBe('2')
  })
})

describeWith(['redis-server'], 'type = ext:redis', () => {
  it('keeps sessions there, in both formats', async () => {
    const server = await startRedis()
    onTestFinished(() => server.stop())
    const url = `redis://127.0.0.1:${server.port}/1`
    await usual({ type: 'ext:redis', url })
    await usual({ type: 'chain', 'chain.stores': 'memory, ext:redis', url })
  })
})

describeWith(['memcached'], 'type = ext:memcached', () => {
  it('keeps sessions there', async () => {
    const server = await startMemcached()
    onTestFinished(() => server.stop())
    await usual({ type: 'ext:memcached', url: `127.0.0.1:${server.port}` })
  })
})

describeWith([...POSTGRES], 'type = ext:database with PostgreSQL', () => {
  it('keeps sessions there', async () => {
    const server = await startPostgres()
    onTestFinished(() => server.stop())
    await usual({ type: 'ext:database', url: server.url })
  })
})

describe('a type that is no good', () => {
  it.each([
    [
      { type: 'ext:google' },
      'type: ext:google: the datastore of the first App Engine is gone: take ext:database, ext:redis or cookie',
    ],
    [{ type: 'ext:redis' }, 'beaker.session.url: missing: '],
    [{ type: 'dbm' }, 'beaker.session.data_dir: missing: type = dbm needs a directory'],
    [
      { type: 'dbm', data_dir: '/tmp', format: 'beaker' },
      "type: Beaker's own dbm files can't be shared: take file, or a database",
    ],
    [
      { type: 'express:memorystore', format: 'beaker' },
      'format: express:memorystore keeps rows of express-session: it needs format = sessd',
    ],
    [{ type: 'chain', 'chain.stores': 'memory, ext:rediss' }, 'chain.stores: no such store: "ext:rediss"'],
    [{ type: 'chain', 'chain.stores': 'memory, redis' }, 'no such store: "redis". Did you mean "ext:redis"?'],
    [{ type: 'file', data_dir: '/dev/null/x' }, 'data_dir: '],
    [{ type: 'file', file_dir: '/dev/null/x' }, 'file_dir: '],
    [{ type: 'dbm', dbm_dir: '/dev/null/x' }, 'dbm_dir: '],
    [{ type: 'chain', 'chain.stores': 'memory, file', data_dir: '/dev/null/x' }, 'data_dir: '],
    [{ type: 'ext:database', url: 'sqlite:////dev/null/x/y.db' }, 'url: '],
    [
      { type: 'express:no-such-store' },
      'type: express:no-such-store needs the package no-such-store: npm install no-such-store',
    ],
    [
      { type: 'express:cookie' },
      'type: express:cookie has no store for express-session: expected a class, or what makes one',
    ],
    [
      { type: 'express:connect-redis', 'express.url': 'redis://127.0.0.1' },
      'type: express:connect-redis needs a live client, which no INI can hold: take ext:redis, or hand the store over ' +
        'in code: { store: expressStore(new RedisStore({ client })) }',
    ],
    [{ type: 'express:#Store' }, 'or express:PACKAGE, got "express:#Store"'],
  ])('is refused: %j', async (settings, message) => {
    await expect(visit(settings as unknown as Record<string, string>)).rejects.toThrow(message)
  })

  it.each([
    ['redis', 'ext:redis'],
    ['Ext:Redis', 'ext:redis'],
    ['valkey', 'ext:redis'],
    ['mongodb', 'ext:mongodb'],
    ['rediscluster', 'ext:rediscluster'],
    ['ext:postgresql', 'ext:database'],
    ['flie', 'file'],
    ['express:', undefined],
  ])('type = %s asks whether another name was meant', async (type, meant) => {
    const expected = `type: expected ${options.type.type.expected}, got "${type}"`
    await expect(visit({ type })).rejects.toThrow(
      new OptionError(
        'type',
        meant === undefined ? expected.slice(6) : `${expected.slice(6)}. Did you mean "${meant}"?`,
      ),
    )
  })

  it('what a package says of its settings is told, and that a client needs code', async () => {
    const here = temporaryDirectory()
    mkdirSync(join(here, 'node_modules/odd'), { recursive: true })
    const code =
      'module.exports = class { constructor({ client }) { client.on() } get() {} set() {} destroy() {} }'
    writeFileSync(join(here, 'node_modules/odd/index.js'), code)
    await expect(visit({ type: 'express:odd' }, here)).rejects.toThrow(
      new OptionError(
        'type',
        "express:odd makes no store of these settings: Cannot read properties of undefined (reading 'on') (a live client, " +
          'if it wants one, can only be given in code: { store: expressStore(...) })',
      ),
    )
  })

  it('a store whose server is away is none: the file loads', async () => {
    await visit({ type: 'express:connect-pg-simple', 'express.conString': 'postgres://127.0.0.1:1/x' })
    await visit({ type: 'ext:redis', url: 'redis://127.0.0.1:1' })
    await visit({ type: 'ext:database', url: 'postgresql://127.0.0.1:1/x' })
  })

  it('a package that is missing is missed when the file is loaded', async () => {
    const missing = needs(() =>
      importPeer('ext:x', 'no-such-package', () => import('no-such-package' as string)),
    )
    const store = storeType(
      {},
      () => memoryStore(),
      () => [missing],
    )
    const context = {
      format: 'sessd',
      lifetime: null,
      timeout: 1,
      clock: Date.now,
      directory: '/',
      express: {},
    } as const
    await expect(store.open({}, context)).rejects.toThrow(
      new OptionError(
        'beaker.session.type',
        'ext:x needs the package no-such-package: npm install no-such-package',
      ),
    )
  })

  it('settings of other stores are ignored, and that is said', async () => {
    const warnings: string[] = []
    const listen = (warning: Error) => warnings.push(warning.message)
    process.on('warning', listen)
    onTestFinished(() => void process.off('warning', listen))
    await usual({ type: 'memory', url: 'redis://h', table_name: 'x', 'session.log_file': '/x' })
    expect(new Set(warnings)).toEqual(
      new Set([
        'url is ignored: it belongs to another type of store than this one',
        'table_name is ignored: it belongs to another type of store than this one',
        'session.log_file is ignored: Beaker does not use it either',
      ]),
    )
    await expect(visit({ type: 'memory', tabel_name: 'x' })).rejects.toThrow('tabel_name: no such setting.')
  })
})
