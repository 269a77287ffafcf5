// The one file that patches a response: work that must be done before the head, or before more of the body, leaves.
//
// Own properties hold functions shared by all responses, put there before the app sees `res` (an app may take
// `res.end` before an await). A prototype swap (Express) does not undo them. As long as no hook has something to do, the
// app's calls pass through as they came. A filter starts a new layer: hooks inside of it run before it, hooks outside after.

import type { ServerResponse } from 'node:http'
import type { MaybePromise } from '../protocol.js'
import { takeHead } from './head-arguments.js'
import { answerCallback, Held, refuse } from './held-response.js'
import { filterMethods, type ResponseFilter } from './response-filter.js'

/** Something that has work to do on a response. Of several, the one that was added last runs first. */
export interface ResponseHook {
  /** Whether there is anything to do before the head. Asked more than once; when nobody has, it leaves untouched. */
  wantsHead(): boolean
  /** Called once, before the head leaves. A promise holds the response back; a rejection ends it as 500. */
  beforeHead(): MaybePromise<void>
  /** Called once beforeHead of all hooks is done: the last chance to change status and headers. */
  addHeaders(res: ServerResponse): void
  /** The head is on its way: too late for headers. Called once, whoever wanted it. */
  headLeft?(): void
  /** Whether something must be done before more of the body leaves; asked at each write after the head. */
  wantsBody(): boolean
  beforeBody(): MaybePromise<void>
  /** The response was ended, by the app or because a hook failed. */
  ended?(): void
  /** Set by hookResponse: the hook of the same layer that was there before. */
  outer: ResponseHook | null
}

/** Written into the body of the 500 when the reason may be told to the client. */
export class PublicError extends Error {}

/** The methods below us: Node's own, or what an outer layer put in their place. */
export interface Originals {
  writeHead: ServerResponse['writeHead']
  write: ServerResponse['write']
  end: ServerResponse['end']
  flushHeaders: ServerResponse['flushHeaders']
}

/** `open`: the head is still to come. `held`: hooks are working. `passed`: the head is out. `failed`: answered by us. */
type Phase = 'open' | 'held' | 'passed' | 'failed'

/** The hooks that were added one after the other, and where their calls go on: Node, or a filter and the layer outside. */
class Layer {
  phase: Phase = 'open'
  readonly originals: Originals
  readonly outer: Layer | null
  /** The outermost layer: the one whose originals are Node's. */
  readonly base: Layer
  hook: ResponseHook | null = null
  held: Held | null = null
  /** Why it has failed. */
  error: unknown
  /** Of the base: Node is at work, and what it calls on the response is for itself. */
  inNode = false

  constructor(originals: Originals, outer: Layer | null) {
    this.originals = originals
    this.outer = outer
    this.base = outer === null ? this : outer.base
  }
}

const LAYER = Symbol('sessd.response')

type Hooked = ServerResponse & { [LAYER]: Layer }

/** Adds `hook` to `res`. Must be called before the app gets the response. */
export function hookResponse(res: ServerResponse, hook: ResponseHook): void {
  const layer = (res as Hooked)[LAYER] ?? patch(res)
  hook.outer = layer.hook
  layer.hook = hook
}

/**
 * Puts `filter` between what is inside (apps, and hooks and filters added from now on) and what is outside. Must be called
 * before the app gets the response.
 */
export function filterResponse(res: ServerResponse, filter: ResponseFilter): void {
  const hooked = res as Hooked
  const outer = hooked[LAYER] ?? patch(res)
  const methods = filterMethods(res, filter, {
    writeHead: (...args: unknown[]) => writeHeadAt(hooked, outer, args),
    write: (...args: unknown[]) => writeAt(hooked, outer, args),
    end: (...args: unknown[]) => endAt(hooked, outer, args),
    flushHeaders: () => flushHeadersAt(hooked, outer),
  })
  hooked[LAYER] = new Layer(methods, outer)
}

