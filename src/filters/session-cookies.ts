// The Set-Cookie headers of the filter, made once from its settings.

import { OptionError } from '../config/errors.js'
import { type CookieTemplate, cookieTemplate } from '../http/cookies.js'
import type { SessionOptions } from './session-options.js'

export interface SessionCookies {
  /** What the names of all parts but the first begin with. */
  readonly partPrefix: string
  /**
   * The template for a request that came by https or not; null: no cookie may be sent there. `domain` and `path` are
   * what the session says about itself; undefined: as configured.
   */
  template(
    secure: boolean,
    domain: string | null | undefined,
    path: string | null | undefined,
    part?: number,
  ): CookieTemplate | null
}

/** Browsers keep no cookie for longer than 400 days (RFC 6265bis). */
const FOREVER = 400 * 86_400

/** Throws OptionError for what browsers would refuse in silence. */
export function sessionCookies(given: SessionOptions): SessionCookies {
  refuseWhatBrowsersRefuse(given)
  const secureOnly =
    given.secure === true ||
    given.samesite === 'None' ||
    given.partitioned ||
    /^__(host|secure)-/i.test(given.key)
  const configured = given.cookie_domain ?? null

  function make(secure: boolean, domain: string | null, path: string, part: number): CookieTemplate {
    return cookieTemplate(partName(given.key, part), {
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
      sameSite:
        given.samesite === 'false' ? null : (given.samesite.toLowerCase() as 'lax' | 'strict' | 'none'),
      partitioned: given.partitioned,
      priority: given.priority ?? null,
    })
  }

  /** As configured, by part. The first ones now: what no cookie can have is told at once. */
  const secureTemplates = [make(true, configured, given.cookie_path, 0)]
  const plainTemplates = secureOnly ? [] : [make(false, configured, given.cookie_path, 0)]
  return {
    partPrefix: `${given.key}${PART}`,
    template(secure, domain, path, part = 0) {
      if (!secure && secureOnly) return null
      const asConfigured =
        (domain === undefined || domain === configured) && (path == null || path === given.cookie_path)
      if (asConfigured) {
        const templates = secure ? secureTemplates : plainTemplates
        templates[part] ??= make(secure, configured, given.cookie_path, part)
        return templates[part]
      }
      return make(secure, domain === undefined ? configured : domain, path ?? given.cookie_path, part)
    },
  }
}

const PART = '.'

/** The cookies of a session that one can't hold: `sid`, `sid.1`, `sid.2`, `sid.3`. */
export function partName(key: string, part: number): string {
  return part === 0 ? key : `${key}${PART}${part}`
}

function refuseWhatBrowsersRefuse({
  key,
  samesite,
  secure,
  partitioned,
  cookie_domain,
  cookie_path,
}: SessionOptions) {
  const refuse = (option: string, what: string) => {
    throw new OptionError(`beaker.session.${option}`, `browsers refuse ${what}`)
  }
  if (secure === false && samesite === 'None') refuse('samesite', 'SameSite=None without secure = true')
  if (secure === false && partitioned) refuse('partitioned', 'partitioned cookies without secure = true')
  if (secure === false && /^__(host|secure)-/i.test(key)) refuse('key', `"${key}" without secure = true`)
  if (/^__host-/i.test(key) && (cookie_domain !== undefined || cookie_path !== '/')) {
    refuse('key', `"${key}" with a cookie_domain, or a cookie_path other than /`)
  }
}
