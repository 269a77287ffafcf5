// Gets work done on Redis: connects when there is something to do, also after a connection was lost, and waits for
// nothing longer than the time limit. While Redis is away work fails at once, and now and then it is looked for again.

import { Deadlines, LONGEST_TIMER } from '../deadlines.js'
import { linkTo, type RedisLink } from './redis-link.js'
import { type OpenRedis, openRedis, type RedisSettings } from './redis-open.js'

export interface RedisAccess {
  /** Runs `work` on a connection. Rejects, also with what Redis calls an error, naming the server. */
  run<T>(work: (link: RedisLink) => Promise<T>): Promise<T>
  /** What to reject with for this message of Redis: named as those of `run` are. */
  failure(message: string): Error
  readonly isCluster: boolean
  /** As `shardOf` of the link; undefined while there is no connection. */
  shardOf(key: string): string | undefined
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
  const late = () => new Late(`no answer within ${timeout} ms`)
  let closed = false
  return {
    run(work) {
      if (closed) return Promise.reject(closedError())
      return deadlines
        .limit(
          attempted(() => work(link)),
          late,
        )
        .catch((error: unknown) => {
          throw named(name, error)
        })
    },
    failure: (message) => named(name, new Error(message)),
    isCluster: link.isCluster,
    shardOf: (key) => link.shardOf(key),
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
  const late = () => new Late(`no answer within ${timeout} ms`)
  let { target } = settings
  let current: Attempt | undefined
  let successor: Attempt | undefined
  /** No longer used, but there may be work under way. */
  const retired = new Set<Attempt>()
  let closed = false
  let pause = 0
  let pausedUntil = 0
  let lastError: unknown

  function attempt(): Attempt {
    if (current !== undefined && (current.open === undefined || current.open.isUsable())) return current
    if (performance.now() < pausedUntil) throw lastError
    current = begin()
    return current
  }

  function begin(): Attempt {
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
    return attempt
  }

  function wait(error: unknown): void {
    lastError = error
    pausedUntil = performance.now() + pause * (0.5 + Math.random() / 2)
    pause = Math.min(Math.max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
  }

  /**
   * In place of one that did not answer. In a cluster the other servers may answer: they are asked through the old one
   * until the new one is there.
   */
  function replace(old: Attempt): void {
    if (target.kind !== 'cluster' || old.open?.isUsable() !== true) {
      abandon(old)
      return
    }
    if (old !== current || successor !== undefined) return
    learnFrom(old)
    successor = begin()
    const next = successor
    const over = () => {
      if (successor === next) successor = undefined
    }
    next.ready.then(() => {
      over()
      if (closed) return next.destroy()
      current = next
      abandon(old)
    }, over)
  }

  /** A cluster must be found again also when the nodes that we were told of are those that are gone. */
  function learnFrom({ open }: Attempt): void {
    const known = open?.nodes() ?? []
    if (known.length > 0) target = { ...target, nodes: [...settings.target.nodes, ...known] }
  }

  /** No new work for it; what is under way gets its time. */
  function abandon(attempt: Attempt): void {
    if (current === attempt) current = undefined
    learnFrom(attempt)
    if (attempt.open?.isUsable() !== true) {
      attempt.destroy()
      return
    }
    retired.add(attempt)
    setTimeout(() => retire(attempt), Math.min(timeout, LONGEST_TIMER)).unref()
  }

  function retire(attempt: Attempt): void {
    retired.delete(attempt)
    attempt.destroy()
  }

  return {
    // No async function: it is half of what a load costs here.
    run(work) {
      if (closed) return Promise.reject(closedError())
      let used: Attempt
      try {
        used = attempt()
      } catch (error) {
        return Promise.reject(named(name, error))
      }
      const { open, ready } = used
      const answer =
        open === undefined ? ready.then(({ link }) => work(link)) : attempted(() => work(open.link))
      return deadlines.limit(answer, late).catch((error: unknown) => {
        if (error instanceof Late || isReadOnly(error)) {
          if (used.open === undefined) wait(error)
          replace(used)
        }
        throw named(name, error)
      })
    },
    failure: (message) => named(name, new Error(message)),
    isCluster: settings.target.kind === 'cluster',
    shardOf: (key) => current?.open?.link.shardOf(key),
    async close() {
      closed = true
      await deadlines.idle()
      current?.destroy()
      successor?.destroy()
      current = undefined
      successor = undefined
      for (const attempt of retired) retire(attempt)
    },
  }
}

/** Also what clients throw at once is an answer. */
function attempted<T>(work: () => Promise<T>): Promise<T> {
  try {
    return work()
  } catch (error) {
    return Promise.reject(error)
  }
}

/** A server that was a primary once, and which the address may no longer lead to. Scripts before Redis 7 say where, too. */
function isReadOnly(error: unknown): boolean {
  return error instanceof Error && /(?:^|: -?)READONLY /.test(error.message)
}

function closedError(): Error {
  return new Error('the Redis store is closed')
}

/** Without the place in a script, and without its cause: both Redis and clients put the arguments of a command, a session that is, into errors. */
function named(name: string, error: unknown): Error {
  const { message, code } = error as NodeJS.ErrnoException
  const [reason] = message
    .replace(/^@user_script: *\d+: -?/, '')
    .split(/, with args beginning with| script: [0-9a-f]{40}|[\r\n]/)
  const renamed = new Error(`${name}: ${reason || code}`)
  return code === undefined ? renamed : Object.assign(renamed, { code })
}
