// The rules of the protocol, one check each. Whoever breaks one is told its name, what is expected and what was found.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { inspect } from 'node:util'
import { environ } from '../../http/environ.js'

/** A rule of the protocol that was broken: `lint: rule: what was expected, got ...`. */
export class LintError extends Error {
  override readonly name = 'LintError'
  readonly rule: string

  constructor(rule: string, expected: string, got: unknown) {
    super(
      `lint: ${rule}: ${expected}, got ${inspect(got, { depth: 0, maxStringLength: 60, breakLength: 200 })}`,
    )
    this.rule = rule
  }
}

/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/

/** What a server and the filters outside owe an app. Without `res`: for an upgrade. */
export function checkRequest(req: IncomingMessage, res?: ServerResponse): void {
  const { method, url, headers } = req
  if (typeof method !== 'string' || !TOKEN.test(method))
    throw new LintError('method', 'expected req.method to be a token such as GET', method)
  if (
    typeof url !== 'string' ||
    !(url.startsWith('/') || (url === '*' && method === 'OPTIONS')) ||
    /\s/.test(url)
  )
    throw new LintError('url', 'expected req.url to be a path that begins with / and has no blanks', url)
  if (typeof headers !== 'object' || headers === null)
    throw new LintError('headers', 'expected req.headers to be an object', headers)
  const { baseUrl, originalUrl } = req as { baseUrl?: unknown; originalUrl?: unknown }
  if (baseUrl !== undefined && (typeof baseUrl !== 'string' || !/^(?:\/.*[^/])?$/.test(baseUrl)))
    throw new LintError(
      'base-url',
      "expected req.baseUrl to be '' or a path without a slash at its end",
      baseUrl,
    )
  if (originalUrl !== undefined && typeof originalUrl !== 'string')
    throw new LintError('original-url', 'expected req.originalUrl to be a string', originalUrl)
  checkValues(req)
  if (res === undefined) return
  if (res.headersSent || res.writableEnded)
    throw new LintError(
      'fresh-response',
      'expected a response that nobody has begun',
      `status ${res.statusCode}`,
    )
}

/** PEP 3333, as far as the words mean something in Node. */
function checkValues(req: IncomingMessage): void {
  const env = environ(req)
  const { SCRIPT_NAME, PATH_INFO, QUERY_STRING, REQUEST_METHOD, REMOTE_ADDR, HTTP_HOST } = env
  for (const [name, value] of Object.entries({
    SCRIPT_NAME,
    PATH_INFO,
    QUERY_STRING,
    REMOTE_ADDR,
    HTTP_HOST,
  })) {
    if (typeof value !== 'string')
      throw new LintError('environ', `expected environ.${name} to be a string`, value)
  }
  if (SCRIPT_NAME !== '' && (!SCRIPT_NAME.startsWith('/') || SCRIPT_NAME.endsWith('/')))
    throw new LintError(
      'script-name',
      "expected SCRIPT_NAME to be '' or /a/path without a slash at its end",
      SCRIPT_NAME,
    )
  if (PATH_INFO !== '' && PATH_INFO !== '*' && !PATH_INFO.startsWith('/'))
    throw new LintError('path-info', "expected PATH_INFO to be '' or to begin with /", PATH_INFO)
  if (SCRIPT_NAME === '' && PATH_INFO === '')
    throw new LintError('path-info', "expected PATH_INFO to be / where SCRIPT_NAME is ''", PATH_INFO)
  if (QUERY_STRING.startsWith('?'))
    throw new LintError('query-string', 'expected QUERY_STRING without its ?', QUERY_STRING)
  if (REQUEST_METHOD !== req.method)
    throw new LintError(
      'request-method',
      `expected REQUEST_METHOD to be ${req.method} as req.method`,
      REQUEST_METHOD,
    )
  const scheme: unknown = env['wsgi.url_scheme']
  if (scheme !== 'http' && scheme !== 'https')
    throw new LintError('url-scheme', 'expected wsgi.url_scheme to be http or https', scheme)
}

/** The environ belongs to all: an app adds keys, and never puts another in its place. */
export function checkEnviron(req: IncomingMessage, expected: unknown): void {
  const found: unknown = (req as { environ?: unknown }).environ
  if (found !== expected)
    throw new LintError('environ-kept', 'expected req.environ to stay the same object', found)
}

/** A response's head as it is about to leave, names in lower case. */
export interface Head {
  readonly status: number
  readonly headers: ReadonlyMap<string, readonly string[]>
}

/** The head that a call of `writeHead` makes: what was set before, and what it is given. */
export function headOf(res: ServerResponse, args: readonly unknown[]): Head {
  const headers = new Map<string, string[]>()
  const put = (name: string, value: unknown) =>
    headers.set(name.toLowerCase(), (Array.isArray(value) ? value : [value]).map(String))
  for (const name of res.getHeaderNames()) put(name, res.getHeader(name))
  const given = typeof args[1] === 'string' ? args[2] : (args[1] ?? args[2])
  if (Array.isArray(given)) putPairs(headers, given)
  else for (const [name, value] of Object.entries(given ?? {})) put(name, value)
  return { status: args[0] as number, headers }
}

function putPairs(headers: Map<string, string[]>, list: readonly unknown[]): void {
  const flat = Array.isArray(list[0]) ? list.flat(1) : list
  const given = new Map<string, string[]>()
  for (let at = 0; at + 1 < flat.length; at += 2) {
    const name = String(flat[at]).toLowerCase()
    given.set(name, [...(given.get(name) ?? []), ...[flat[at + 1]].flat().map(String)])
  }
  for (const [name, values] of given) headers.set(name, values)
}

/** Headers that a status can't be understood without (RFC 9110, 15). */
const NEEDED: ReadonlyMap<number, string> = new Map([
  [301, 'location'],
  [302, 'location'],
  [303, 'location'],
  [307, 'location'],
  [308, 'location'],
  [401, 'www-authenticate'],
  [405, 'allow'],
])

/** What an app owes the client. */
export function checkHead({ status, headers }: Head): void {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new LintError('status', 'expected a final status from 200 to 599', status)
  const needed = NEEDED.get(status)
  if (needed !== undefined && !headers.has(needed))
    throw new LintError('needed-header', `expected a header ${needed} with status ${status}`, [
      ...headers.keys(),
    ])
  const length = headers.get('content-length')
  if (length !== undefined) checkLength(status, length, headers.get('transfer-encoding'))
  for (const cookie of headers.get('set-cookie') ?? []) {
    if (!/^[^\s=;,]+=/.test(cookie))
      throw new LintError(
        'set-cookie',
        'expected Set-Cookie to begin with name=',
        cookie.replace(/=.*/s, '=...'),
      )
  }
}

function checkLength(status: number, length: readonly string[], coding: readonly string[] | undefined): void {
  if (length.length !== 1 || !/^\d+$/.test(length[0]!))
    throw new LintError('content-length', 'expected one Content-Length, a whole number', length)
  if (status === 204) throw new LintError('no-body', 'a 204 has no Content-Length (RFC 9110, 8.6)', length[0])
  if (coding !== undefined)
    throw new LintError('content-length', 'expected Content-Length or Transfer-Encoding, not both', coding)
}
