// Steady load on one address, until the test has seen enough: every answer and every failure is kept.

import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'

export interface Load {
  /** The bodies of the answers so far, newest last. */
  readonly answers: string[]
  /** Why a request failed, or the status when it was none of 200. */
  readonly failures: string[]
  /** Resolves after `count` more answers or failures. */
  more(count: number): Promise<void>
  /** Asks nothing more; resolves when all that was asked is answered. */
  stop(): Promise<void>
}

/**
 * Some clients that ask without a pause. With `keepAlive` each uses one connection, and a request on a connection that
 * the server was just closing is made once more, as browsers do; without, each request has a new one and no second try.
 */
export function startLoad(url: string, { clients = 4, keepAlive = false } = {}): Load {
  const answers: string[] = []
  const failures: string[] = []
  const waiting: { at: number; wake(): void }[] = []
  let going = true
  const agent = new Agent({ keepAlive, maxSockets: clients })
  const client = async () => {
    while (going) {
      try {
        answers.push(await get(url, agent))
      } catch (error) {
        failures.push((error as Error).message)
      }
      const done = answers.length + failures.length
      for (const one of waiting.filter(({ at }) => at <= done)) one.wake()
      if (failures.length > 100) return
    }
  }
  const all = Promise.all(Array.from({ length: clients }, client))
  const stop = async () => {
    going = false
    await all
    agent.destroy()
  }
  onTestFinished(stop)
  return {
    answers,
    failures,
    stop,
    more: (count) =>
      new Promise((wake) => {
        waiting.push({ at: answers.length + failures.length + count, wake })
      }),
  }
}

/** One request; the body of its answer. Rejects for any status but 200. */
export async function get(url: string, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const req = request(url, { ...(agent && { agent }) }, (res) => {
      text(res).then((body) => {
        if (res.statusCode === 200) resolve(body)
        else reject(new Error(`${res.statusCode} ${body}`))
      }, reject)
    })
    req.on('error', (error: NodeJS.ErrnoException) => {
      if (req.reusedSocket && error.code === 'ECONNRESET') get(url, agent).then(resolve, reject)
      else reject(error)
    })
    req.end()
  })
}
