// A try: an app is called, and its answer is looked at before anything of it leaves. What cascade and errordocument share.
// An answer that was dropped leaves no trace on the response, its cookies included.

import type { IncomingMessage, OutgoingHttpHeader, ServerResponse } from 'node:http'
import type { App } from '../protocol.js'
import { isHttp2 } from './answer.js'
import { reportError } from './guard.js'
import { filterResponse } from './response-hooks.js'
import { statusOf } from './status-error.js'

/** Says whether an answer is dropped. `res` holds its head, or nothing of it when the app threw the status. */
export type Drops = (status: number, res: ServerResponse) => boolean

/**
 * Calls `app` and resolves to whether its answer was dropped: `drops` said so about its head, or about the status of what
 * it threw. Then the response is as it was before. Rejects with what the app throws otherwise; thrown before the
 * head, it leaves the response as it was too.
 */
export function attempt(app: App, req: IncomingMessage, res: ServerResponse, drops: Drops): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const restore = snapshot(res)
    let verdict: 'drop' | 'pass' | undefined
    let finished = false
    const takeOut = filterResponse(res, {
      head() {
        verdict = drops(res.statusCode, res) ? 'drop' : 'pass'
        if (verdict === 'pass' && finished) resolve(false)
        return verdict
      },
      dropped() {
        takeOut()
        restore()
        resolve(true)
      },
    })
    const done = () => {
      finished = true
      if (verdict === 'pass') resolve(false)
    }
    const failed = (error: unknown) => {
      if (verdict === 'drop') return reportError(error, req) // its answer is dropped already, and the next app at work
      const status = statusOf(error)
      if (verdict === undefined) {
        takeOut()
        restore()
        if (status !== undefined && drops(status, res)) return resolve(true)
      }
      reject(error)
    }
    try {
      Promise.resolve(app(req, res)).then(done, failed)
    } catch (error) {
      failed(error)
    }
  })
}

/** Remembers status and headers; answers a function that puts them back. */
function snapshot(res: ServerResponse): () => void {
  const http2 = isHttp2(res)
  const { statusCode } = res
  const statusMessage = http2 ? '' : res.statusMessage
  const headers: [string, OutgoingHttpHeader][] = []
  for (const name of rawNames(res)) {
    const value = res.getHeader(name)
    if (value !== undefined) headers.push([name, Array.isArray(value) ? [...value] : value])
  }
  return () => {
    for (const name of res.getHeaderNames()) res.removeHeader(name)
    for (const [name, value] of headers) res.setHeader(name, value)
    res.statusCode = statusCode
    if (!http2) res.statusMessage = statusMessage
  }
}

/** Header names as they were written; HTTP/2 knows them in lower case only. Node's types leave the method out. */
function rawNames(res: ServerResponse & { getRawHeaderNames?(): string[] }): string[] {
  return res.getRawHeaderNames?.() ?? res.getHeaderNames()
}
