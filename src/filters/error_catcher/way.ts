// What a request went through, found out after an error: the parts of the file that was loaded, and of each composite the
// mount that the request's SCRIPT_NAME tells of. Nothing is written down per request.

import type { IncomingMessage } from 'node:http'
import { type ComposedPart, compositionOf, servers } from '../../config/composition.js'
import { environ } from '../../http/environ.js'

/** One part on the way. */
export interface Step {
  readonly part: ComposedPart
  /** The key that mounts it; '' for what is no mount. */
  readonly mount: string
  /** Of several apps of a composite that does not choose by path: it can't be known which of them it was. */
  readonly isOneOf: boolean
}

/** The way of a request to the app that its path leads to, server first; empty when no loader made what is below `app`. */
export function wayOf(app: object, req: IncomingMessage): Step[] {
  const root = compositionOf(app)?.root
  if (root === undefined) return []
  const { SCRIPT_NAME, PATH_INFO, HTTP_HOST, 'wsgi.url_scheme': scheme } = environ(req)
  const host = /:\d+$/.test(HTTP_HOST) ? HTTP_HOST : `${HTTP_HOST}:${scheme === 'https' ? 443 : 80}`
  const way = walk(root, SCRIPT_NAME, PATH_INFO, host)
  const server = [...servers].findLast(({ place }) => place !== undefined && place.file === root.place?.file)
  return server === undefined ? way : [{ part: server, mount: '', isOneOf: false }, ...way]
}

/** Mounts have taken the whole SCRIPT_NAME, but for a beginning that a filter may have put in front of them. */
function walk(root: ComposedPart, script: string, rest: string, host: string): Step[] {
  const path = script + rest
  for (let start = 0; start !== -1; start = script.indexOf('/', start + 1)) {
    const { steps, taken } = descend(root, path.slice(start), host)
    if (start + taken >= script.length) return steps
  }
  return descend(root, rest, host).steps
}

function descend(root: ComposedPart, path: string, host: string): { steps: Step[]; taken: number } {
  const steps: Step[] = []
  let taken = 0
  // With a stack of its own: pipelines of pipelines may be deeper than JavaScript's.
  const todo: Step[] = [{ part: root, mount: '', isOneOf: false }]
  for (let step = todo.pop(); step !== undefined; step = todo.pop()) {
    steps.push(step)
    const { shape, children } = step.part
    const isChoice = shape === 'composite'
    if (isChoice && step.isOneOf) continue
    const chosen = isChoice ? mountOf(children, path.slice(taken), host) : undefined
    const below = chosen === undefined ? children : [chosen.part]
    const isOneOf = step.isOneOf || (isChoice && below.length > 1)
    for (const part of [...below].reverse()) todo.push({ part, mount: isChoice ? part.role : '', isOneOf })
    taken += chosen?.length ?? 0
  }
  return { steps, taken }
}

interface Choice {
  readonly part: ComposedPart
  /** How much of the path the mount takes. */
  readonly length: number
}

/** The mount for a path, as egg:Paste#urlmap finds it; undefined for a composite whose keys are no places. */
function mountOf(children: readonly ComposedPart[], path: string, host: string): Choice | undefined {
  const below = `${path}/`
  let best: (Choice & { readonly rank: number }) | undefined
  for (const part of children) {
    const place = placeOf(part.role)
    if (place === undefined || !below.startsWith(`${place.path}/`)) continue
    const rank = rankOf(place, host)
    if (rank === undefined || (best !== undefined && best.rank > rank)) continue
    if (best === undefined || rank > best.rank || place.path.length > best.length)
      best = { part, length: place.path.length, rank }
  }
  const notFound = children.find(({ role }) => role === 'not_found_app')
  return best ?? (notFound && { part: notFound, length: 0 })
}

interface MountPlace {
  readonly path: string
  readonly domain: string | undefined
  readonly port: string | undefined
}

/** Reads `/path` and, in any order, `domain foo.com port 8080 /path`; undefined for a key that is neither. */
function placeOf(key: string): MountPlace | undefined {
  const found: { domain?: string | undefined; port?: string | undefined; path?: string } = {}
  const words = key.split(/\s+/)
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === 'domain' || word === 'port') found[word] = words.shift()
    else if (word.startsWith('/')) found.path = word
    else return undefined
  }
  const { domain, port, path = '' } = found
  const segments = path.split('/').filter((segment) => segment !== '')
  return { path: segments.map((segment) => `/${segment}`).join(''), domain, port }
}

/** How well a mount fits `host:port`: the closer, the more; undefined: not at all. */
function rankOf({ domain, port }: MountPlace, host: string): number | undefined {
  if (domain === undefined) return 0
  const colon = host.lastIndexOf(':')
  if (host.slice(0, colon).toLowerCase() !== domain.toLowerCase()) return undefined
  if (port === undefined) return 1
  return port === host.slice(colon + 1) ? 2 : undefined
}
