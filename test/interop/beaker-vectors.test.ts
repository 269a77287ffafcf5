// What real Beaker did with requests at a known time, asked of our filter over HTTP.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import { readOptions } from '../../src/config/options.js'
import { beakerSession, factory, options } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serve } from '../support/site.js'

interface Made {
  readonly id: string
  readonly format: string
  readonly options: Record<string, string>
  readonly cookie: string
  readonly sessionId: string
  readonly file?: { readonly path: string; readonly base64: string }
  /** What a request ten seconds later found. */
  readonly data?: Record<string, unknown>
  /** What was to be stored, when that went wrong. */
  readonly set?: Record<string, unknown>
  readonly exception?: string
  /** Those of the Set-Cookie header. */
  readonly attributes: readonly string[]
}

interface Odd {
  readonly id: string
  readonly note: string
  readonly options: Record<string, string>
  readonly cookie: string
  /** The user whom Beaker found; null: nobody. Or its error. */
  readonly beaker: string | null
}

interface Fixture {
  readonly sessions: readonly Made[]
  readonly refusals: readonly Odd[]
}

const fixture: Fixture = JSON.parse(
  readFileSync(new URL('../fixtures/beaker/requests.json', import.meta.url), 'utf8'),
)
const MADE = 1_700_000_000_125

/** The settings of a vector, and what we ask for beside them: Beaker's defaults where ours are others. */
function settingsOf({ options: given }: Made | Odd, format: string, directory: string): [string, string][] {
  const named = Object.entries(given).map(([key, value]): [string, string] => [
    key,
    value.replace('%(here)s', directory),
  ])
  const httponly: [string, string] = ['session.httponly', 'false']
  return [...named, httponly, ['session.format', format]]
}

function directoryWith(file: Made['file']): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  if (file !== undefined) {
    const path = join(directory, file.path)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, Buffer.from(file.base64, 'base64'))
    utimesSync(path, MADE / 1000, MADE / 1000)
  }
  return directory
}

/** A site with the settings of a vector, at some time, as if asked by https. */
async function siteOf(settings: [string, string][], now: number, app: App) {
  const given = readOptions(options, makeConf(settings), { prefixes: ['session.'], inherited: makeConf([]) })
  const filter = beakerSession({ ...given, clock: () => now })
  onTestFinished(async () => filter.close?.())
  const filtered = filter(app)
  return serve((req, res) => {
    environ(req)['wsgi.url_scheme'] = 'https'
    return filtered(req, res)
  })
}

const look: App = async (req, res) => {
  const session = await getSession(req)
  const { id, isNew, created, lastAccessed } = session
  res.end(JSON.stringify({ id, isNew, created, lastAccessed, data: session.toJSON() }))
}

const readable = fixture.sessions.filter(
  ({ id, exception }) => exception === undefined && !id.includes('nosecret'),
)

