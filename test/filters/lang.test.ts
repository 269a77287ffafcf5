import { describe, expect, test } from 'vitest'
import { beakerSession } from '../../src/filters/beaker_session.js'
import { getSession } from '../../src/filters/get-session.js'
import { bestLanguage, lang, language } from '../../src/filters/lang.js'
import { environ } from '../../src/http/environ.js'
import type { App } from '../../src/protocol.js'
import { serve } from '../support/site.js'

const app: App = async (req, res) => {
  const [, verb, value = ''] = environ(req).PATH_INFO.split('/')
  if (verb === 'login') (await getSession(req)).set('user', 1).save()
  if (verb === 'set') {
    try {
      await language(req).set(value)
    } catch (error) {
      res.end((error as Error).message)
      return
    }
  }
  res.end(verb === 'quiet' ? '' : await language(req).get())
}

const spoken = lang({ languages: ['en', 'de', 'pt-BR'] })
const session = beakerSession({ secret: 'a secret for the tests of lang' })

describe('a visitor gets', () => {
  test('what Accept-Language asks for, else the first', async () => {
    const v = (await serve(session(spoken(app)))).visitor()
    expect(await v.get('/', { headers: { 'accept-language': 'fr, de-AT;q=0.5' } })).toBe('de')
    expect(await v.get('/', { headers: { 'accept-language': 'fr' } })).toBe('en')
    expect(v.setCookies).toEqual([])
  })

  test('an answer that caches keep apart by language, if the app asked for it', async () => {
    const v = (await serve(spoken(app))).visitor()
    expect((await v.fetch('/')).headers.get('vary')).toBe('Accept-Language, Cookie')
    expect((await v.fetch('/quiet')).headers.get('vary')).toBe(null)
  })

  test('what was set, in a cookie', async () => {
    const v = (await serve(session(spoken(app)))).visitor()
    expect(await v.get('/set/pt-br')).toBe('pt-BR')
    expect([...v.jar.keys()]).toEqual(['lang'])
    expect(await v.get('/', { headers: { 'accept-language': 'de' } })).toBe('pt-BR')
  })

  test('what was set, in the session where there is one, which beats the cookie', async () => {
    const v = (await serve(session(spoken(app)))).visitor()
    await v.get('/set/de')
    await v.get('/login')
    expect(await v.get('/set/en')).toBe('en')
    expect(v.jar.get('lang')).toBe('de')
    expect(await v.get('/')).toBe('en')
  })

  test('what was set, in a session under a key of its own', async () => {
    const [own, key] = [lang({ languages: ['en', 'de'], environ_key: 'own.session' }), 'own.session']
    const filter = beakerSession({ secret: 'a secret for the tests of lang', environ_key: key })
    const door: App = async (req, res) => {
      ;(await getSession(req, key)).set('user', 1).save()
      await language(req).set('de')
      res.end()
    }
    const v = (await serve(filter(own(door)))).visitor()
    await v.get('/')
    expect([...v.jar.keys()]).toEqual(['beaker.session.id'])
  })

  test('a language without any session filter too', async () => {
    const v = (await serve(spoken(app))).visitor()
    await v.get('/set/de')
    expect(await v.get('/')).toBe('de')
  })

  test('no language that is not spoken here', async () => {
    const v = (await serve(spoken(app))).visitor()
    expect(await v.get('/set/xx')).toBe('expected one of the languages en, de, pt-BR, got "xx"')
    expect(await v.get('/', { headers: { cookie: 'lang=../../x' } })).toBe('en')
  })
})

test.each<[string, string | undefined]>([
  ['de', 'de'],
  ['DE-at', 'de'],
  ['en;q=0.1, de;q=0.9', 'de'],
  ['de;q=0, en', 'en'],
  ['pt', 'pt-BR'],
  ['zh, *', 'en'],
  ['', undefined],
  [';;;q=,,,', undefined],
  ['de;q=x', undefined],
  ['-'.repeat(100_000), undefined],
])('of %.20j the best is %j', (header, expected) => {
  expect(bestLanguage(header, ['en', 'de', 'pt-BR'])).toBe(expected)
})

test('languages must be given', () => {
  expect(() => lang({})).toThrow('languages: missing: ')
})
