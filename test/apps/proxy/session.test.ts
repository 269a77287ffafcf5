import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { ProxySettings } from '../../../src/apps/proxy.js'
import { beakerSession } from '../../../src/filters/beaker_session.js'
import { getSession } from '../../../src/filters/get-session.js'
import type { App } from '../../../src/protocol.js'
import { memoryStore } from '../../../src/session/stores/memory.js'
import { ask, Wire } from '../../support/http.js'
import { Visitor } from '../../support/site.js'
import { rawUpstream, serveProxy, upstream } from '../../support/upstream.js'

const SECRET = 'a secret that is long enough for tests'

/** A request that stands at the upstream until `answer` is called. */
interface Standing {
  readonly url: string
  readonly req: IncomingMessage
  readonly res: ServerResponse
  answer(): void
}

/** A proxy behind a session, apps of ours under /own, and an upstream that answers when the test says so. */
async function world(
  settings: Partial<ProxySettings> = {},
  answers: 'held' | 'at once' = 'held',
  { rolling = false } = {},
) {
  const standing: Standing[] = []
  let arrived = () => {}
  const behind = await upstream((req, res) => {
    standing.push({ url: req.url!, req, res, answer: () => void res.end('ok') })
    if (answers === 'at once') res.end('ok')
    arrived()
  })
  const clock = { now: 1_800_000_000_000 }
  const store = memoryStore({ clock: () => clock.now })
  const filter = beakerSession({
    key: 'sid',
    secret: SECRET,
    timeout: 600,
    rolling,
    store,
    clock: () => clock.now,
  })
  const proxied = await serveProxy({ address: behind.url, now: () => clock.now, ...settings }, (old) => {
    const app: App = async (req, res) => {
      if (!req.url!.startsWith('/own')) return old(req, res)
      const session = await getSession(req)
      if (req.url === '/own/set') session.set('user', 'Ada').set('cart', ['a']).set('__proto__', 1).save()
      if (req.url === '/own/huge') session.set('user', 'x'.repeat(9000)).save()
      if (req.url === '/own/out') session.delete()
      res.end(JSON.stringify(session.toJSON()))
    }
    app.upgrade = (req, socket, head) => old.upgrade!(req, socket, head)
    return filter(app)
  })
  return {
    ...proxied,
    behind,
    clock,
    store,
    standing,
    /** Somebody with a session. */
    async visitor() {
      const visitor = new Visitor(proxied.url)
      await visitor.get('/own/set')
      return visitor
    },
    anybody: () => new Visitor(proxied.url),
    /** Resolves when so many requests have come to the upstream. */
    async came(count: number) {
      while (standing.length < count) {
        await new Promise<void>((resolve) => {
          arrived = resolve
        })
      }
    },
    urls: () => standing.map(({ url }) => url),
  }
}

