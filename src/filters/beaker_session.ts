// Puts one session in front of everything below it. Belongs outside of all that reads or writes the session, and inside
// of what changes the client's address or scheme (prefix).

import { OptionError } from '../config/errors.js'
import { checkOptions } from '../config/options.js'
import type { Conf, Filter } from '../protocol.js'
import { Session } from '../session/session.js'
import { asWritten, readSessionConf } from './session-conf.js'
import { sessionCookies } from './session-cookies.js'
import { type CodeOptions, importOwn, makeEngine } from './session-engine.js'
import { sessionFilter } from './session-filter.js'
import { makeSessionLog } from './session-log.js'
import { options, type SessionOptions } from './session-options.js'
import { sessionSockets } from './session-sockets.js'
import { SessionTurns } from './session-turns.js'

export { options }

/** egg:Beaker#beaker_session. Settings with a prefix may also stand in [DEFAULT]. */
export async function factory(globalConf: Conf, localConf: Conf): Promise<Filter> {
  try {
    const { given, store } = await readSessionConf(globalConf, localConf)
    const own = await importOwn(given, globalConf.here ?? process.cwd())
    return makeFilter(given, { store, ...own })
  } catch (error) {
    throw error instanceof OptionError ? asWritten(error, localConf) : error
  }
}

/** The same filter for use in code: `beakerSession({ secret, timeout: 1800 })(app)`. Throws OptionError. */
export function beakerSession(given: Partial<SessionOptions> & CodeOptions): Filter {
  const { store, codec, sessionClass, clock, ...settings } = given
  return makeFilter(checkOptions(options, settings), { store, codec, sessionClass, clock })
}

function makeFilter(asked: SessionOptions, code: CodeOptions): Filter {
  // As express-session has it: what is put on req.session is kept without a save.
  const given = asked.req_property !== undefined && asked.preload ? { ...asked, auto: true } : asked
  for (const secret of [given.secret, given.validate_key]) checkSecret(secret)
  const cookies = sessionCookies(given)
  const engine = makeEngine(given, code)
  const sockets = sessionSockets(engine, given.socket_check * 1000)
  const lockRequests = given.lock === 'request'
  const turns = new SessionTurns(sockets, { auto: given.auto, lockRequests })
  engine.committer = turns
  const filter = sessionFilter({
    engine,
    sockets,
    cookies,
    sessionClass: code.sessionClass ?? Session,
    cookieName: given.key,
    sources: given.id_source ?? [
      given.use_cookies ? { from: 'cookie' } : { from: 'header', name: 'x-session' },
    ],
    lastCookieCounts: given.format !== 'sessd',
    overflow: given.type === 'cookie' && given.format === 'sessd' ? given.overflow : 'error',
    environKey: given.environ_key,
    reqProperty: given.req_property,
    preload: given.preload,
    auto: given.auto,
    rolling: given.rolling,
    lockRequests,
    turns,
    saveOnException: given.save_on_exception,
    log: makeSessionLog(),
  })
  const admin = engine.admin?.(given.key)
  const sessions = admin && sockets.watched(admin)
  const close = async () => {
    await sockets.close()
    await engine.close()
  }
  return Object.assign(filter, { close }, sessions && { sessions })
}

/** Secrets that stand in documentation, and so are known to everybody. */
const PLACEHOLDERS = new Set([
  'somesecret',
  'secret',
  'changeme',
  'mysecret',
  'i_wear_two_layers_of_socks',
  'seekrit',
])

function checkSecret(secret: string | undefined): void {
  if (secret === undefined) return
  if (PLACEHOLDERS.has(secret.toLowerCase()) && process.env.NODE_ENV === 'production') {
    throw new OptionError(
      'beaker.session.secret',
      'this secret stands in public documentation: make one of your own with `sessd secret`',
    )
  }
  if (secret.length < 16) {
    process.emitWarning(
      'beaker.session.secret is shorter than 16 characters: make a better one with `sessd secret`',
      {
        type: 'SessdWarning',
        code: 'SESSD_SHORT_SECRET',
      },
    )
  }
}
