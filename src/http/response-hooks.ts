// The one file that patches a response: work that must be done before the head, or before more of the body, leaves.
//
// Own properties hold functions shared by all responses, put there before the app sees `res` (an app may take
// `res.end` before an await). A prototype swap (Express) does not undo them. As long as no hook has something to do, the
// app's calls pass through as they came.

import type { OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { MaybePromise } from '../protocol.js'
import { type Held, holdBack } from './held-response.js'

/** Something that has work to do on a response. Of several, the one that was added last runs first. */
export interface ResponseHook {
  /** Whether there is anything to do before the head. Asked more than once; when nobody has, it leaves untouched. */
  wantsHead(): boolean
  /** Called once, before the head leaves. A promise holds the response back; a rejection ends it as 500. */
  beforeHead(): MaybePromise<void>
  /** Called once beforeHead of all hooks is done: the last chance to change status and headers. */
  addHeaders(res: ServerResponse): void
  /** Whether something must be done before more of the body leaves; asked at each write after the head. */
  wantsBody(): boolean
  beforeBody(): MaybePromise<void>
  /** The response was ended by the app. */
  ended?(): void
  /** Set by hookResponse: the hook that was there before. */
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

class HookState {
  phase: Phase = 'open'
  readonly originals: Originals
  hook: ResponseHook
  held: Held | null = null

  constructor(originals: Originals, hook: ResponseHook) {
    this.originals = originals
    this.hook = hook
  }
}

const STATE = Symbol('sessd.response')

type Hooked = ServerResponse & { [STATE]: HookState }

/** Adds `hook` to `res`. Must be called before the app gets the response. */
export function hookResponse(res: ServerResponse, hook: ResponseHook): void {
  const state = (res as Hooked)[STATE]
  if (state !== undefined) {
    hook.outer = state.hook
    state.hook = hook
    return
  }
  ;(res as Hooked)[STATE] = new HookState(originalsOf(res), hook)
  res.writeHead = writeHead as ServerResponse['writeHead']
  res.write = write as ServerResponse['write']
  res.end = end as ServerResponse['end']
  res.flushHeaders = flushHeaders as ServerResponse['flushHeaders']
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
  const state = this[STATE]
  if (state.phase === 'failed') return this
  if (state.phase === 'held') {
    state.held!.add('writeHead', args)
    return this
  }
  if (state.phase === 'passed' || !anyWantsHead(state)) {
    state.phase = 'passed'
    return state.originals.writeHead.apply(this, args as Parameters<ServerResponse['writeHead']>)
  }
  const status = takeHead(this, args)
  if (ready(this, state, 'writeHead', status)) {
    state.originals.writeHead.apply(this, status as Parameters<ServerResponse['writeHead']>)
  }
  return this
}

function write(this: Hooked, ...args: unknown[]): boolean {
  const state = this[STATE]
  if (!ready(this, state, 'write', args)) return state.phase === 'failed'
  return state.originals.write.apply(this, args as Parameters<ServerResponse['write']>)
}

function end(this: Hooked, ...args: unknown[]): ServerResponse {
  const state = this[STATE]
  if (ready(this, state, 'end', args)) {
    state.originals.end.apply(this, args as Parameters<ServerResponse['end']>)
    for (let hook: ResponseHook | null = state.hook; hook !== null; hook = hook.outer) hook.ended?.()
  }
  return this
}

function flushHeaders(this: Hooked): void {
  const state = this[STATE]
  if (ready(this, state, 'flushHeaders', [])) state.originals.flushHeaders.call(this)
}

/**
 * Runs the hooks that are due. True: go on with the call. False: the call was taken over, to be made later when the
 * hooks are done, or never because the response has failed.
 */
function ready(res: Hooked, state: HookState, method: keyof Originals, args: unknown[]): boolean {
  if (state.phase === 'failed') return false
  if (state.phase === 'held') {
    state.held!.add(method, args)
    return false
  }
  let waiting: MaybePromise<void>
  try {
    if (state.phase === 'open') {
      const wanted = anyWantsHead(state)
      waiting = wanted ? runHead(state.hook) : undefined
      if (wanted && waiting === undefined) addHeaders(res, state.hook)
    } else {
      waiting = runBody(state.hook)
    }
  } catch (error) {
    fail(res, state, error)
    return false
  }
  if (waiting === undefined) {
    state.phase = 'passed'
    return true
  }
  const head = state.phase === 'open'
  state.phase = 'held'
  state.held = holdBack(res, head)
  state.held.add(method, args)
  waiting.then(
    () => release(res, state),
    (error: unknown) => fail(res, state, error),
  )
  return false
}

function anyWantsHead(state: HookState): boolean {
  for (let hook: ResponseHook | null = state.hook; hook !== null; hook = hook.outer) {
    if (hook.wantsHead()) return true
  }
  return false
}

function runHead(first: ResponseHook): MaybePromise<void> {
  for (let hook: ResponseHook | null = first; hook !== null; hook = hook.outer) {
    const waiting = hook.wantsHead() ? hook.beforeHead() : undefined
    const { outer } = hook
    if (waiting !== undefined) return waiting.then(() => (outer === null ? undefined : runHead(outer)))
  }
}

function addHeaders(res: ServerResponse, first: ResponseHook): void {
  for (let hook: ResponseHook | null = first; hook !== null; hook = hook.outer) {
    if (hook.wantsHead()) hook.addHeaders(res)
  }
}

function runBody(first: ResponseHook): MaybePromise<void> {
  for (let hook: ResponseHook | null = first; hook !== null; hook = hook.outer) {
    const waiting = hook.wantsBody() ? hook.beforeBody() : undefined
    const { outer } = hook
    if (waiting !== undefined) return waiting.then(() => (outer === null ? undefined : runBody(outer)))
  }
}

/** Makes the calls that were held back. They may be held again: what was saved meanwhile is stored first. */
function release(res: Hooked, state: HookState): void {
  const held = state.held!
  state.held = null
  state.phase = 'passed'
  held.release()
  try {
    if (held.head) addHeaders(res, state.hook)
  } catch (error) {
    state.held = held
    fail(res, state, error)
    return
  }
  for (const { method, args } of held.calls) {
    try {
      ;(res[method] as (...args: unknown[]) => unknown).apply(res, args)
    } catch (error) {
      res.destroy(error as Error)
      return
    }
  }
  if (held.refusedWrite && !res.writableNeedDrain) res.emit('drain')
}

/** What was to be stored before this response could not be stored: nothing of it may look like success. */
function fail(res: Hooked, state: HookState, error: unknown): void {
  const held = state.held
  state.held = null
  held?.release()
  if (res.headersSent) {
    state.phase = 'failed'
    res.destroy(error as Error)
    return
  }
  state.phase = 'passed'
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  const body =
    error instanceof PublicError ? `Internal Server Error\n${error.message}\n` : 'Internal Server Error\n'
  res.statusCode = 500
  res.statusMessage = ''
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.setHeader('Cache-Control', 'no-store')
  state.originals.end.call(res, body as never, 'utf8' as never)
  state.phase = 'failed'
  held?.abandon(error)
}

/**
 * Moves what writeHead was given into the response, as Node does when it writes a head: headers given here replace those
 * of the same name, pairs of one name are all kept. Answers the arguments that are left: status and reason.
 */
function takeHead(res: ServerResponse, args: unknown[]): unknown[] {
  const [status, reasonOrHeaders] = args
  const reason = typeof reasonOrHeaders === 'string' ? reasonOrHeaders : undefined
  const headers = (reason === undefined && reasonOrHeaders != null ? reasonOrHeaders : args[2]) as
    | OutgoingHttpHeaders
    | readonly unknown[]
    | null
    | undefined
  if (Array.isArray(headers)) takePairs(res, headers)
  else if (headers != null) {
    for (const [name, value] of Object.entries(headers)) {
      if (name !== '') res.setHeader(name, value as OutgoingHttpHeader as string)
    }
  }
  return reason === undefined ? [status] : [status, reason]
}

/** `[name, value, name, value]` or `[[name, value], ...]`. */
function takePairs(res: ServerResponse, list: readonly unknown[]): void {
  const nested = Array.isArray(list[0])
  if (!nested && list.length % 2 !== 0) {
    throw Object.assign(new TypeError('writeHead expects an even number of names and values'), {
      code: 'ERR_INVALID_ARG_VALUE',
    })
  }
  const pairs: [string, string | string[]][] = []
  if (nested) for (const pair of list) pairs.push(pair as [string, string])
  else for (let i = 0; i < list.length; i += 2) pairs.push([list[i] as string, list[i + 1] as string])
  for (const [name] of pairs) res.removeHeader(name)
  for (const [name, value] of pairs) res.appendHeader(name, typeof value === 'number' ? `${value}` : value)
}
