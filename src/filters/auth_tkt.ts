// egg:Paste#auth_tkt: signed tickets in a cookie, as mod_auth_tkt and Paste make and read them. A ticket can't be taken
// back before it is too old: where log-out must hold, keep the user in the session.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { makeConf } from '../config/conf.js'
import { boolean, duration, oneOf, text } from '../config/converters.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { appendCookie, cookieTemplate, findCookie } from '../http/cookies.js'
import { environ } from '../http/environ.js'
import { setIdentity } from '../http/identity.js'
import { hookResponse, type ResponseHook } from '../http/response-hooks.js'
import type { App, Conf, Filter } from '../protocol.js'
import { type Clock, systemClock } from '../session/clock.js'
import { DIGESTS, makeTicket, parseTicket, type Ticket } from './auth_tkt/ticket.js'

export const options = {
  secret: option({
    type: text,
    default: undefined,
    required: true,
    secret: true,
    doc: 'What all who make or read tickets share (TKTAuthSecret).',
  }),
  cookie_name: option({ type: text, default: 'auth_tkt', doc: 'Name of the cookie.' }),
  digest_algo: option({
    type: oneOf(...DIGESTS),
    default: 'md5',
    doc: 'How tickets are signed (TKTAuthDigestType). md5 is what Paste does; take sha512 if all readers know it.',
  }),
  include_ip: option({
    type: boolean,
    default: true,
    doc: "Whether a ticket is for the client's address alone; false for clients that change theirs.",
  }),
  timeout: option({
    type: duration(),
    default: undefined,
    unit: 'seconds',
    doc: 'A ticket that is so old is over. Without it: never.',
  }),
  reissue_time: option({
    type: duration(0),
    default: undefined,
    unit: 'seconds',
    doc: 'A ticket that is so old, and not over, is made anew when it is used. Without it: never.',
  }),
  secure: option({ type: boolean, default: false, doc: 'Whether the cookie is for https alone.' }),
  cookie_domain: option({
    type: text,
    default: undefined,
    doc: 'Domain of the cookie. Without it: this host alone.',
  }),
  logout_path: option({ type: text, default: undefined, doc: 'A request for this path is logged out.' }),
} as const

type Settings = Values<typeof options>

declare module '../protocol.js' {
  interface Environ {
    /** Gives the client a ticket with this response. `tokens`: words divided by commas. */
    'paste.auth_tkt.set_user'?: (userid: string, tokens?: string, userData?: string) => void
    /** Takes the client's ticket away with this response. */
    'paste.auth_tkt.logout_user'?: () => void
  }
}

/** egg:Paste#auth_tkt. As in Paste, a `secret` in [DEFAULT] counts where the section has none. */
export function factory({ secret }: Conf, localConf: Conf): Filter {
  const isInherited = localConf.secret === undefined && secret !== undefined
  return make(
    readOptions(options, isInherited ? makeConf([...localConf, ['secret', secret]]) : localConf),
    systemClock,
  )
}

/** The same for use in code: `authTkt({ secret, timeout: 3600 })(app)`. Throws OptionError. */
export function authTkt({ clock = systemClock, ...given }: Partial<Settings> & { clock?: Clock }): Filter {
  return make(checkOptions(options, given), clock)
}

function make(settings: Settings, clock: Clock): Filter {
  const { cookie_name, cookie_domain, secure } = settings
  const template = cookieTemplate(cookie_name, {
    domain: cookie_domain ?? null,
    path: '/',
    maxAge: null,
    secure,
    httpOnly: true,
    sameSite: 'lax',
  })
  const now = () => Math.floor(clock() / 1000)

  /** Reads the ticket of a request into its environ. Answers it with its age in seconds. */
  const read = (req: IncomingMessage): { ticket: Ticket; age: number } | undefined => {
    const address = settings.include_ip ? environ(req).REMOTE_ADDR : '0.0.0.0'
    const verify = (value: string) => {
      const ticket = parseTicket(value, settings.digest_algo, settings.secret, address)
      return ticket !== null && isYoung(now() - ticket.time, settings.timeout) ? ticket : null
    }
    const ticket = findCookie(req.headers.cookie ?? '', cookie_name, { verify })
    if (ticket === null) return undefined
    const env = environ(req)
    setIdentity(req, ticket.userid, 'cookie', ticket.tokens)
    env.REMOTE_USER_DATA = ticket.userData
    return { ticket, age: now() - ticket.time }
  }

  return (next) => {
    const app: App = (req, res) => {
      const env = environ(req)
      const pending = new PendingCookie()
      hookResponse(res, pending)
      const give = (userid: string, tokens = '', userData = '') => {
        const address = settings.include_ip ? env.REMOTE_ADDR : '0.0.0.0'
        const ticket = { time: now(), userid, tokens, userData }
        pending.header = template.set(makeTicket(ticket, settings.digest_algo, settings.secret, address))
      }
      env['paste.auth_tkt.set_user'] = give
      env['paste.auth_tkt.logout_user'] = () => {
        pending.header = template.expired
      }
      const found = read(req)
      if (settings.logout_path !== undefined && env.PATH_INFO === settings.logout_path) {
        pending.header = template.expired
      } else if (
        found !== undefined &&
        settings.reissue_time !== undefined &&
        found.age >= settings.reissue_time
      ) {
        give(found.ticket.userid, found.ticket.tokens, found.ticket.userData)
      }
      return next(req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        read(req)
        return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}

/** A ticket from the future is nobody's, but clocks may differ by a little. */
function isYoung(age: number, timeout: number | undefined): boolean {
  return timeout === undefined || (age <= timeout && age >= -60)
}

/** The cookie that leaves with the head, whatever the app passes to writeHead. */
class PendingCookie implements ResponseHook {
  outer: ResponseHook | null = null
  header: string | undefined

  wantsHead(): boolean {
    return this.header !== undefined
  }

  beforeHead(): void {}

  addHeaders(res: ServerResponse): void {
    appendCookie(res, this.header!)
    if (!res.hasHeader('Cache-Control')) res.setHeader('Cache-Control', 'private')
  }

  wantsBody(): boolean {
    return false
  }

  beforeBody(): void {}
}
