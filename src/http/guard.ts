// The front door of a pipeline: what gets past it has a path in normal form, and whatever goes wrong behind it ends
// in a 500 or a closed connection, never in a rejection or a lost process.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { App } from '../protocol.js'
import { answer, answerInstead, cut, ignoreErrors, isGone, refuseUpgrade } from './answer.js'
import { settle } from './environ.js'
import { completeHttp2 } from './http2.js'
import './tick-objects.js'

/** Told about what an app threw, once per request. What it throws itself is dropped. */
export type ErrorReporter = (error: unknown, req: IncomingMessage) => void

export interface GuardOptions {
  /** Default: one line on stderr. */
  readonly onError?: ErrorReporter
}

/**
 * An app that answers 400 for a request target that can't be served, and 500 where `app` throws or rejects; if the
 * head is out already, the connection is cut, so that half an answer never looks whole. It never throws or rejects.
 */
export function guard(app: App, { onError = reportError }: GuardOptions = {}): App {
  const fail = (error: unknown, req: IncomingMessage, res: ServerResponse) => {
    if (!isClientGone(error, res)) report(onError, error, req)
    if (res.writableEnded) return
    if (res.headersSent) cut(res)
    else answerInstead(res, 500)
  }
  const guarded: App = (req, res) => {
    try {
      if (!completeHttp2(req, res) || !settle(req)) return answer(res, 400)
      const result = app(req, res)
      if (isThenable(result)) return result.then(undefined, (error: unknown) => fail(error, req, res))
    } catch (error) {
      fail(error, req, res)
    }
  }
  const upgrade = guardUpgrade(app, onError)
  // Looked up each time: whether the app takes upgrades may change when a server gets another one.
  Object.defineProperty(guarded, 'upgrade', { get: () => app.upgrade && upgrade, enumerable: true })
  return guarded
}

function guardUpgrade(app: App, onError: ErrorReporter): NonNullable<App['upgrade']> {
  return (req, socket, head) => {
    const fail = (error: unknown) => {
      report(onError, error, req)
      socket.destroy()
    }
    ignoreErrors(socket)
    try {
      if (!settle(req)) return refuseUpgrade(socket, 400)
      const result: unknown = app.upgrade!(req, socket, head)
      if (isThenable(result)) result.then(undefined, fail)
    } catch (error) {
      fail(error)
    }
  }
}

let reporter: ErrorReporter = (error, req) => process.stderr.write(`sessd: ${sentenceOf(error, req)}\n`)

/** Has `reportError` tell somebody else. src/loader.ts does so: what a request is knows nothing of logs. */
export function reportTo(other: ErrorReporter): void {
  reporter = other
}

/** Tells of what an app threw: the log, which is one line on stderr unless somebody says how to log. */
export function reportError(error: unknown, req: IncomingMessage): void {
  reporter(error, req)
}

/** Method, path without its query, what was thrown and where, in one line. */
export function sentenceOf(error: unknown, req: IncomingMessage): string {
  const { originalUrl } = req as { originalUrl?: string }
  const path = (originalUrl ?? req.url ?? '').split('?', 1)[0]
  return `${req.method} ${path}: ${oneLine(error)}`
}

function oneLine(error: unknown): string {
  const where = error instanceof Error ? /^ +at .*$/m.exec(error.stack ?? '')?.[0] : undefined
  return `${String(error).replace(/\s+/g, ' ')}${where === undefined ? '' : ` (${where.trim()})`}`
}

/** A read that broke off because the client did: nobody's mistake. */
function isClientGone(error: unknown, res: ServerResponse): boolean {
  const { code } = (error ?? {}) as { code?: unknown }
  return isGone(res) && (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE')
}

function report(onError: ErrorReporter, error: unknown, req: IncomingMessage): void {
  try {
    onError(error, req)
  } catch {
    // there is nobody left to tell
  }
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof (result as { then?: unknown } | null | undefined)?.then === 'function'
}
