// Serves from this process: alone, or as one of the workers. Whoever calls says when it has to stop, and with what grace.

import { ConfigError } from '../config/errors.js'
import {
  type ConfigLoader,
  type ConfigWarning,
  createLoader,
  type Loaded,
  type LoadOptions,
  type Node,
} from '../loader.js'
import type { App, Conf, RunningServer } from '../protocol.js'
import type { Target } from './arguments.js'
import { type Door, makeDoor } from './door.js'
import { unsharedSessions } from './scope-of-sessions.js'

export interface Serving {
  readonly target: Target
  readonly serverName: string | undefined
  /** Settings of the server's section: `-p` and `-H`. */
  readonly localConf: Conf
  readonly env: NodeJS.ProcessEnv
  /** How many processes serve the same. */
  readonly workers: number
  onWarning(warning: ConfigWarning): void
  /** Reads again how the file says to log; what it answers puts that into force. Rejects with ConfigError. */
  readLog(): Promise<() => Promise<void>>
}

/** A server that runs, with all that was loaded for it. */
export interface Served {
  readonly running: RunningServer
  /** The INI files that were read. */
  readonly files: readonly string[]
  /** The trees of the server and of the app that serves now. */
  readonly nodes: readonly Node[]
  /** Loads the files once more and has the next request answered by that. Rejects, and changes nothing, if they are bad. */
  reload(): Promise<void>
  /** Ends the server, then closes all that was made. */
  close(how?: { readonly patient?: boolean }): Promise<void>
}

/** How long in milliseconds an app that was exchanged may have requests left before it is closed all the same. */
const LONGEST_REST = 60_000

/** How long in milliseconds apps and filters may take to close when the last request is answered. */
export const LONGEST_GOODBYE = 5000

export async function serveHere(
  given: Serving,
  onFiles: (files: readonly string[]) => void,
): Promise<Served> {
  const makeLoader = () => createLoader({ env: given.env, onWarning: given.onWarning })
  const { uri, name, globalConf } = given.target
  const how: LoadOptions = { name: given.serverName, globalConf, localConf: given.localConf }
  const nodes: Node[] = []
  const loadApp = async (loader: ConfigLoader) => {
    const app = await loader.load('app', uri, { name, globalConf })
    checkScope(app, given)
    return { app: app.value!, node: app.node! }
  }
  let loader = makeLoader()
  const serverLoader = makeLoader()
  let door: Door
  let running: RunningServer
  try {
    const server = await serverLoader.load('server', uri, how)
    nodes[0] = server.node!
    const { app, node } = await loadApp(loader)
    nodes[1] = node
    door = makeDoor(app)
    running = await server.value!(door.app)
  } catch (error) {
    await closeAll(loader, serverLoader)
    throw error
  } finally {
    onFiles([...serverLoader.files, ...loader.files])
  }
  const resting = new Set<Promise<void>>()
  return {
    running,
    nodes,
    get files() {
      return loader.files
    },
    async reload() {
      const next = makeLoader()
      let loaded: { app: App; node: Node }
      try {
        const useLog = await given.readLog()
        loaded = await loadApp(next)
        await running.reload?.()
        await useLog()
      } catch (error) {
        await next.close()
        throw error
      }
      const before = loader
      loader = next
      nodes[1] = loaded.node
      const rest = closeWhenIdle(before, door.exchange(loaded.app)).finally(() => resting.delete(rest))
      resting.add(rest)
    },
    async close(how) {
      await running.close(how)
      await endSoon(Promise.all(resting).then(() => closeAll(loader, serverLoader)))
    },
  }
}

async function closeWhenIdle(loader: ConfigLoader, idle: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([
    idle,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LONGEST_REST).unref()
    }),
  ])
  clearTimeout(timer)
  await loader.close()
}

/** An app that never closes must not keep a process whose work is done. */
async function endSoon(ending: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const sentence = `what was to be closed in the end did not close within ${LONGEST_GOODBYE / 1000} seconds`
    timer = setTimeout(() => reject(new Error(sentence)), LONGEST_GOODBYE)
  })
  await Promise.race([ending, late]).finally(() => clearTimeout(timer))
}

async function closeAll(...loaders: readonly ConfigLoader[]): Promise<void> {
  for (const loader of loaders) await loader.close()
}

function checkScope({ made }: Loaded<App>, { workers, target }: Serving): void {
  const reason = unsharedSessions(made, workers)
  if (reason !== undefined) throw new ConfigError('option', reason, { file: target.file })
}
