// egg:sessd#csrf: refuses requests that another site made a visitor's browser send. Belongs inside of the session, and
// outside of what acts on POST. The token is never read from a query, which ends up in logs and Referer headers.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { bytes, text, words } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answer, refuseUpgrade } from '../http/answer.js'
import { peekBody } from '../http/body.js'
import { environ } from '../http/environ.js'
import type { App, Conf, Filter } from '../protocol.js'
import { getSessionHandle, type RequestLike } from './get-session.js'

export const options = {
  field: option({
    type: text,
    default: 'csrf_token',
    doc: 'Name of the form field that holds the token. Pylons called it _authentication_token.',
  }),
  header: option({
    type: text,
    default: 'X-CSRF-Token',
    doc: 'Name of the header that may hold it instead.',
  }),
  trusted_origins: option({
    type: words,
    default: [],
    doc: 'Other origins whose pages may send requests here, as in https://www.example.org.',
  }),
  exempt: option({
    type: words,
    default: [],
    doc: 'Paths that are not checked, with all below them: for callers that are no browsers.',
  }),
  max_form: option({
    type: bytes(1),
    default: 1024 ** 2,
    unit: 'bytes',
    doc: 'How much of a form is searched for the token.',
  }),
  environ_key: option({
    type: text,
    default: 'beaker.session',
    doc: 'The environ_key of the session filter, where it has one of its own.',
  }),
} as const

type Settings = Values<typeof options>

/** egg:sessd#csrf. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  return make(readOptions(options, localConf))
}

/** The same for use in code: `csrf({ exempt: ['/hooks'] })(app)`. Throws OptionError. */
export function csrf(given: Partial<Settings> = {}): Filter {
  return make(checkOptions(options, given))
}

/** Methods that change nothing (RFC 9110, 9.2.1). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

function make(settings: Settings): Filter {
  for (const origin of settings.trusted_origins) {
    if (origin !== originOf(origin) || origin === 'null') {
      throw new OptionError(
        'trusted_origins',
        `expected origins as in https://www.example.org, got "${origin}"`,
      )
    }
  }
  const isExempt = (path: string) =>
    settings.exempt.some((prefix) => path === prefix || path.startsWith(`${prefix.replace(/\/$/, '')}/`))
  return (next) => {
    const app: App = (req, res) => {
      if (SAFE.has(req.method!) || isExempt(environ(req).PATH_INFO)) return next(req, res)
      const reason = foreignOrigin(req, settings)
      if (reason !== undefined) return answer(res, 403, `403 Forbidden: ${reason}`)
      return checkToken(req, settings).then((good) => {
        if (good) return next(req, res)
        answer(res, 403, '403 Forbidden: the form is too old or its token is missing: load the page again')
      })
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        if (foreignOrigin(req, settings) !== undefined) refuseUpgrade(socket, 403)
        else return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}

/** Why a browser sent this request from a page of somebody else; undefined: it didn't, or is no browser. */
function foreignOrigin(req: IncomingMessage, { trusted_origins }: Settings): string | undefined {
  const env = environ(req)
  const { origin, referer } = req.headers
  if (origin !== undefined && trusted_origins.includes(origin)) return undefined
  const site = req.headers['sec-fetch-site']
  if (site === 'same-origin' || site === 'none') return undefined
  if (site !== undefined) return 'the request comes from a page of another site'
  const own = originOf(`${env['wsgi.url_scheme']}://${env.HTTP_HOST}`)
  const from = origin ?? (referer === undefined ? undefined : originOf(referer))
  if (from === undefined || (from === own && own !== 'null') || trusted_origins.includes(from))
    return undefined
  return 'the request comes from a page of another site'
}

/** `null` as browsers write it, for what is no URL. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : 'null'
}

async function checkToken(req: IncomingMessage, settings: Settings): Promise<boolean> {
  const given = req.headers[settings.header.toLowerCase()] ?? (await fieldOf(req, settings))
  return typeof given === 'string' && isCsrfToken(req, given, settings.environ_key)
}

async function fieldOf(req: IncomingMessage, { field, max_form }: Settings): Promise<string | null> {
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(req.headers['content-type'] ?? '')) return null
  const body = await peekBody(req, max_form)
  return body === undefined ? null : new URLSearchParams(body.toString('latin1')).get(field)
}

const TOKEN = /^[0-9a-f]{40}$/

/**
 * The session's token for one page, masked: another text in each response, so that compressed pages don't give it away
 * byte by byte (BREACH). Makes the session's token on first use, which implies save().
 */
export async function csrfToken(request: RequestLike, environKey?: string): Promise<string> {
  const session = await getSessionHandle(request, environKey).load()
  const token = Buffer.from(session.csrfToken(), 'hex')
  const mask = randomBytes(token.length)
  return Buffer.concat([mask, xor(mask, token)]).toString('base64url')
}

/** The hidden form field with the token: what Pylons' `secure_form` put into forms. `field` as set for the filter. */
export async function csrfField(request: RequestLike, field = 'csrf_token'): Promise<string> {
  const name = field.replace(/[&"<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return `<input type="hidden" name="${name}" value="${await csrfToken(request)}">`
}

/**
 * Whether a text is the token of this request's session, masked or as `session.csrfToken()` gives it. For apps that read
 * it from where the filter doesn't look, such as a field of a multipart form.
 */
export async function isCsrfToken(request: RequestLike, text: string, environKey?: string): Promise<boolean> {
  const given = unmask(text)
  const handle = getSessionHandle(request, environKey)
  if (given === undefined || handle.id === null) return false
  const session = await handle.load<{ _csrft_?: unknown }>()
  const expected = session.get('_csrft_')
  if (typeof expected !== 'string' || !TOKEN.test(expected)) return false
  return timingSafeEqual(given, Buffer.from(expected, 'hex'))
}

function unmask(text: string): Buffer | undefined {
  if (TOKEN.test(text)) return Buffer.from(text, 'hex')
  if (!/^[\w-]{54}$/.test(text)) return undefined
  const both = Buffer.from(text, 'base64url')
  return xor(both.subarray(0, 20), both.subarray(20))
}

function xor(one: Uint8Array, other: Uint8Array): Buffer {
  return Buffer.from(one.map((byte, at) => byte ^ other[at]!))
}
