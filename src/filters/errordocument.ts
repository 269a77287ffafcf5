// Shows pages of your own for errors: egg:Paste#errordocument. Belongs outside of the apps that fail and of the one that
// has the pages, and inside of the session filter, so that both see one session.

import { type IncomingMessage, type OutgoingHttpHeader, type ServerResponse, STATUS_CODES } from 'node:http'
import { OptionError } from '../config/errors.js'
import { throwAll } from '../config/options.js'
import { answer, isHttp2 } from '../http/answer.js'
import { attempt } from '../http/attempt.js'
import { environ, position, returnTo } from '../http/environ.js'
import { ABOUT_BODY, forkForPage } from '../http/fork-request.js'
import { reportError } from '../http/guard.js'
import { passUpgrade } from '../http/pass-upgrade.js'
import { isNormal, normalizeUrl } from '../http/path.js'
import type { App, Conf, Filter } from '../protocol.js'

declare module '../protocol.js' {
  interface Environ {
    /** In a request for an error page: what it is about. */
    'sessd.error'?: { readonly status: number; readonly path: string }
  }
}

/** Every key is a status, its value the path of the page: `404 = /errors/missing`. */
export function factory(globalConf: Conf, localConf: Conf): Filter {
  return errordocument([...localConf].filter(([key]) => /^\d+$/.test(key) || !(key in globalConf)))
}

/** The same for use in code: `errordocument({ 404: '/errors/missing' })(app)`. Throws OptionError. */
export function errordocument(
  given: Readonly<Record<string, string>> | Iterable<readonly [status: string, path: string]>,
): Filter {
  const pages = readPages(Symbol.iterator in given ? [...given] : Object.entries(given))
  return (next) => {
    const app: App = async (req, res) => {
      const restore = remember(req)
      let failed: Failure | undefined
      try {
        const dropped = await attempt(next, req, res, (status, found) => {
          if (!pages.has(status)) return false
          failed = { status, headers: keptHeaders(found) }
          return true
        })
        if (!dropped) return
      } catch (error) {
        if (res.headersSent || !pages.has(500)) throw error
        reportError(error, req)
        failed = { status: 500, headers: [] }
      }
      restore()
      await showPage(next, req, res, pages.get(failed!.status)!, failed!)
    }
    return passUpgrade(app, next)
  }
}

function readPages(pairs: readonly (readonly [string, string])[]): Map<number, string> {
  const errors: OptionError[] = []
  const pages = new Map<number, string>()
  for (const [key, path] of pairs) {
    const page = path.startsWith('/') ? normalizeUrl(path) : undefined
    if (!/^[45]\d\d$/.test(key)) {
      errors.push(new OptionError(key, 'no such setting: expected a status from 400 to 599'))
    } else if (page === undefined || !isNormal(page)) {
      errors.push(new OptionError(key, `expected the path of a page, starting with /, got "${path}"`))
    } else pages.set(Number(key), page)
  }
  throwAll(errors)
  return pages
}

interface Failure {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: OutgoingHttpHeader])[]
}

/** The page, with the failure's status. Where there is no page either, the status in words. */
async function showPage(app: App, req: IncomingMessage, res: ServerResponse, page: string, failure: Failure) {
  const { status } = failure
  const about = forkForPage(req)
  const env = environ(about)
  env['sessd.error'] = { status, path: env.SCRIPT_NAME + env.PATH_INFO }
  if (req.method === 'HEAD') about.method = 'HEAD'
  const here = position(req)
  returnTo(about, { ...here, url: page, originalUrl: (here.baseUrl ?? '') + page })
  const spoils = (found: number, shown: ServerResponse) => {
    if (found < 200 || found > 299) return true
    setStatus(shown, failure)
    return false
  }
  try {
    if (!(await attempt(app, about, res, spoils))) return
  } catch (error) {
    if (res.headersSent) throw error
    reportError(error, about)
  }
  setStatus(res, failure)
  answer(res, status)
}

function setStatus(res: ServerResponse, { status, headers }: Failure): void {
  res.statusCode = status
  if (!isHttp2(res)) res.statusMessage = STATUS_CODES[status] ?? ''
  for (const [name, value] of headers) {
    if (name === 'set-cookie') res.setHeader(name, [value, res.getHeader(name) ?? []].flat() as string[])
    else if (!res.hasHeader(name)) res.setHeader(name, value)
  }
}

/** What a response says besides its body: cookies, WWW-Authenticate, Allow, Retry-After and the like. */
function keptHeaders(res: ServerResponse): [name: string, value: OutgoingHttpHeader][] {
  return Object.entries(res.getHeaders()).filter(
    (pair): pair is [string, OutgoingHttpHeader] => pair[1] !== undefined && !ABOUT_BODY.test(pair[0]),
  )
}

/** Answers a function that takes back what was done to path and environ since. */
function remember(req: IncomingMessage): () => void {
  const place = position(req)
  const env: object = environ(req)
  const before = { ...env }
  return () => {
    returnTo(req, place)
    for (const key of Reflect.ownKeys(env)) if (!Object.hasOwn(before, key)) Reflect.deleteProperty(env, key)
    Object.assign(env, before)
  }
}
