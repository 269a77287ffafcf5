// Express apps that were written for express-session, unchanged, with the packages that they use.

import { inspect } from 'node:util'
import flash from 'connect-flash'
import { csrfSync } from 'csrf-sync'
import express, { type ErrorRequestHandler, type Express, type Request, type RequestHandler } from 'express'
import expressSession from 'express-session'
import lusca from 'lusca'
import { Passport } from 'passport'
import { Strategy } from 'passport-local'
import { describe, expect, test } from 'vitest'
import { cascade } from '../../src/apps/cascade.js'
import { beakerSession } from '../../src/filters/beaker_session.js'
import type { ExpressSession } from '../../src/filters/express-session.js'
import type { ExpressSessionStore } from '../../src/filters/express-session-store.js'
import { getSession } from '../../src/filters/get-session.js'
import type { App } from '../../src/protocol.js'
import { memoryStore } from '../../src/session/stores/memory.js'
import { serve } from '../support/site.js'

const sessionOf = (req: object) => (req as { session: ExpressSession }).session
const idOf = (req: object) => (req as { sessionID: string }).sessionID

/** What every such app begins with. */
function oldApp(): Express {
  const app = express()
  app.use(expressSession({ secret: 'its own', resave: false, saveUninitialized: false }))
  return app
}

async function visitor(app: Express, settings: Parameters<typeof beakerSession>[0] = {}) {
  const filter = beakerSession({
    secret: 'a secret for the tests of express-session',
    req_property: 'session',
    preload: true,
    ...settings,
  })
  return (await serve(filter((req, res) => app(req, res)))).visitor()
}

describe('an app with express-session inside', () => {
  test('keeps what it puts on req.session, nested changes too, under one cookie of ours', async () => {
    const app = oldApp().get('/', (req, res) => {
      const session = sessionOf(req)
      session.n = ((session.n as number | undefined) ?? 0) + 1
      session.list ??= []
      ;(session.list as unknown[]).push(session.n)
      res.json([session.n, session.list, session.id === idOf(req)])
    })
    const v = await visitor(app)
    expect(await v.get('/')).toBe('[1,[1],true]')
    expect(await v.get('/')).toBe('[2,[1,2],true]')
    expect([...v.jar.keys()]).toEqual(['beaker.session.id'])
  })

  test('without preload it steps aside as well, and who asks for nothing costs nothing', async () => {
    const store = memoryStore()
    let loads = 0
    const counting = {
      ...store,
      scope: 'process' as const,
      load(id: string) {
        loads++
        return store.load(id)
      },
    }
    const app = oldApp()
    app.get('/set', async (req, res) => {
      const session = await getSession(req)
      session.set('n', 1)
      session.save()
      res.end()
    })
    app.get('/', (_req, res) => void res.end())
    const v = await visitor(app, { preload: false, store: counting })
    await v.get('/set')
    expect(v.setCookies).toHaveLength(1)
    await v.get('/')
    expect([loads, v.setCookies]).toEqual([0, []])
  })

  test('sets no cookie for who only reads', async () => {
    const app = oldApp().get(
      '/',
      (req, res) => void res.json([sessionOf(req).n ?? null, 'n' in sessionOf(req)]),
    )
    const v = await visitor(app)
    expect(await v.get('/')).toBe('[null,false]')
    expect(v.setCookies).toEqual([])
  })

  test('shares the session with apps that use getSession', async () => {
    const app = oldApp()
    app.get('/old', (req, res) => {
      sessionOf(req).user = 'ann'
      res.end()
    })
    app.get('/new', (req, res, next) => {
      getSession(req).then((session) => res.end(String(session.get('user'))), next)
    })
    const v = await visitor(app)
    await v.get('/old')
    expect(await v.get('/new')).toBe('ann')
  })

  test('sees on the session what express-session has there', async () => {
    const app = oldApp().get('/', (req, res) => {
      const session = sessionOf(req)
      session.a = 1
      session.b = undefined
      session.cookie.maxAge = 1000
      Object.assign(session, { cookie: 'mine', save: 1, c: 3 })
      delete session.c
      session.touch().resetMaxAge()
      const text = JSON.stringify(session)
      res.json([
        Object.keys(session),
        { ...session }.a,
        'save' in session,
        String(session),
        session.req === req,
        text,
      ])
    })
    const v = await visitor(app)
    const cookie = { originalMaxAge: null, maxAge: 1000, expires: null, path: '/', httpOnly: true }
    expect(JSON.parse(await v.get('/'))).toEqual([
      ['cookie', 'a'],
      1,
      true,
      '[object Object]',
      true,
      JSON.stringify({ cookie, a: 1 }),
    ])
  })

  test('is printed with its data', async () => {
    const app = oldApp().get('/', (req, res) => {
      sessionOf(req).user = 'ann'
      res.end(inspect(sessionOf(req), { breakLength: Number.POSITIVE_INFINITY }))
    })
    expect(await (await visitor(app)).get('/')).toMatch(/^\{ cookie: \{.*\}, user: 'ann' \}$/)
  })

  test('any other key is data, __proto__ too', async () => {
    const app = oldApp().get('/', (req, res) => {
      const session = sessionOf(req)
      const before = Object.hasOwn(session, '__proto__')
      Object.defineProperty(session, '__proto__', { value: { polluted: 1 }, configurable: true })
      res.json([before, 'polluted' in {}, Object.hasOwn(session, '__proto__')])
    })
    const v = await visitor(app)
    expect([await v.get('/'), await v.get('/')]).toEqual(['[false,false,true]', '[true,false,true]'])
  })
})

