// Sends visitors elsewhere: egg:sessd#redirect. Where to is said by the file alone, never by the Host of a request.

import { boolean, type Converter, text } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answer } from '../http/answer.js'
import { environ, settle } from '../http/environ.js'
import type { App, Conf } from '../protocol.js'

const STATUSES = [301, 302, 303, 307, 308]

const status: Converter<number> = {
  expected: '301, 302, 303, 307 or 308',
  parse: (value) => STATUSES.find((each) => String(each) === value.trim()),
  accepts: (value): value is number => STATUSES.includes(value as number),
}

export const options = {
  to: option({
    type: text,
    default: undefined,
    required: true,
    doc: 'Where to: a path from the root of the site, or a URL with http: or https:.',
  }),
  status: option({
    type: status,
    default: 302,
    doc: '301 and 308 are kept by browsers for good; 307 and 308 keep the method and the body.',
  }),
  keep_path: option({
    type: boolean,
    default: false,
    doc: 'Adds the rest of the path, below the mount, and the query.',
  }),
} as const

/** egg:sessd#redirect. */
export function factory(_globalConf: Conf, localConf: Conf): App {
  return makeRedirect(readOptions(options, localConf))
}

type RedirectOptions = Values<typeof options>
export type RedirectSettings = Pick<RedirectOptions, 'to'> & Partial<RedirectOptions>

/** The same for use in code: `redirect({ to: '/new', status: 301 })`. Throws OptionError. */
export function redirect(given: RedirectSettings): App {
  return makeRedirect(checkOptions(options, given))
}

function makeRedirect({ to, status, keep_path }: RedirectOptions): App {
  const target = parseTarget(to.trim())
  return (req, res) => {
    if (!settle(req)) return answer(res, 400)
    res.setHeader(
      'Location',
      keep_path ? join(target, restOf(req.url!, environ(req).PATH_INFO === '')) : target,
    )
    answer(res, status)
  }
}

function parseTarget(to: string): string {
  const url = URL.canParse(to, 'http://site.invalid') ? new URL(to, 'http://site.invalid') : undefined
  if (url !== undefined && /^https?:\/\//i.test(to) && url.username === '' && url.password === '')
    return url.href
  if (url?.hostname === 'site.invalid' && to.startsWith('/')) return url.pathname + url.search + url.hash
  throw new OptionError(
    'to',
    `expected a path that starts with one /, or a URL with http: or https:, got "${to}"`,
  )
}

function restOf(url: string, exact: boolean): string {
  return exact ? url.slice(1) : url
}

/** `/new` and `/x?y` make `/new/x?y`. A query or fragment of the target stays where it belongs. */
function join(target: string, rest: string): string {
  const [, base = '', query = '', hash = ''] = /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(target) ?? []
  const at = rest.indexOf('?')
  const path = at === -1 ? rest : rest.slice(0, at)
  const more = at === -1 ? '' : rest.slice(at + 1)
  const queries = [query.slice(1), more].filter((each) => each !== '').join('&')
  return (path === '' ? base : base.replace(/\/$/, '') + path) + (queries === '' ? '' : `?${queries}`) + hash
}