function patch(res: ServerResponse): Layer {
  const layer = new Layer(originalsOf(res), null)
  ;(res as Hooked)[LAYER] = layer
  res.writeHead = writeHead as ServerResponse['writeHead']
  res.write = write as ServerResponse['write']
  res.end = end as ServerResponse['end']
  res.flushHeaders = flushHeaders
  return layer
}

let lastOriginals: Originals | undefined

/** All plain responses share one record, so that hooking allocates nothing for it. */
function originalsOf(res: ServerResponse): Originals {
  const { writeHead, write, end, flushHeaders } = res
  const last = lastOriginals
  if (
    last !== undefined &&
    last.end === end &&
    last.write === write &&
    last.writeHead === writeHead &&
    last.flushHeaders === flushHeaders
  ) {
    return last
  }
  lastOriginals = { writeHead, write, end, flushHeaders }
  return lastOriginals
}

function writeHead(this: Hooked, ...args: unknown[]): ServerResponse {
  const layer = this[LAYER]
  return writeHeadAt(this, layer.base.inNode ? layer.base : layer, args)
}

function write(this: Hooked, ...args: unknown[]): boolean {
  return writeAt(this, this[LAYER], args)
}

function end(this: Hooked, ...args: unknown[]): ServerResponse {
  return endAt(this, this[LAYER], args)
}

function flushHeaders(this: Hooked): void {
  flushHeadersAt(this, this[LAYER])
}

function writeHeadAt(res: Hooked, layer: Layer, args: unknown[]): ServerResponse {
  if (layer.phase === 'failed' && !layer.base.inNode) return res
  if (layer.phase === 'held') refuse('write')
  if (layer.phase !== 'open' || !anyWantsHead(layer)) {
    if (layer.phase === 'open') letHeadGo(layer)
    pass(res, layer, 'writeHead', args)
    return res
  }
  const status = takeHead(res, args)
  if (ready(res, layer, 'writeHead', status)) pass(res, layer, 'writeHead', status)
  return res
}

function writeAt(res: Hooked, layer: Layer, args: unknown[]): boolean {
  if (!ready(res, layer, 'write', args)) return layer.phase === 'failed'
  return pass(res, layer, 'write', args) as boolean
}

function endAt(res: Hooked, layer: Layer, args: unknown[]): ServerResponse {
  if (ready(res, layer, 'end', args)) {
    pass(res, layer, 'end', args)
    tellEnded(layer)
  }
  return res
}

/** Also those that did nothing, because another one failed before: they may hold what others wait for. */
function tellEnded(layer: Layer): void {
  for (let hook = layer.hook; hook !== null; hook = hook.outer) hook.ended?.()
}

function flushHeadersAt(res: Hooked, layer: Layer): void {
  if (ready(res, layer, 'flushHeaders', [])) pass(res, layer, 'flushHeaders', [])
}

/** What a held call is made by, at the layer that held it: layers inside have seen it already. */
const MAKE: Record<keyof Originals, (res: Hooked, layer: Layer, args: unknown[]) => unknown> = {
  writeHead: writeHeadAt,
  write: writeAt,
  end: endAt,
  flushHeaders: flushHeadersAt,
}

/** Makes the call outside of `layer`. Node's own methods call back into the response, which is no call of the app's. */
function pass(res: Hooked, layer: Layer, method: keyof Originals, args: unknown[]): unknown {
  const call = layer.originals[method] as (...args: unknown[]) => unknown
  if (res[LAYER] === layer || layer.outer !== null) return call.apply(res, args)
  const { inNode } = layer
  layer.inNode = true
  try {
    return call.apply(res, args)
  } finally {
    layer.inNode = inNode
  }
}

/**
 * Runs the hooks that are due. True: go on with the call. False: the call was taken over, to be made later when the
 * hooks are done, or never because the response has failed.
 */