describe('the verbs of express-session', () => {
  const app = oldApp()
  app.get('/set/:n', (req, res) => {
    sessionOf(req).n = req.params.n
    res.end(idOf(req))
  })
  app.get('/get', (req, res) => void res.json([sessionOf(req).n ?? null, idOf(req)]))
  app.get('/regenerate', (req, res, next) => {
    const [old, oldId] = [sessionOf(req), idOf(req)]
    old.regenerate((error) => {
      if (error) return next(error)
      sessionOf(req).m = 1
      res.json([old.n, sessionOf(req).n ?? null, sessionOf(req) === old, idOf(req) === oldId])
    })
  })
  app.get('/destroy', (req, res, next) => {
    sessionOf(req).destroy((error) => (error ? next(error) : res.json(sessionOf(req) === undefined)))
  })
  app.get('/save', (req, res, next) => {
    sessionOf(req).n = 'saved'
    sessionOf(req).save((error) => (error ? next(error) : res.redirect('/get')))
  })
  app.get('/reload', (req, res) => {
    sessionOf(req).n = 'dropped'
    sessionOf(req).reload((error) =>
      res.json([error instanceof Error ? error.message : null, sessionOf(req)?.n]),
    )
  })

  test('regenerate: a new, empty session under a new id, and the old one is dead', async () => {
    const v = await visitor(app)
    await v.get('/set/1')
    const thief = v.clone()
    expect(await v.get('/regenerate')).toBe('["1",null,false,false]')
    expect(JSON.parse(await thief.get('/get'))[0]).toBe(null)
    expect(JSON.parse(await v.get('/get'))[0]).toBe(null)
  })

  test('destroy: the session is off the request and dead', async () => {
    const v = await visitor(app)
    await v.get('/set/1')
    const thief = v.clone()
    expect(await v.get('/destroy')).toBe('true')
    expect(v.jar.size).toBe(0)
    expect(JSON.parse(await thief.get('/get'))[0]).toBe(null)
  })

  test('save: it is stored before the callback; reload: changes are dropped, and a missing session is an error', async () => {
    const v = await visitor(app)
    expect(await v.get('/reload')).toBe('["failed to load session","dropped"]')
    const w = await visitor(app)
    await w.get('/save')
    expect(JSON.parse(await w.get('/get'))[0]).toBe('saved')
    expect(await w.get('/reload')).toBe('[null,"saved"]')
  })

  test('a save that fails is told to the callback', async () => {
    const store = memoryStore()
    const v = await visitor(app, {
      store: {
        ...store,
        scope: 'process',
        load: (id) => store.load(id),
        delete: (id) => store.delete(id),
        save: () => Promise.reject(new Error('disk full')),
      },
    })
    expect((await v.fetch('/save')).status).toBe(500)
    expect(v.setCookies).toEqual([])
  })
})

