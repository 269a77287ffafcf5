// Gets work done on Redis: connects when there is something to do, also after a connection was lost, and waits for
// nothing longer than the time limit. While Redis is away work fails at once, and now and then it is looked for again.

import { Deadlines } from '../deadlines.js'
import { linkTo, type RedisLink } from './redis-link.js'
import { type OpenRedis, openRedis, type RedisSettings } from './redis-open.js'

export interface RedisAccess {
  /** Runs `work` on a connection. Rejects, also with what Redis calls an error, naming the server. */
  run<T>(work: (link: RedisLink) => Promise<T>): Promise<T>
  /** Waits for what is under way, then hangs up. `run` rejects from now on. */
  close(): Promise<void>
}

/** The time limit of work that may wait for a connection. */
export interface AccessLimits {
  /** Milliseconds. */
  readonly timeout: number
  /** What errors call the server. */
  readonly name: string
}

class Late extends Error {}

/** Through a client of the app's own, which connects and closes it. Throws TypeError when it is none. */
export function accessBy(client: unknown, { timeout, name }: AccessLimits): RedisAccess {
  const link = linkTo(client)
  const deadlines = new Deadlines(timeout)
  let closed = false
  return {
    async run(work) {
      if (closed) throw closedError()
      try {
        return await deadlines.limit(work(link), () => new Late(`no answer within ${timeout} ms`))
      } catch (error) {
        throw named(name, error)
      }
    },
    close() {
      closed = true
      return deadlines.idle()
    },
  }
}

/** How long a server that could not be reached is left alone, in milliseconds: at first, and at most. */
const FIRST_PAUSE = 50
const LONGEST_PAUSE = 1000

/** A connection that is there or on its way. */
interface Attempt {
  readonly ready: Promise<OpenRedis>
  open: OpenRedis | undefined
  destroy: () => void
}

/** Through connections that it opens itself. */
export function accessTo(settings: RedisSettings, { timeout, name }: AccessLimits): RedisAccess {
  const deadlines = new Deadlines(timeout)
  let { target } = settings
  let current: Attempt | undefined
  /** No longer used, but there may be work under way. */
  const retired = new Set<Attempt>()
  let closed = false
  let pause = 0
  let pausedUntil = 0
  let lastError: unknown

  function attempt(): Attempt {
    if (current !== undefined && (current.open === undefined || current.open.isUsable())) return current
    if (performance.now() < pausedUntil) throw lastError
    const attempt: Attempt = {
      ready: openRedis({ ...settings, target }, (destroy) => {
        attempt.destroy = destroy
      }),
      open: undefined,
      destroy: () => {},
    }
    attempt.ready.then(
      (open) => {
        attempt.open = open
        pause = 0
      },
      (error: unknown) => {
        wait(error)
        abandon(attempt)
      },
    )
    current = attempt
    return attempt
  }

  function wait(error: unknown): void {
    lastError = error
    pausedUntil = performance.now() + pause * (0.5 + Math.random() / 2)
    pause = Math.min(Math.max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
  }

  /** No new work for it; what is under way gets its time. */
  function abandon(attempt: Attempt): void {
    if (current === attempt) current = undefined
    // A cluster must be found again also when the nodes that we were told of are those that are gone.
    const known = attempt.open?.nodes() ?? []
    if (known.length > 0) target = { ...target, nodes: [...settings.target.nodes, ...known] }
    if (attempt.open?.isUsable() !== true) {
      attempt.destroy()
      return
    }
    retired.add(attempt)
    setTimeout(() => retire(attempt), timeout).unref()
  }

  function retire(attempt: Attempt): void {
    retired.delete(attempt)
    attempt.destroy()
  }

  return {
    async run(work) {
      if (closed) throw closedError()
      let used: Attempt | undefined
      try {
        used = attempt()
        const answer =
          used.open === undefined ? used.ready.then((open) => work(open.link)) : work(used.open.link)
        return await deadlines.limit(answer, () => new Late(`no answer within ${timeout} ms`))
      } catch (error) {
        if (used !== undefined && (error instanceof Late || isReadOnly(error))) {
          if (used.open === undefined) wait(error)
          abandon(used)
        }
        throw named(name, error)
      }
    },
    async close() {
      closed = true
      await deadlines.idle()
      current?.destroy()
      current = undefined
      for (const attempt of retired) retire(attempt)
    },
  }
}

/** A server that was a primary once, and which the address may no longer lead to. */
function isReadOnly(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('READONLY ')
}

function closedError(): Error {
  return new Error('the Redis store is closed')
}

/** Without the place in a script, and without its cause: both Redis and clients put the arguments of a command, a session that is, into errors. */
function named(name: string, error: unknown): Error {
  const { message, code } = error as NodeJS.ErrnoException
  const [reason] = message.split(/, with args beginning with| script: [0-9a-f]{40}|\n/)
  const renamed = new Error(`${name}: ${reason || code}`)
  return code === undefined ? renamed : Object.assign(renamed, { code })
}