function ready(res: Hooked, layer: Layer, method: keyof Originals, args: unknown[]): boolean {
  if (layer.phase === 'failed') {
    answerCallback(args, layer.error)
    return false
  }
  if (layer.phase === 'held') {
    layer.held!.add(method, args)
    return false
  }
  let waiting: MaybePromise<void>
  try {
    if (layer.phase === 'open') {
      const wanted = anyWantsHead(layer)
      waiting = wanted ? runHead(layer.hook) : undefined
      if (wanted && waiting === undefined) addHeaders(res, layer.hook)
    } else {
      waiting = runBody(layer.hook)
    }
  } catch (error) {
    fail(res, layer, error)
    answerCallback(args, error)
    return false
  }
  if (waiting === undefined) {
    if (layer.phase === 'open') letHeadGo(layer)
    return true
  }
  const head = layer.phase === 'open'
  layer.phase = 'held'
  layer.held = new Held(res, head)
  layer.held.add(method, args)
  waiting.then(
    () => release(res, layer),
    (error: unknown) => fail(res, layer, error),
  )
  return false
}

function letHeadGo(layer: Layer): void {
  layer.phase = 'passed'
  for (let hook = layer.hook; hook !== null; hook = hook.outer) hook.headLeft?.()
}

function anyWantsHead(layer: Layer): boolean {
  for (let hook = layer.hook; hook !== null; hook = hook.outer) {
    if (hook.wantsHead()) return true
  }
  return false
}

function runHead(first: ResponseHook | null): MaybePromise<void> {
  for (let hook: ResponseHook | null = first; hook !== null; hook = hook.outer) {
    const waiting = hook.wantsHead() ? hook.beforeHead() : undefined
    const { outer } = hook
    if (waiting !== undefined) return waiting.then(() => (outer === null ? undefined : runHead(outer)))
  }
}

function addHeaders(res: ServerResponse, first: ResponseHook | null): void {
  for (let hook: ResponseHook | null = first; hook !== null; hook = hook.outer) {
    if (hook.wantsHead()) hook.addHeaders(res)
  }
}

function runBody(first: ResponseHook | null): MaybePromise<void> {
  for (let hook: ResponseHook | null = first; hook !== null; hook = hook.outer) {
    const waiting = hook.wantsBody() ? hook.beforeBody() : undefined
    const { outer } = hook
    if (waiting !== undefined) return waiting.then(() => (outer === null ? undefined : runBody(outer)))
  }
}

/** Makes the calls that were held back. They may be held again: what was saved meanwhile is stored first. */
function release(res: Hooked, layer: Layer): void {
  const held = layer.held!
  layer.held = null
  layer.phase = 'passed'
  held.release()
  try {
    if (held.head) {
      addHeaders(res, layer.hook)
      letHeadGo(layer)
    }
  } catch (error) {
    layer.held = held
    fail(res, layer, error)
    return
  }
  for (const { method, args } of held.calls) {
    try {
      MAKE[method](res, layer, args)
    } catch (error) {
      res.destroy(error as Error)
      return
    }
  }
  if (held.refusedWrite && !res.writableNeedDrain) res.emit('drain')
}

/** What was to be stored before this response could not be stored: nothing of it may look like success. */
function fail(res: Hooked, layer: Layer, error: unknown): void {
  const held = layer.held
  layer.held = null
  layer.error = error
  held?.release()
  if (res.headersSent) {
    layer.phase = 'failed'
    res.destroy(error as Error)
    for (let outside: Layer | null = layer; outside !== null; outside = outside.outer) tellEnded(outside)
    held?.abandon(error)
    return
  }
  layer.phase = 'passed'
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  const body =
    error instanceof PublicError ? `Internal Server Error\n${error.message}\n` : 'Internal Server Error\n'
  res.statusCode = 500
  // http2 has none, and warns.
  if (res.req.httpVersionMajor < 2) res.statusMessage = ''
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.setHeader('Cache-Control', 'no-store')
  pass(res, layer, 'end', [body, 'utf8'])
  layer.phase = 'failed'
  tellEnded(layer)
  held?.abandon(error)
  // Who waits with more of the body may go on: it leads nowhere, but to its end.
  if (held?.refusedWrite === true) res.emit('drain')
}