describe('what apps put at req.session themselves', () => {
  const app = oldApp()
  app.get('/set', (req, res) => {
    sessionOf(req).user = 'ann'
    sessionOf(req).cart = ['book']
    res.end(idOf(req))
  })
  app.get('/get', (req, res) => void res.json({ ...sessionOf(req), cookie: undefined }))
  app.get('/null', (req, res) => {
    Object.assign(req, { session: null })
    res.json(sessionOf(req))
  })
  app.get('/undefined', (req, res) => {
    Object.assign(req, { session: undefined })
    res.json(sessionOf(req) === undefined)
  })
  app.get('/object', (req, res) => {
    Object.assign(req, { session: { cart: ['pen'], cookie: {}, id: 'mine' } })
    res.json([idOf(req) === sessionOf(req).id, sessionOf(req).user ?? null])
  })
  app.get('/null-then-object', (req, res) => {
    Object.assign(req, { session: null })
    Object.assign(req, { session: { user: 'bob' } })
    res.json(sessionOf(req).user)
  })
  app.get('/itself', (req, res) => {
    Object.assign(req, { session: sessionOf(req) })
    res.json(sessionOf(req).user)
  })

  test.each([
    ['/null', 'null'],
    ['/undefined', 'true'],
  ])('nothing (%s): the session is ended, for all who have it', async (path, shown) => {
    const v = await visitor(app)
    await v.get('/set')
    const thief = v.clone()
    expect(await v.get(path)).toBe(shown)
    expect(v.jar.size).toBe(0)
    expect(await thief.get('/get')).toBe('{}')
  })

  test('an object: it takes the place of what was there, under the same id', async () => {
    const v = await visitor(app)
    const id = await v.get('/set')
    expect(await v.get('/object')).toBe('[true,null]')
    expect(await v.get('/get')).toBe('{"cart":["pen"]}')
    expect(await v.get('/set')).toBe(id)
  })

  test('nothing and then an object: a new session', async () => {
    const v = await visitor(app)
    const id = await v.get('/set')
    const thief = v.clone()
    expect(await v.get('/null-then-object')).toBe('"bob"')
    expect(await v.get('/get')).toBe('{"user":"bob"}')
    expect(await thief.get('/get')).toBe('{}')
    expect(await v.get('/set')).not.toBe(id)
  })

  test('itself: nothing changes', async () => {
    const v = await visitor(app)
    await v.get('/set')
    await v.get('/itself')
    expect(await v.get('/get')).toBe('{"user":"ann","cart":["book"]}')
  })

  test('nothing, in an app that is tried by a cascade: the session is ended', async () => {
    const filter = beakerSession({
      secret: 'a secret for the tests of express-session',
      req_property: 'session',
      preload: true,
    })
    const skipped = oldApp().get('/null', (req, res) => {
      Object.assign(req, { session: null })
      res.status(404).end()
    })
    const plain =
      (each: Express): App =>
      (req, res) =>
        each(req, res)
    const v = (await serve(filter(cascade([plain(skipped), plain(app)])))).visitor()
    await v.get('/set')
    await v.get('/null')
    expect(v.jar.size).toBe(0)
  })
})

