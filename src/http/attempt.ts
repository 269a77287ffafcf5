// A try: an app is called, and its answer is looked at before anything of it leaves. What cascade and errordocument share.
// An answer that was dropped leaves no trace on the response, its cookies included, and nobody waits for its end.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Writable } from 'node:stream'
import type { App } from '../protocol.js'
import { endFork } from './fork-request.js'
import { forkResponse } from './fork-response.js'
import { reportError } from './guard.js'
import { onceClosed } from './once-closed.js'
import { statusOf } from './status-error.js'

/** Says whether an answer is dropped. `answer` holds its head, which may be changed; the app threw: what was there before. */
export type Drops = (status: number, answer: ServerResponse) => boolean

/** Bytes that a dropped answer may go on for. What is longer is cut off, as by a client that goes away. */
const MOST = 1024 * 1024

/**
 * Calls `app` and resolves to whether its answer was dropped: `drops` said so about its head, or about the status of what
 * it threw. Then `res` is as it was before, and what the app still sends goes nowhere. Rejects with what the app throws
 * otherwise; thrown before the head, it leaves the response as it was too.
 */
export function attempt(app: App, req: IncomingMessage, res: ServerResponse, drops: Drops): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let verdict: 'drop' | 'pass' | undefined
    let returned = false
    const { response: fork, leave } = forkResponse(req, res, (answer) => {
      verdict ??= drops(answer.statusCode, answer) ? 'drop' : 'pass'
      if (verdict === 'drop') resolve(true)
      else if (returned) resolve(false)
      return verdict === 'drop' ? nowhere() : res
    })
    onceClosed(fork, () => {
      endFork(req, !fork.writableFinished)
      if (returned) resolve(false)
    })
    const done = () => {
      returned = true
      if (verdict === 'pass' || fork.destroyed) resolve(false)
    }
    const failed = (error: unknown) => {
      if (verdict === 'drop') return reportError(error, req) // its answer is dropped already, and the next app at work
      if (verdict === 'pass') return reject(error)
      verdict = 'drop' // should it answer after all
      leave()
      const status = statusOf(error)
      if (status !== undefined && drops(status, res)) resolve(true)
      else reject(error)
    }
    try {
      Promise.resolve(app(req, fork)).then(done, failed)
    } catch (error) {
      failed(error)
    }
  })
}

/** Takes what is written and forgets it, at once. */
function nowhere(): Writable {
  let room = MOST
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      room -= chunk.length
      done()
      if (room < 0) this.destroy()
    },
  })
}
