// The page for developers: what was thrown, where, in what request. Values of cookies, credentials and sessions are not on it.

import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environ } from '../../http/environ.js'
import { type Html, html, sendPage, table } from '../../http/html-page.js'
import { safeHeaders } from '../../http/safe-headers.js'
import type { Environ } from '../../protocol.js'
import { chainOf, stackOf, titleOf } from './thrown.js'
import type { Step } from './way.js'

export interface Failure {
  readonly error: unknown
  readonly reference: string
  readonly status: number
  /** The INI file, where there is one. */
  readonly file: string | undefined
  /** What the request went through, outermost first; none where no file says it. */
  readonly way: readonly Step[]
}

/** Answers with the page, or with its text where the client does not ask for HTML. */
export async function sendErrorPage(
  req: IncomingMessage,
  res: ServerResponse,
  failure: Failure,
): Promise<void> {
  const { error, status, reference, file, way } = failure
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  const title = titleOf(error)
  if (!/text\/html/i.test(req.headers.accept ?? '')) {
    const body = `${status} ${title}\n\n${chainOf(error).map(stackOf).join('\n\ncaused by ')}\n\nReference: ${reference}\n`
    res.statusCode = status
    res.setHeader('Content-Type', 'text/plain; charset=utf-8')
    res.setHeader('Content-Length', Buffer.byteLength(body))
    res.setHeader('Cache-Control', 'no-store')
    res.end(body)
    return
  }
  const causes: Html[] = []
  for (const [index, each] of chainOf(error).entries()) {
    const heading = index === 0 ? html`` : html`<h2>Caused by ${titleOf(each)}</h2>`
    causes.push(html`${heading}${await excerpts(each)}<pre>${stackOf(each)}</pre>`)
  }
  const env = environ(req)
  const rows: [string, string][] = [
    ['Method', req.method ?? ''],
    ['URL', env.REQUEST_URI],
    ['Mounted at', env.SCRIPT_NAME || '/'],
    ['Path below', env.PATH_INFO],
    ['Client', env.REMOTE_ADDR],
    ['Reference', reference],
    ...(file === undefined ? [] : [['Configuration', file] as [string, string]]),
  ]
  sendPage(
    res,
    status,
    title,
    html`${causes}
${pipelinePart(way, file)}
<h2>Request</h2>${table(rows)}
<h2>Headers</h2>${table(safeHeaders(req))}
<h2>Session</h2>${await sessionPart(env)}
<h2>Left by the parts in front</h2>${table(leftBy(env))}`,
  )
}

const FRAME =
  /^ +at (?:(.{1,200}?) \()?((?:file:\/\/)?\/[^()\n]{1,1000}?|[A-Z]:\\[^()\n]{1,1000}?):(\d+):\d+\)?$/gm

/** The source around the nearest three places that are neither Node's nor a package's. */
async function excerpts(error: unknown): Promise<Html[]> {
  const found: Html[] = []
  for (const [, name, place, line] of stackOf(error).matchAll(FRAME)) {
    if (found.length === 3) break
    if (/[\\/]node_modules[\\/]/.test(place!)) continue
    const excerpt = await excerptOf(place!, Number(line), name ?? '')
    if (excerpt !== undefined) found.push(excerpt)
  }
  return found
}

async function excerptOf(place: string, line: number, name: string): Promise<Html | undefined> {
  try {
    const path = place.startsWith('file:') ? fileURLToPath(place) : place
    const lines = (await readFile(path, 'utf8')).split('\n')
    if (line > lines.length) return undefined
    const first = Math.max(1, line - 4)
    const shown = lines.slice(first - 1, line + 3).map((text, index) => {
      const number = `${first + index}`.padStart(5)
      return first + index === line ? html`<mark>${number}  ${text}</mark>\n` : html`${number}  ${text}\n`
    })
    return html`<p><code>${name === '' ? '' : `${name} in `}${path}:${line}</code><pre>${shown}</pre>`
  } catch {
    return undefined // code without a file
  }
}

/** Each part in a row: its section, what made it, where that is written, from the file's directory. */
function pipelinePart(way: readonly Step[], file: string | undefined): Html {
  if (way.length === 0) return html``
  const near = (path: string) => (file === undefined ? path : relative(dirname(file), path))
  const placeOf = ({ place }: Step['part']) =>
    place === undefined
      ? ''
      : place.line === undefined
        ? near(place.file)
        : `${near(place.file)}:${place.line}`
  const rows = way.map(({ part, mount, isOneOf }) => {
    const title = part.name === part.use ? part.name : `[${part.shape}:${part.name}]`
    const made = part.name === part.use ? '' : (part.use ?? part.shape)
    const note = isOneOf && mount !== '' ? 'one of these' : ''
    return html`<tr><th>${mount === '' ? '' : html`${mount} → `}${title}<td>${made}<td>${placeOf(part)}<td>${note}`
  })
  return html`<h2>Pipeline</h2><table>${rows}</table>`
}

async function sessionPart(env: Environ): Promise<Html> {
  const handle = env['beaker.session']
  if (handle === undefined) return html`<p>No session filter is in front, or it is further inside.`
  if (!handle.loaded) return html`<p>Not loaded in this request.`
  const session = await handle.load()
  const rows = Array.from(session.entries(), ([key, value]): [string, string] => [key, kindOf(value)])
  return rows.length === 0 ? html`<p>It is empty.` : table(rows)
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return `list of ${value.length}`
  return value === null ? 'null' : typeof value
}

function leftBy(env: Environ): [string, string][] {
  return Object.entries(env).map(([key, value]) => [
    key,
    typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value,
  ])
}
