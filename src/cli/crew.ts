// The worker processes of one server. They share its sockets, so new ones take over before old ones go; one that breaks
// is replaced after a while that grows, and touches no other.

import cluster, { type Worker } from 'node:cluster'
import { isFromWorker, type ToWorker, WORKERS } from './worker-link.js'

export interface CrewOptions {
  readonly count: number
  say(sentence: string): void
  /** Hears of each file that a worker reads. */
  onFile(file: string): void
}

/** One place to be filled, and who fills it. */
interface Post {
  worker: Worker | undefined
  /** How often in a row its worker ended soon after it began. */
  crashes: number
  restart: NodeJS.Timeout | undefined
}

/** A worker that lasted this many milliseconds was no bad one. */
const GOOD_LIFE = 10_000
const LONGEST_WAIT = 30_000

export class Crew {
  readonly #options: CrewOptions
  readonly #posts: Post[]
  readonly #alive = new Set<Worker>()
  #stopping = false
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: CrewOptions) {
    this.#options = options
    this.#posts = Array.from({ length: options.count }, () => ({
      worker: undefined,
      crashes: 0,
      restart: undefined,
    }))
    // Workers take connections themselves: what the kernel holds for one that is killed goes to the others. Node's other
    // way, one process that takes all and hands them on, leaves what it handed to a dead worker hanging for good.
    if (!process.env.NODE_CLUSTER_SCHED_POLICY) cluster.schedulingPolicy = cluster.SCHED_NONE
  }

  /** Starts one, then all others. Resolves with the addresses, or with the exit code when the first one fails. */
  async start(): Promise<readonly string[] | number> {
    const first = await this.#fill(this.#posts[0]!)
    if (typeof first === 'number') return first
    await Promise.all(
      this.#posts.slice(1).map(async (post) => {
        const code = await this.#fill(post)
        if (typeof code === 'number') this.#fillLater(post, `ended with code ${code}`)
      }),
    )
    return first
  }

  /**
   * Replaces every worker, one after the other; each old one goes when the new one serves. Resolves with whether all
   * were replaced: at the first that fails to start, the old ones stay.
   */
  replace(): Promise<boolean> {
    const done = this.#turn.then(async () => {
      for (const post of this.#posts) {
        if (this.#stopping) return false
        clearTimeout(post.restart)
        const code = await this.#fill(post)
        if (typeof code !== 'number') continue
        if (post.worker === undefined) this.#fillLater(post, `ended with code ${code} before it served`)
        return false
      }
      return true
    })
    this.#turn = done.catch(() => {})
    return done
  }

  /** Lets all finish what they do. Resolves when the last is gone, with whether all ended in good order. */
  async stop(): Promise<boolean> {
    this.#stopping = true
    for (const { restart } of this.#posts) clearTimeout(restart)
    const ends = [...this.#alive].map((worker) => {
      tell(worker, 'stop')
      return new Promise<boolean>((resolve) => {
        worker.once('exit', (code) => resolve(code === 0))
      })
    })
    return (await Promise.all(ends)).every((good) => good)
  }

  /** Ends all at once. */
  kill(): void {
    for (const worker of this.#alive) worker.process.kill('SIGKILL')
  }

  /** Starts a worker for `post`, which takes it when it serves. Resolves with its addresses or its exit code. */
  #fill(post: Post): Promise<readonly string[] | number> {
    const worker = cluster.fork({ [WORKERS]: String(this.#options.count) })
    const began = Date.now()
    this.#alive.add(worker)
    return new Promise((resolve) => {
      worker.on('error', () => {}) // an order that no longer reached it
      worker.on('message', (message: unknown) => {
        if (!isFromWorker(message)) return
        if (message.sessd === 'file') return this.#options.onFile(message.file)
        clearTimeout(post.restart)
        if (post.worker !== undefined) tell(post.worker, 'retire')
        post.worker = worker
        if (this.#stopping) tell(worker, 'stop')
        resolve(message.urls)
      })
      worker.once('exit', (code: number | null, signal: string | null) => {
        this.#alive.delete(worker)
        resolve(code ?? 1)
        if (post.worker !== worker) return // retired, or never served
        post.worker = undefined
        if (Date.now() - began > GOOD_LIFE) post.crashes = 0
        const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`
        if (!this.#stopping) this.#fillLater(post, `${worker.process.pid} ${how}`)
      })
    })
  }

  #fillLater(post: Post, why: string): void {
    const wait = post.crashes === 0 ? 0 : Math.min(100 * 2 ** post.crashes, LONGEST_WAIT)
    post.crashes++
    const when = wait === 0 ? 'at once' : `in ${wait / 1000} seconds`
    this.#options.say(`worker ${why}; another one starts ${when}`)
    clearTimeout(post.restart)
    post.restart = setTimeout(async () => {
      const code = await this.#fill(post)
      if (typeof code === 'number' && post.worker === undefined && !this.#stopping)
        this.#fillLater(post, `ended with code ${code} before it served`)
    }, wait)
  }
}

function tell(worker: Worker, order: ToWorker): void {
  if (worker.isConnected()) worker.send(order, () => {})
}