describe('serialize_sessions', () => {
  test('sends the requests of one session one after the other, in the order in which they came', async () => {
    const { visitor, came, standing, urls } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const first = ada.get('/1')
    await came(1)
    const second = ada.get('/2')
    await ada.get('/own/read') // has come after it, and is none of the upstream's
    const third = ada.get('/3')
    await ada.get('/own/read')
    expect(urls()).toEqual(['/1'])
    standing[0]!.answer()
    expect(await first).toBe('ok')
    await came(2)
    expect(urls()).toEqual(['/1', '/2'])
    standing[1]!.answer()
    await came(3)
    standing[2]!.answer()
    expect([await second, await third, urls()]).toEqual(['ok', 'ok', ['/1', '/2', '/3']])
  })

  test('holds nobody else: no other session, nobody without one, and no forged cookie', async () => {
    const { visitor, anybody, came, standing } = await world({ serialize_sessions: true })
    const [ada, bob, nobody] = [await visitor(), await visitor(), anybody()]
    const forged = ada.clone()
    forged.jar.set(
      'sid',
      ada.jar.get('sid')!.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
    )
    const all = [ada, bob, nobody, nobody, forged, forged].map((somebody) => somebody.get('/'))
    await came(6)
    for (const request of standing) request.answer()
    expect(await Promise.all(all)).toEqual(Array(6).fill('ok'))
  })

  test('lets the next one go when an answer begins: a download keeps nobody from the next page', async () => {
    const { visitor, came, standing } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const download = ada.fetch('/download')
    await came(1)
    const page = ada.get('/page')
    standing[0]!.res.write('begins')
    await came(2)
    standing[1]!.answer()
    expect(await page).toBe('ok')
    standing[0]!.res.end(' and ends')
    expect(await (await download).text()).toBe('begins and ends')
  })

  test('answers 503 when one has waited for too long, and when too many wait', async () => {
    const settings = { serialize_sessions: true, serialize_queue: 1, serialize_timeout: 1 }
    const { visitor, came, standing, urls } = await world(settings)
    const ada = await visitor()
    const first = ada.get('/1')
    await came(1)
    const answers = await Promise.all([ada.fetch('/2'), ada.fetch('/3')])
    expect(await ada.clone().get('/own/set')).toContain('Ada') // our own are stored after that time all the same
    for (const answer of answers) {
      expect([answer.status, answer.headers.get('retry-after'), await answer.text()]).toEqual([
        503,
        '1',
        '503 Service Unavailable: other requests of this session are still under way\n',
      ])
    }
    standing[0]!.answer()
    expect(await first).toBe('ok')
    const last = ada.get('/4')
    await came(2)
    standing[1]!.answer()
    expect([await last, urls()]).toEqual(['ok', ['/1', '/4']])
  })

  test('asks nothing for a client that went away while it waited', async () => {
    const { visitor, port, came, standing, urls } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const first = ada.get('/1')
    await came(1)
    const wire = new Wire(port)
    wire.send(`GET /2 HTTP/1.1\r\nHost: h\r\nCookie: ${ada.cookie}\r\n\r\n`)
    await ada.get('/own/read')
    wire.socket.destroy()
    await wire.closed
    await ada.get('/own/read')
    const third = ada.get('/3')
    standing[0]!.answer()
    await came(2)
    standing[1]!.answer()
    expect([await first, await third, urls()]).toEqual(['ok', 'ok', ['/1', '/3']])
  })

  test('waits for the work of a request whose client went away: a second click meets no first one', async () => {
    const { visitor, port, came, standing, urls } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const wire = new Wire(port)
    wire.send(`GET /1 HTTP/1.1\r\nHost: h\r\nCookie: ${ada.cookie}\r\n\r\n`)
    await came(1)
    wire.socket.destroy()
    await wire.closed
    const second = ada.get('/2')
    await ada.get('/own/read')
    expect([urls(), standing[0]!.res.destroyed]).toEqual([['/1'], false])
    standing[0]!.answer()
    await came(2)
    standing[1]!.answer()
    expect(await second).toBe('ok')
  })

  test('goes on when that upstream breaks off, with nobody there to be told', async () => {
    const { visitor, port, came, standing, reports } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const wire = new Wire(port)
    wire.send(`GET /1 HTTP/1.1\r\nHost: h\r\nCookie: ${ada.cookie}\r\n\r\n`)
    await came(1)
    wire.socket.destroy()
    await wire.closed
    const second = ada.get('/2')
    await ada.get('/own/read')
    standing[0]!.res.destroy()
    await came(2)
    standing[1]!.answer()
    expect([await second, reports]).toEqual(['ok', []])
  })

  test('takes a request along whose client goes away after the answer began', async () => {
    const { visitor, port, came, standing } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const wire = new Wire(port)
    wire.send(`GET /events HTTP/1.1\r\nHost: h\r\nCookie: ${ada.cookie}\r\n\r\n`)
    await came(1)
    standing[0]!.res.write('event')
    await wire.until(/event/)
    const over = once(standing[0]!.res, 'close')
    wire.socket.destroy()
    await over
  })

  test('goes on after an upstream that broke off, and after one that is not there', async () => {
    const { visitor, came, standing, behind } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const first = ada.fetch('/1', { method: 'POST' })
    await came(1)
    const second = ada.fetch('/2', { method: 'POST' })
    standing[0]!.res.destroy()
    expect((await first).status).toBe(502)
    await came(2)
    standing[1]!.answer()
    expect((await second).status).toBe(200)
    behind.server.close()
    behind.server.closeAllConnections()
    expect((await Promise.all([ada.fetch('/3'), ada.fetch('/4')])).map(({ status }) => status)).toEqual([
      502, 502,
    ])
  })

  test('has a change by our own apps wait too, so that the upstream does not overwrite it', async () => {
    const { visitor, came, standing } = await world({ serialize_sessions: true })
    const ada = await visitor()
    const order: string[] = []
    const old = ada.get('/1').then(() => order.push('old'))
    await came(1)
    const queued = ada.get('/2').then(() => order.push('queued'))
    const own = ada.get('/own/out').then(() => order.push('own'))
    await ada.clone().get('/own/read') // reading waits for nobody
    expect(order).toEqual([])
    standing[0]!.answer()
    await Promise.all([old, own])
    await came(2)
    standing[1]!.answer()
    await queued
    expect(order.indexOf('own')).toBeLessThan(order.indexOf('queued'))
  })

  test('concerns no WebSocket, which would keep the session for as long as it is open', async () => {
    const { visitor, port, came, standing, behind } = await world({ serialize_sessions: true })
    behind.server.on('upgrade', (_req, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    })
    const ada = await visitor()
    const page = ada.get('/1')
    await came(1)
    const wire = new Wire(port)
    const lines = ['Host: h', 'Connection: Upgrade', 'Upgrade: websocket', `Cookie: ${ada.cookie}`]
    wire.send(`GET /ws HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    await wire.until(/101 Switching/)
    standing[0]!.answer()
    expect(await page).toBe('ok')
  })
})

describe('serialize_sessions with lock = request', () => {
  /** Two processes, as far as sessions go: a filter and a proxy each, one store, one upstream. */
  async function twoProcesses() {
    const standing: Standing[] = []
    let most = 0
    let now = 0
    const behind = await upstream((req, res) => {
      now++
      most = Math.max(most, now)
      res.once('close', () => now--)
      standing.push({ url: req.url!, req, res, answer: () => void res.end('ok') })
      setImmediate(() => res.end('ok'))
    })
    const store = memoryStore()
    const serve = async () => {
      const filter = beakerSession({ key: 'sid', secret: SECRET, store, lock: 'request' })
      const { url, port } = await serveProxy({ address: behind.url, serialize_sessions: true }, (old) =>
        filter(async (req, res) => {
          if (!req.url!.startsWith('/own')) return old(req, res)
          const session = await getSession(req)
          session.update('n', (n) => ((n as number | undefined) ?? 0) + 1)
          res.end(String(session.get('n')))
        }),
      )
      return { visitor: new Visitor(url), port }
    }
    const [one, other] = [await serve(), await serve()]
    await one.visitor.get('/own')
    for (const [name, value] of one.visitor.jar) other.visitor.jar.set(name, value)
    return { one, other, standing, most: () => most }
  }

  test('holds over processes, beside our own apps, and nobody waits for each other', async () => {
    const { one, other, standing, most } = await twoProcesses()
    const answers = await Promise.all(
      [one, other, one, other, one, other].flatMap(({ visitor }) => [
        visitor.get('/old'),
        visitor.get('/own'),
      ]),
    )
    expect(answers.filter((answer) => answer === 'ok')).toHaveLength(6)
    expect(answers.filter((answer) => answer !== 'ok').sort()).toEqual(['2', '3', '4', '5', '6', '7'])
    expect([standing.length, most()]).toEqual([6, 1])
  })

  test('gives the lock back when the client has gone', async () => {
    const { one, other } = await twoProcesses()
    const wire = new Wire(one.port)
    wire.send(`GET /old HTTP/1.1\r\nHost: h\r\nCookie: ${one.visitor.cookie}\r\n\r\n`)
    wire.socket.destroySoon()
    await wire.closed
    expect(await other.visitor.get('/old')).toBe('ok')
  })
})

describe('strip_dead_sessions', () => {
  const strip = () => world({ strip_dead_sessions: true }, 'at once')

  test('lets the cookie of a live session pass, once and as it was signed, beside all others', async () => {
    const { visitor, behind } = await strip()
    const ada = await visitor()
    const sid = ada.jar.get('sid')
    await ada.get('/', { headers: { cookie: `lang=de; sid="${sid}"; sid=forged` } })
    expect(behind.got[0]!.headers.cookie).toBe(`sid=${sid}; lang=de`)
  })

  test('takes it away when the session was ended, has expired, is unknown or is badly signed', async () => {
    const { visitor, behind, clock, store } = await strip()
    const ask = async (cookie: string) => {
      await (await visitor()).get('/', { headers: { cookie } })
      return behind.got.at(-1)!.headers.cookie
    }
    const [ended, expired, gone] = [await visitor(), await visitor(), await visitor()]
    const copy = ended.clone()
    await ended.get('/own/out')
    await store.delete(gone.jar.get('sid')!.split('.')[0]!)
    expect(await ask(`lang=de; ${copy.cookie}`)).toBe('lang=de')
    expect(await ask(`${gone.cookie}; lang=de`)).toBe('lang=de')
    expect(await ask(`${expired.cookie}x; lang=de`)).toBe('lang=de')
    expect(await ask(`${expired.cookie}; lang=de`)).toBe(`${expired.cookie}; lang=de`)
    clock.now += 601_000
    expect(await ask(`${expired.cookie}; lang=de`)).toBe('lang=de')
    expect(await ask(expired.cookie)).toBeUndefined()
  })

  test('sets no cookie of its own and keeps the one that the upstream sets', async () => {
    const { visitor, behind } = await strip()
    behind.server.prependListener('request', (_req, res) =>
      res.setHeader('Set-Cookie', 'sid=of-the-upstream'),
    )
    const ada = await visitor()
    const answer = await ada.fetch('/')
    expect([answer.status, ada.setCookies]).toEqual([200, ['sid=of-the-upstream']])
  })

  test('looks when it is the request its turn: a log-out before that counts', async () => {
    const both = { strip_dead_sessions: true, serialize_sessions: true }
    const { visitor, came, standing, behind } = await world(both)
    const ada = await visitor()
    const thief = ada.clone()
    const first = ada.get('/1')
    await came(1)
    const late = thief.get('/2')
    const logOut = ada.get('/own/out')
    await thief.get('/own/read')
    standing[0]!.answer()
    await Promise.all([first, logOut])
    await came(2)
    standing[1]!.answer()
    await late
    expect(behind.got[1]!.headers).not.toHaveProperty('cookie')
  })

  test('asks no store for a request without a cookie', async () => {
    const { anybody, behind, store } = await strip()
    store.load = () => {
      throw new Error('was asked')
    }
    expect(await anybody().get('/')).toBe('ok')
    expect(behind.got[0]!.headers).not.toHaveProperty('cookie')
  })

  test('answers 500 when the store is away, and the upstream sees nothing', async () => {
    const { visitor, behind, store, errors } = await strip()
    const ada = await visitor()
    store.load = () => {
      throw new Error('the store is away')
    }
    const answer = await ada.fetch('/')
    expect([answer.status, behind.got, errors]).toEqual([500, [], ['GET /: the store is away']])
  })
})

describe('forward_session', () => {
  const forwarding = { forward_session: ['user', 'lang', '__proto__'], forward_session_secret: SECRET }
  const forward = (more: Partial<ProxySettings> = {}) => world({ ...forwarding, ...more }, 'at once')
  const claims = (token: unknown) => {
    const [head, body] = String(token).split('.')
    const read = (part = '') => Buffer.from(part, 'base64url').toString()
    return [read(head), read(body)]
  }

  test('sends the values that it names as a signed token of a minute', async () => {
    const { visitor, behind } = await forward()
    await (await visitor()).get('/')
    expect(claims(behind.got[0]!.headers['x-sessd-session'])).toEqual([
      '{"alg":"HS256","typ":"JWT"}',
      '{"iat":1800000000,"exp":1800000060,"session":{"user":"Ada","__proto__":1}}',
    ])
  })

  test('drops what a client sends under that name, in any spelling, and as a trailer', async () => {
    const { visitor, behind, port } = await forward()
    await ask(port, '/1', 'X-Sessd-Session: forged', 'x_sessd_session: forged', 'X-Sessd_Session: forged')
    const ada = await visitor()
    const lines = ['Connection: x-sessd-session', `Cookie: ${ada.cookie}`, 'X_Sessd-Session: forged']
    await ask(port, '/2', ...lines)
    const wire = new Wire(port)
    wire.send(
      'POST /3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n' +
        '1\r\na\r\n0\r\nX_Sessd-Session: forged\r\nX-Sessd-Session: forged\r\nX_Real_Ip: forged\r\nX-Sum: 1\r\n\r\n',
    )
    await wire.untilClosed()
    const [nobody, known, posted] = behind.got
    const named = (headers = {}) => Object.keys(headers).filter((name) => /sessd/.test(name))
    expect([named(nobody!.headers), named(known!.headers), named(posted!.headers)]).toEqual([
      [],
      ['x-sessd-session'],
      [],
    ])
    expect(known!.headers['x-sessd-session']).not.toContain('forged')
    expect(posted!.trailers).toEqual({ 'x-sum': '1' })
  })

  test('sends none for a request without a session, and for one that is over', async () => {
    const { visitor, anybody, behind } = await forward()
    const ada = await visitor()
    const copy = ada.clone()
    await ada.get('/own/out')
    await anybody().get('/')
    await copy.get('/')
    for (const { headers } of behind.got) expect(headers).not.toHaveProperty('x-sessd-session')
  })

  test('counts as an access: a visitor of the upstream alone stays logged in', async () => {
    const { visitor, behind, clock } = await forward()
    const ada = await visitor()
    for (let i = 0; i < 4; i++) {
      clock.now += 400_000
      await ada.get('/')
    }
    expect(behind.got.map(({ headers }) => 'x-sessd-session' in headers)).toEqual([true, true, true, true])
  })

  test('has a name, and a time, of your choice', async () => {
    const { visitor, behind } = await forward({
      forward_session_header: 'X-User',
      forward_session_lifetime: 5,
    })
    await (await visitor()).get('/', { headers: { 'x-sessd-session': 'another header now' } })
    const { 'x-user': token, 'x-sessd-session': other } = behind.got[0]!.headers
    expect(claims(token)[1]).toContain('"exp":1800000005,')
    expect(other).toBe('another header now')
  })

  test('leaves the cookie that the upstream sets, where ours would only be sent again', async () => {
    const settings = { forward_session: ['user'], forward_session_secret: SECRET }
    const { visitor, behind } = await world(settings, 'at once', { rolling: true })
    const ada = await visitor()
    await ada.get('/')
    expect(ada.setCookies).toEqual([expect.stringMatching(/^sid=/)])
    behind.server.prependListener('request', (_req, res) =>
      res.setHeader('Set-Cookie', 'sid=of-the-upstream'),
    )
    await ada.get('/')
    expect(ada.setCookies).toEqual(['sid=of-the-upstream'])
  })

  test('goes with WebSockets too', async () => {
    const { visitor, behind, port } = await forward()
    const ada = await visitor()
    const asked = once(behind.server, 'upgrade')
    const wire = new Wire(port)
    const lines = ['Host: h', 'Connection: Upgrade', 'Upgrade: websocket', `Cookie: ${ada.cookie}`]
    wire.send(`GET /ws HTTP/1.1\r\n${lines.join('\r\n')}\r\nX-Sessd-Session: forged\r\n\r\n`)
    const [req, socket] = await asked
    socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n')
    expect(claims(req.headers['x-sessd-session'])[1]).toContain('"session":{"user":"Ada"')
    await wire.until(/403/)
  })

  test('is a 500 for values that no header can hold', async () => {
    const { visitor, errors, behind } = await forward()
    const ada = await visitor()
    await ada.get('/own/huge')
    expect((await ada.fetch('/')).status).toBe(500)
    expect(errors).toEqual([
      'GET /: forward_session: the values make a header of 12176 characters, more than 8000: name fewer of them',
    ])
    expect(behind.got).toEqual([])
  })
})

test('what a proxy without these settings does touches no session', async () => {
  const { visitor, store, behind } = await world({}, 'at once')
  const ada = await visitor()
  store.load = () => {
    throw new Error('was asked')
  }
  await ada.get('/', { headers: { cookie: 'sid=x' } })
  expect(behind.got[0]!.headers.cookie).toBe('sid=x')
})

test.each([{ serialize_sessions: true }, { strip_dead_sessions: true }])(
  'without a session filter in front of it, %o is an error that says so',
  async (settings) => {
    const { url } = await rawUpstream(() => {})
    const { port, errors } = await serveProxy({ address: url, ...settings })
    expect(await ask(port, '/', 'Cookie: a=b')).toMatch(/^HTTP\/1.1 500 /)
    expect(errors).toEqual([
      'GET /: this proxy has settings that concern the session, and no beaker_session filter is in front of it ' +
        '(in an INI: `filter-with = session` and a [filter:session] with use = egg:Beaker#beaker_session)',
    ])
  },
)

test.each<[Partial<ProxySettings>, string]>([
  [
    { forward_session: ['user'] },
    'forward_session_secret: missing: the key that signs what forward_session names',
  ],
  [
    { forward_session_secret: SECRET },
    'forward_session: missing: the keys that forward_session_secret signs',
  ],
  [
    { forward_session: ['user'], forward_session_secret: 'too short' },
    'forward_session_secret: expected at least 32 characters: libraries refuse shorter keys for HS256. ' +
      '`sessd secret` makes a good one',
  ],
  [
    { forward_session: ['user'], forward_session_secret: SECRET, forward_session_header: 'Cookie' },
    'forward_session_header: expected the name of a header of its own: letters, digits and -, got "Cookie"',
  ],
  [
    { forward_session: ['user'], forward_session_secret: SECRET, forward_session_header: 'X_User' },
    'forward_session_header: expected the name of a header of its own: letters, digits and -, got "X_User"',
  ],
])('settings that do not go together are refused: %o', async (settings, message) => {
  await expect(serveProxy({ address: 'http://127.0.0.1:1', ...settings })).rejects.toThrow(message)
})