describe('req.sessionStore', () => {
  const storeOf = (req: object) => (req as { sessionStore: ExpressSessionStore }).sessionStore
  const app = oldApp()
  app.get('/set/:n', (req, res) => {
    sessionOf(req).n = req.params.n
    res.end(idOf(req))
  })
  app.get('/n', (req, res) => void res.json([sessionOf(req)?.n ?? null]))
  app.get('/get/:id', (req, res, next) =>
    storeOf(req).get(req.params.id, (error, data) => (error ? next(error) : res.json(data))),
  )
  app.get('/replace/:id', (req, res) =>
    storeOf(req).set(req.params.id, { m: 1, cookie: {} }, (error) => res.json(String(error ?? 'done'))),
  )
  app.get('/destroy/:id', (req, res, next) =>
    storeOf(req).destroy(req.params.id, (error) => (error ? next(error) : res.end('done'))),
  )
  app.get('/touch/:id', (req, res) =>
    storeOf(req).touch(req.params.id, sessionOf(req), () => res.end('done')),
  )
  app.get('/regenerate', (req, res) =>
    storeOf(req).regenerate(req, () => {
      sessionOf(req).n = 'new'
      res.end(idOf(req))
    }),
  )
  app.get('/destroyed-then-generated', (req, res) => {
    sessionOf(req).destroy(() => {
      storeOf(req).generate(req)
      sessionOf(req).n = 'new'
      res.end(idOf(req))
    })
  })

  async function two() {
    const site = await serve(
      beakerSession({
        secret: 'a secret for the tests of express-session',
        req_property: 'session',
        preload: true,
      })((req, res) => app(req, res)),
    )
    return [site.visitor(), site.visitor()] as const
  }
  const COOKIE = { originalMaxAge: null, expires: null, path: '/', httpOnly: true }

  test('shows and changes the sessions of others', async () => {
    const [ann, admin] = await two()
    const id = await ann.get('/set/1')
    expect(JSON.parse(await admin.get(`/get/${id}`))).toEqual({ cookie: COOKIE, n: '1' })
    expect(JSON.parse(await ann.get(`/get/${id}`))).toEqual({ cookie: COOKIE, n: '1' })
    expect(await admin.get('/get/nobody')).toBe('null')
    expect(await admin.get(`/replace/${id}`)).toBe('"done"')
    expect(JSON.parse(await admin.get(`/get/${id}`))).toEqual({ cookie: COOKIE, m: 1 })
    expect(await admin.get(`/touch/${id}`)).toBe('done')
    expect(await admin.get('/replace/nobody')).toBe('"Error: there is no session of this id"')
  })

  test('ends the sessions of others, and its own', async () => {
    const [ann, admin] = await two()
    const id = await ann.get('/set/1')
    expect(await admin.get(`/destroy/${id}`)).toBe('done')
    expect(await ann.get('/n')).toBe('[null]')
    const own = await admin.get('/set/2')
    const thief = admin.clone()
    expect(await admin.get(`/destroy/${own}`)).toBe('done')
    expect([await admin.get('/n'), await thief.get('/n')]).toEqual(['[null]', '[null]'])
    expect(await admin.get('/destroy/nobody')).toBe('done')
  })

  test.each(['/regenerate', '/destroyed-then-generated'])('makes a new session: %s', async (path) => {
    const [ann] = await two()
    const id = await ann.get('/set/1')
    const thief = ann.clone()
    expect(await ann.get(path)).not.toBe(id)
    expect([await ann.get('/n'), await thief.get('/n')]).toEqual(['["new"]', '[null]'])
  })
})

