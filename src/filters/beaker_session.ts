// Puts one session in front of everything below it. Belongs outside of all that reads or writes the session, and inside
// of what changes the client's address or scheme (prefix).

import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { OptionError } from '../config/errors.js'
import { checkOptions, readOptions } from '../config/options.js'
import { type CookieTemplate, cookieTemplate } from '../http/cookies.js'
import { environ } from '../http/environ.js'
import { hookResponse } from '../http/response-hooks.js'
import type { App, Conf, Filter } from '../protocol.js'
import { type Clock, systemClock } from '../session/clock.js'
import { sessdCodec } from '../session/codecs/sessd.js'
import { isPromise } from '../session/maybe-promise.js'
import { makeSigner } from '../session/signer.js'
import type { SessionStore } from '../session/store.js'
import { StoredSessions } from '../session/stored-sessions.js'
import { fileStore } from '../session/stores/file.js'
import { memoryStore } from '../session/stores/memory.js'
import { RequestSession, type SessionFilterConfig } from './session-handle.js'
import { makeSessionLog } from './session-log.js'
import { options, type SessionOptions } from './session-options.js'

const PREFIXES = ['beaker.session.', 'session.']

/** egg:Beaker#beaker_session. Settings with a prefix may also stand in [DEFAULT]. */
export function factory(globalConf: Conf, localConf: Conf): Filter {
  const given = readOptions(options, localConf, {
    prefixes: PREFIXES,
    inherited: globalConf,
    ignore: (key) => key.startsWith('beaker.cache.') || key.startsWith('cache.') || key === 'cache_dir',
  })
  const cacheDir = localConf.cache_dir ?? globalConf.cache_dir
  const dataDir = given.data_dir ?? (cacheDir === undefined ? undefined : join(cacheDir, 'sessions'))
  return makeFilter({ ...given, data_dir: dataDir }, {})
}

/** What can't be written in a file. */
export interface CodeOptions {
  /** A store of your own, in place of `type`. The filter closes it. */
  readonly store?: SessionStore
  readonly clock?: Clock
}

/** The same filter for use in code: `beakerSession({ secret, timeout: 1800 })(app)`. Throws OptionError. */
export function beakerSession(given: Partial<SessionOptions> & CodeOptions): Filter {
  const { store, clock, ...settings } = given
  return makeFilter(checkOptions(options, settings), {
    ...(store === undefined ? {} : { store }),
    ...(clock === undefined ? {} : { clock }),
  })
}

function makeFilter(given: SessionOptions, code: CodeOptions): Filter {
  checkSecret(given.secret)
  const clock = code.clock ?? systemClock
  const timeout = milliseconds(given.timeout)
  const engine = new StoredSessions<unknown>({
    store: code.store ?? makeStore(given, clock),
    codec: sessdCodec,
    signer: makeSigner(given.key, [given.secret]),
    clock,
    settings: {
      timeout,
      absoluteTimeout: milliseconds(given.absolute_timeout),
      touchAfter: given.save_accessed_time ? (milliseconds(given.touch_after) ?? tenth(timeout)) : null,
      auto: given.auto,
      invalidateCorrupt: given.invalidate_corrupt,
    },
  })
  const config: SessionFilterConfig = {
    ...makeCookies(given),
    cookieName: given.key,
    engine,
    auto: given.auto,
    saveOnException: given.save_on_exception,
    log: makeSessionLog(),
  }
  const filter: Filter = (next) => putInFront(config, next)
  filter.close = () => engine.close()
  return filter
}

function putInFront(config: SessionFilterConfig, next: App): App {
  const app: App = (req, res) => {
    const handle = attach(config, req)
    hookResponse(res, handle)
    try {
      const result = next(req, res)
      return isPromise(result) ? watch(result, handle) : result
    } catch (error) {
      handle.failed = true
      throw error
    }
  }
  if (next.upgrade !== undefined) {
    app.upgrade = (req, socket, head) => {
      attach(config, req).ended()
      next.upgrade!(req, socket, head)
    }
  }
  return app
}

function attach(config: SessionFilterConfig, req: IncomingMessage): RequestSession {
  const env = environ(req)
  const outer = env['beaker.session']
  if (outer instanceof RequestSession && outer.cookieName === config.cookieName) {
    throw new Error(`two session filters with the cookie name "${config.cookieName}" are in front of one app`)
  }
  const handle = new RequestSession(config, req)
  env['beaker.session'] = handle
  return handle
}

async function watch(result: Promise<unknown>, handle: RequestSession): Promise<unknown> {
  try {
    return await result
  } catch (error) {
    handle.failed = true
    throw error
  }
}

function makeStore(given: SessionOptions, clock: Clock): SessionStore {
  const type =
    given.type ?? (given.data_dir === undefined && given.file_dir === undefined ? 'memory' : 'file')
  if (type === 'memory') return memoryStore({ clock })
  const directory =
    given.file_dir ?? (given.data_dir === undefined ? undefined : join(given.data_dir, 'container_file'))
  if (directory === undefined) {
    throw new OptionError('beaker.session.data_dir', 'missing: type = file needs a directory')
  }
  return fileStore({
    directory,
    clock,
    fsync: given.fsync,
    ...(given.lock_dir === undefined ? {} : { lockDirectory: given.lock_dir }),
  })
}

function makeCookies(
  given: SessionOptions,
): Pick<SessionFilterConfig, 'secureCookie' | 'plainCookie' | 'cookieFor'> {
  const { key } = given
  if (given.samesite === 'None' && given.secure === false) {
    throw new OptionError('beaker.session.samesite', 'browsers refuse SameSite=None without secure = true')
  }
  const prefixed = /^__(host|secure)-/i.test(key)
  if (prefixed && given.secure === false) {
    throw new OptionError('beaker.session.key', `browsers refuse "${key}" without secure = true`)
  }
  if (/^__host-/i.test(key) && (given.cookie_domain !== undefined || given.cookie_path !== '/')) {
    throw new OptionError(
      'beaker.session.key',
      `browsers refuse "${key}" with a cookie_domain, or a cookie_path other than /`,
    )
  }
  const secureOnly = given.secure === true || given.samesite === 'None' || prefixed
  const make = (domain: string | null, path: string, secure: boolean): CookieTemplate =>
    cookieTemplate(key, {
      domain,
      path,
      secure: secure && given.secure !== false,
      maxAge:
        given.cookie_expires === true
          ? null
          : given.cookie_expires === false
            ? FOREVER
            : given.cookie_expires,
      httpOnly: given.httponly,
      sameSite: given.samesite === 'false' ? null : (given.samesite.toLowerCase() as 'lax'),
    })
  const domain = given.cookie_domain ?? null
  return {
    secureCookie: make(domain, given.cookie_path, true),
    plainCookie: secureOnly ? null : make(domain, given.cookie_path, false),
    cookieFor: (ownDomain, ownPath, secure) =>
      !secure && secureOnly
        ? null
        : make(ownDomain === undefined ? domain : ownDomain, ownPath ?? given.cookie_path, secure),
  }
}

/** Browsers keep no cookie for longer than 400 days (RFC 6265bis). */
const FOREVER = 400 * 86_400

/** Secrets that stand in documentation, and so are known to everybody. */
const PLACEHOLDERS = new Set([
  'somesecret',
  'secret',
  'changeme',
  'mysecret',
  'i_wear_two_layers_of_socks',
  'seekrit',
])

function checkSecret(secret: string): void {
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

function milliseconds(seconds: number | undefined): number | null {
  return seconds === undefined ? null : seconds * 1000
}

function tenth(timeout: number | null): number | null {
  return timeout === null ? null : timeout / 10
}
