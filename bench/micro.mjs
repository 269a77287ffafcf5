// The small steps of a request, one by one, in one process: `node bench/micro.mjs [name]`. Good for finding out which way
// is cheaper; what a request costs is what sessions.mjs says. These reach into src/, past the public doors.

import { parse, stringifySetCookie } from 'cookie'
import { bench, group, run } from 'mitata'
import { sessionData } from './lib/numbers.mjs'
import { importSource } from './lib/source.mjs'

const { cookieTemplate, findCookie, applyChange, sealedCookie, sessdCodec, makeId, makeSigner } =
  await importSource(
    'http/cookies',
    'session/change',
    'session/codecs/sealed-cookie',
    'session/codecs/sessd',
    'session/id',
    'session/signer',
  )

const SECRET = 'the bench needs no secret of its own, but 32 characters'
const signer = makeSigner('sid', [SECRET])
const value = signer.sign(makeId())
const alone = `sid=${value}`
const crowd = `_ga=GA1.2.1234567890.1700000000; theme=dark; lang=de-DE; consent=1; sid=${value}`
const reader = { verify: (text) => text }
// More than any cache of verified cookies keeps.
const strangers = Array.from({ length: 100_000 }, () => signer.sign(makeId()))
let turn = 0

group('read a cookie', () => {
  bench('findCookie, 1 cookie', () => findCookie(alone, 'sid', reader))
  bench('findCookie, 5 cookies', () => findCookie(crowd, 'sid', reader))
  bench('package cookie, 1 cookie', () => parse(alone).sid)
  bench('package cookie, 5 cookies', () => parse(crowd).sid)
})

group('write a cookie', () => {
  const attributes = { domain: null, path: '/', maxAge: null, secure: false, httpOnly: true, sameSite: 'lax' }
  const template = cookieTemplate('sid', attributes)
  bench('cookieTemplate', () => template.set(value))
  bench('package cookie', () =>
    stringifySetCookie({ name: 'sid', value, path: '/', httpOnly: true, sameSite: 'lax' }),
  )
})

group('ids and signatures', () => {
  const id = makeId()
  bench('makeId', () => makeId())
  bench('sign', () => signer.sign(id))
  bench('verify, seen before', () => signer.verify(value))
  bench('verify, never seen', () => signer.verify(strangers[turn++ % strangers.length]))
})

for (const bytes of [200, 2000]) {
  const data = sessionData(bytes)
  const values = new Map(Object.entries(data).map(([key, one]) => [key, sessdCodec.freeze(key, one)]))
  const document = { created: 1_700_000_000_000, accessed: 1_700_000_000_000, values }
  const row = sessdCodec.encode(document)

  group(`a row of ${bytes} bytes`, () => {
    bench('decode', () => sessdCodec.decode(row))
    bench('decode and read one key', () => sessdCodec.thaw(sessdCodec.decode(row).values.get('user')))
    bench('encode', () => sessdCodec.encode(document))
    bench('JSON.parse', () => JSON.parse(row.toString()))
    bench('JSON.stringify', () => JSON.stringify(data))
  })

  group(`merge a change into ${bytes} bytes`, () => {
    const change = { cleared: false, set: new Map([['n', '2']]), removed: new Set(), updates: new Map() }
    const counting = { ...change, set: new Map(), updates: new Map([['n', [(n = 0) => n + 1]]]) }
    bench('one key set', () => applyChange(sessdCodec, document, change, false))
    bench('one updater, run again', () => applyChange(sessdCodec, document, counting, true))
  })

  for (const encrypt of [false, true]) {
    const seal = sealedCookie({ name: 'sid', secrets: [SECRET], encrypt })
    const sealed = seal.seal(row)
    group(`a cookie that holds ${bytes} bytes, ${encrypt ? 'encrypted' : 'signed'}`, () => {
      bench('seal', () => seal.seal(row))
      bench('open', () => seal.open(sealed))
    })
  }
}

const [, , filter] = process.argv
await run({
  format: 'markdown',
  colors: false,
  ...(filter === undefined ? {} : { filter: new RegExp(filter) }),
})
