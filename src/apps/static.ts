// Files below a directory: egg:Paste#static. What is served lies there in truth: a path is followed through all of its
// links first. Files and folders whose name begins with a dot, and INI files, are not there.

import { realpathSync, type Stats, statSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { duration, text } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answer } from '../http/answer.js'
import { environ, settle } from '../http/environ.js'
import { onceClosed } from '../http/once-closed.js'
import { pathEnd } from '../http/path.js'
import type { App, Conf } from '../protocol.js'

export const options = {
  document_root: option({
    type: text,
    default: undefined,
    required: true,
    doc: 'The directory; a relative path starts at the INI file.',
  }),
  cache_max_age: option({
    type: duration(0),
    default: undefined,
    unit: 'seconds',
    doc: 'How long browsers and caches may keep a file without asking. Default: nothing is said.',
  }),
} as const

/** egg:Paste#static. */
export function factory(globalConf: Conf, localConf: Conf): App {
  return makeStatic(readOptions(options, localConf), globalConf.here ?? process.cwd())
}

type StaticOptions = Values<typeof options>
export type StaticSettings = Pick<StaticOptions, 'document_root'> & Partial<StaticOptions>

/** The same for use in code: `staticFiles({ document_root: 'public' })`. Throws OptionError when that is no directory. */
export function staticFiles(given: StaticSettings): App {
  return makeStatic(checkOptions(options, given), process.cwd())
}

function makeStatic({ document_root, cache_max_age }: StaticOptions, here: string): App {
  const root = resolve(here, document_root)
  if (!statSync(root, { throwIfNoEntry: false })?.isDirectory()) {
    throw new OptionError('document_root', `expected a directory, got "${document_root}": there is none`)
  }
  const app: App = async (req, res) => {
    if (!settle(req)) return answer(res, 400)
    const path = environ(req).PATH_INFO === '' ? '' : req.url!.slice(0, pathEnd(req.url!))
    const found = await find(root, path)
    if (found === undefined) return answer(res, 404)
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('Allow', 'GET, HEAD')
      return answer(res, 405)
    }
    if (found === 'directory') return redirectInto(req, res, path)
    await send(req, res, found, cache_max_age)
  }
  realpathSync(root) // a directory that can't be entered shows at load
  return app
}

interface Found {
  /** Without any link in it, as is `path`, which is below. */
  readonly root: string
  readonly path: string
}

/** The file for a path in normal form, or '' for exactly the mount. `directory`: the path lacks its slash. undefined: nothing that may be seen. */
async function find(directory: string, path: string): Promise<Found | 'directory' | undefined> {
  const wanted = decode(path)
  if (wanted === undefined || !mayBeSeen(wanted)) return undefined
  try {
    const root = await realpath(directory)
    let real = await realpath(join(root, wanted))
    let stats: Stats = await stat(real)
    if (stats.isDirectory()) {
      if (!path.endsWith('/') && isBelow(root, real)) return 'directory'
      real = await realpath(join(real, 'index.html'))
      stats = await stat(real)
    } else if (path.endsWith('/')) return undefined
    if (!stats.isFile() || !isBelow(root, real)) return undefined
    return { root, path: relative(root, real) }
  } catch (error) {
    if (NOTHING_THERE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

const NOTHING_THERE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EINVAL'])

/** The path as text. undefined where an escape would be a border of folders, or is no UTF-8. */
function decode(path: string): string | undefined {
  if (/%(?:2f|5c)/i.test(path)) return undefined
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

function mayBeSeen(path: string): boolean {
  return !path.split(/[\\/]/).some((segment) => segment.startsWith('.') || /\.ini$/i.test(segment))
}

/** Whether `real` is in `root`, and nothing on the way is hidden: `..` begins with a dot too. */
function isBelow(root: string, real: string): boolean {
  const inner = relative(root, real)
  return !isAbsolute(inner) && mayBeSeen(inner)
}

/** To the same path with a slash, on whatever host the client knows. */
function redirectInto(req: IncomingMessage, res: ServerResponse, path: string): void {
  const { baseUrl = '', url = '/' } = req as { baseUrl?: string; url?: string }
  res.setHeader('Location', `${baseUrl}${path}/${url.slice(pathEnd(url))}`)
  answer(res, 301)
}

async function send(
  req: IncomingMessage,
  res: ServerResponse,
  { root, path }: Found,
  maxAge: number | undefined,
): Promise<void> {
  const { default: serveStatic } = await import('serve-static')
  return new Promise<void>((done, failed) => {
    const { url } = req
    const handler = serveStatic(root, {
      index: false,
      redirect: false,
      dotfiles: 'allow', // judged above
      cacheControl: maxAge !== undefined,
      maxAge: (maxAge ?? 0) * 1000,
      setHeaders: (res) => res.setHeader('X-Content-Type-Options', 'nosniff'),
    })
    onceClosed(res, done)
    req.url = `/${path.split(sep).map(encodeURIComponent).join('/')}` // it is read at once, and only then
    handler(req, res, (error) => {
      const { status = 404, headers = {} } = error ?? {}
      if (res.headersSent || status >= 500) return failed(error)
      for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
      answer(res, status)
      done()
    })
    req.url = url
  })
}
