// The worker processes of one server. They share its sockets, so new ones take over before old ones go; one that breaks
// is replaced after a while that grows, and touches no other.

import cluster, { type Worker } from 'node:cluster'
import { isFromWorker, KEPT_PORTS, type ToWorker, WORKERS } from './worker-link.js'

export interface CrewOptions {
  readonly count: number
  /** Milliseconds after which a worker that was told to end is killed. */
  readonly longestEnd: number
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
const LONGEST_TIMER = 2 ** 31 - 1

export class Crew {
  readonly #options: CrewOptions
  readonly #posts: Post[]
  readonly #alive = new Set<Worker>()
  #stopping = false
  /** Where the workers listen. */
  #urls: readonly string[] = []
  /** The ports that have to be asked for, since there was a time when no worker held them; else blank. */
  #keptPorts = ''
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
      // One that was killed before is about to be gone, and has been told of.
      const { killed } = worker.process
      if (!killed) this.#end(worker, 'stop')
      return new Promise<boolean>((resolve) => {
        worker.once('exit', (code) => resolve(killed || code === 0))
      })
    })
    return (await Promise.all(ends)).every((good) => good)
  }

  /** Has one of them print the tree. */
  tree(): void {
    const worker = this.#posts.find((post) => post.worker !== undefined)?.worker
    if (worker !== undefined) tell(worker, 'tree')
  }

  /** Ends all at once. */
  kill(): void {
    for (const worker of this.#alive) worker.process.kill('SIGKILL')
  }

  /** Starts a worker for `post`, which takes it when it serves. Resolves with its addresses or its exit code. */
  #fill(post: Post): Promise<readonly string[] | number> {
    const worker = cluster.fork({ [WORKERS]: String(this.#options.count), [KEPT_PORTS]: this.#keptPorts })
    const began = Date.now()
    this.#alive.add(worker)
    return new Promise((resolve) => {
      worker.on('error', () => {}) // an order that no longer reached it
      worker.on('message', (message: unknown) => {
        if (!isFromWorker(message)) return
        if (message.sessd === 'file') return this.#options.onFile(message.file)
        if (this.#keptPorts === '' && this.#urls.length > 0 && `${message.urls}` !== `${this.#urls}`) {
          // All were gone, and with the last one the socket that they share: port = 0 has got another port.
          this.#keptPorts = portsOf(this.#urls)
          this.#end(worker, 'stop')
          return resolve(this.#fill(post))
        }
        this.#urls = message.urls
        if (this.#keptPorts !== '') this.#keptPorts = portsOf(this.#urls)
        clearTimeout(post.restart)
        if (post.worker !== undefined) this.#end(post.worker, 'retire')
        post.worker = worker
        if (this.#stopping) this.#end(worker, 'stop')
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

  /** One that does not end when it is told to, is killed: it may be in an endless loop. */
  #end(worker: Worker, order: 'stop' | 'retire'): void {
    tell(worker, order)
    const { longestEnd, say } = this.#options
    const timer = setTimeout(
      () => {
        say(`worker ${worker.process.pid} did not end within ${longestEnd / 1000} seconds, it is killed`)
        worker.process.kill('SIGKILL')
      },
      Math.min(longestEnd, LONGEST_TIMER),
    )
    worker.once('exit', () => clearTimeout(timer))
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

/** In their order, with commas between; nothing for a unix socket. */
function portsOf(urls: readonly string[]): string {
  return urls.map((url) => (url.startsWith('unix:') ? '' : new URL(url).port)).join(',')
}

function tell(worker: Worker, order: ToWorker): void {
  if (worker.isConnected()) worker.send(order, () => {})
}