describe('a session that Beaker made', () => {
  it.each(readable.map((vector) => [vector.id, vector] as const))('is ours too: %s', async (_id, vector) => {
    const settings = settingsOf(vector, vector.format, directoryWith(vector.file))
    const { visitor } = await siteOf(settings, MADE + 10_375, look)
    const found = JSON.parse(await visitor().get('/', { headers: { cookie: vector.cookie } }))
    expect(found).toEqual({
      id: vector.sessionId,
      isNew: false,
      created: MADE,
      lastAccessed: MADE,
      // As the answer comes: JSON knows no -0.
      data: JSON.parse(JSON.stringify(vector.data)),
    })
  })

  it.each(readable.map((vector) => [vector.id, vector] as const))(
    'has a cookie like ours: %s',
    async (_id, vector) => {
      const settings = settingsOf(vector, vector.format, directoryWith(undefined))
      if (!vector.attributes.includes('Secure')) settings.push(['session.secure', 'false'])
      const { visitor } = await siteOf(settings, MADE, async (req, res) => {
        const session = await getSession(req)
        for (const [key, value] of Object.entries(vector.data!)) session.set(key, value)
        session.save()
        res.end()
      })
      const bob = visitor()
      await bob.get('/')
      const [name, ...attributes] = bob.setCookies[0]!.split(/; */)
      expect(name).toMatch(/^sid=/)
      const names = (list: readonly string[]) =>
        list.filter((text) => !/^(expires|max-age)=/i.test(text)).sort((a, b) => (a < b ? -1 : 1))
      expect(names(attributes)).toEqual(names(vector.attributes))
      const lasts = vector.attributes.some((text) => text.startsWith('expires='))
      expect(attributes.filter((text) => text.startsWith('Max-Age='))).toEqual(lasts ? ['Max-Age=300'] : [])
    },
  )

  it('is refused where it is too long for a cookie, as in Beaker', async () => {
    const spy = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    onTestFinished(() => spy.mockRestore())
    const vector = fixture.sessions.find(({ id }) => id === 'cookie-json-toolong')!
    expect(vector.exception).toBe('BeakerException: Cookie value is too long to store')
    const { visitor } = await siteOf(settingsOf(vector, 'beaker', ''), MADE, async (req, res) => {
      const session = await getSession(req)
      for (const [key, value] of Object.entries(vector.set!)) session.set(key, value)
      session.save()
      res.end()
    })
    const bob = visitor()
    expect((await bob.fetch('/')).status).toBe(500)
    expect(bob.setCookies).toEqual([])
  })
})

/** Where we find something else than Beaker: see docs/beaker-differences.md, Cookies and Ending sessions. */
const OTHERWISE: Record<string, string | null> = {
  'neg-cookie-after-json-cookie': 'bob',
  'neg-cookie-after-valueless': 'bob',
  'neg-cookie-dup-bad-last': 'bob',
  'neg-file-after-json-cookie': 'bob',
  'neg-file-dup-bad-last': 'bob',
  'neg-file-just-not-expired': null,
}

describe('a request that Beaker was asked', () => {
  const withSecret = fixture.refusals.filter(({ id }) => !id.includes('nosecret') && !id.includes('garbage'))
  const { file } = fixture.sessions.find(({ id }) => id === 'file-json-basic')!

  it.each(withSecret.map((vector) => [`${vector.id}: ${vector.note}`, vector] as const))(
    'is answered as in Beaker, but for known differences: %s',
    async (_title, vector) => {
      const now = vector.id === 'neg-file-just-not-expired' ? MADE + 60_000 : MADE + 10_375
      const { visitor } = await siteOf(settingsOf(vector, 'beaker', directoryWith(file)), now, look)
      const answer = await visitor().fetch('/', { headers: { cookie: vector.cookie } })
      expect(answer.status).toBe(200)
      const { isNew, data } = (await answer.json()) as { isNew: boolean; data: { user?: string } }
      const user = vector.id in OTHERWISE ? OTHERWISE[vector.id]! : vector.beaker
      expect([isNew, data.user ?? null]).toEqual([user === null, user])
    },
  )

  it('fails when its row is cut and invalidate_corrupt is false', async () => {
    const vector = fixture.refusals.find(({ id }) => id === 'neg-file-store-garbage-raise')!
    const cut = { path: file!.path, base64: file!.base64.slice(0, 80) }
    const { visitor } = await siteOf(settingsOf(vector, 'beaker', directoryWith(cut)), MADE, look)
    const answer = await visitor().fetch('/', { headers: { cookie: vector.cookie } })
    expect(answer.status).toBe(500)
  })

  it.each(['file-json-nosecret', 'neg-file-nosecret-traversal'])(
    'never comes so far without a secret: %s',
    async (id) => {
      const vector = [...fixture.sessions, ...fixture.refusals].find((one) => one.id === id)!
      const conf = makeConf(settingsOf(vector, 'beaker', directoryWith(undefined)))
      await expect(factory(makeConf([]), conf)).rejects.toThrow(
        'missing: the key that signs cookies. `sessd secret` makes a good one',
      )
    },
  )
})