describe('packages on top', () => {
  function site() {
    const app = oldApp()
      .use(express.urlencoded({ extended: false }))
      .use(flash())
    const passport = new Passport()
    passport.use(
      new Strategy((user, password, done) =>
        done(null, password === 'right' ? { user } : false, { message: 'wrong password' }),
      ),
    )
    passport.serializeUser((user, done) => done(null, (user as { user: string }).user))
    passport.deserializeUser((user: string, done) => done(null, { user }))
    app.use(passport.initialize()).use(passport.session())
    app.get('/', (req, res) => {
      const messages = (req as Request & { flash(type: string): string[] }).flash('error')
      res.json([
        (req.user as { user: string } | undefined)?.user ?? null,
        messages,
        sessionOf(req).cart ?? null,
      ])
    })
    app.get('/cart', (req, res) => {
      sessionOf(req).cart = ['book']
      res.end()
    })
    app.post(
      '/login',
      passport.authenticate('local', {
        successRedirect: '/',
        failureRedirect: '/',
        failureFlash: true,
        keepSessionInfo: true,
      }),
    )
    app.post('/logout', (req, res, next) => req.logout((error) => (error ? next(error) : res.redirect('/'))))
    return app
  }
  const login = (password: string) => ({
    method: 'POST',
    body: new URLSearchParams({ username: 'ann', password }),
  })

  test('passport logs in under a new id and out again, and connect-flash shows a message once', async () => {
    const v = await visitor(site())
    await v.get('/cart')
    await v.fetch('/login', login('wrong'))
    expect(await v.get('/')).toBe('[null,["wrong password"],["book"]]')
    expect(await v.get('/')).toBe('[null,[],["book"]]')
    const before = v.clone()
    expect((await v.fetch('/login', login('right'))).headers.get('location')).toBe('/')
    expect(await v.get('/')).toBe('["ann",[],["book"]]')
    expect(await before.get('/')).toBe('[null,[],null]')
    const inside = v.clone()
    await v.fetch('/logout', { method: 'POST' })
    expect(await v.get('/')).toBe('[null,[],null]')
    expect(await inside.get('/')).toBe('[null,[],null]')
  })

  test.each<[string, () => RequestHandler]>([
    ['csrf-sync', () => csrfSync().csrfSynchronisedProtection],
    ['lusca', () => lusca.csrf()],
  ])('%s keeps its token in the session, and lets nobody without it post', async (_name, protection) => {
    const app = oldApp().use(protection())
    app.get('/form', (req, res) => void res.send(req.csrfToken!()))
    app.post('/', (_req, res) => void res.send('posted'))
    const fail: ErrorRequestHandler = (error: { statusCode?: number }, _req, res, _next) =>
      void res.sendStatus(error.statusCode ?? (res.statusCode === 403 ? 403 : 500))
    app.use(fail)
    const v = await visitor(app)
    const post = (by: typeof v, token: string) =>
      by.fetch('/', { method: 'POST', headers: { 'x-csrf-token': token } })
    const token = await v.get('/form')
    expect(token).toMatch(/^.{20,}$/)
    expect(await (await post(v, token)).text()).toBe('posted')
    expect((await post(v, 'x')).status).toBe(403)
    const other = await visitor(app)
    expect((await post(other, token)).status).toBe(403)
  })

  test('two requests that overlap and change different keys both survive', async () => {
    const gates = new Map<string, () => void>()
    let arrived = () => {}
    const both = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const app = oldApp()
    app.get('/start', (req, res) => {
      sessionOf(req).started = true
      res.end()
    })
    app.get('/slow/:key', (req, res) => {
      sessionOf(req)[req.params.key] = 'kept'
      gates.set(req.params.key, () => res.end())
      if (gates.size === 2) arrived()
    })
    app.get('/all', (req, res) => void res.json({ ...sessionOf(req), cookie: undefined }))
    const v = await visitor(app)
    await v.get('/start')
    const running = [v.get('/slow/a'), v.get('/slow/b')]
    await both
    for (const open of gates.values()) open()
    await Promise.all(running)
    expect(JSON.parse(await v.get('/all'))).toEqual({ started: true, a: 'kept', b: 'kept' })
  })
})
