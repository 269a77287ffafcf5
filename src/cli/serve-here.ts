// Serves from this process: alone, or as one of the workers. Whoever calls says when it has to stop, and with what grace.

import { ConfigError } from '../config/errors.js'
import type { ConfigLoader, ConfigWarning, Loaded, LoadOptions } from '../loader.js'
import type { App, Conf, Filter, RunningServer } from '../protocol.js'
import type { Target } from './arguments.js'
import { type Door, makeDoor } from './door.js'

export interface Serving {
  readonly target: Target
  readonly serverName: string | undefined
  /** Settings of the server's section: `-p` and `-H`. */
  readonly localConf: Conf
  readonly env: NodeJS.ProcessEnv
  /** How many processes serve the same. */
  readonly workers: number
  onWarning(warning: ConfigWarning): void
}

/** A server that runs, with all that was loaded for it. */
export interface Served {
  readonly running: RunningServer
  /** The INI files that were read. */
  readonly files: readonly string[]
  /** Loads the files once more and has the next request answered by that. Rejects, and changes nothing, if they are bad. */
  reload(): Promise<void>
  /** Ends the server, then closes all that was made. */
  close(how?: { readonly patient?: boolean }): Promise<void>
}

/** How long in milliseconds an app that was exchanged may have requests left before it is closed all the same. */
const LONGEST_REST = 60_000

export async function serveHere(
  given: Serving,
  onFiles: (files: readonly string[]) => void,
): Promise<Served> {
  const { createLoader } = await import('../loader.js')
  const makeLoader = () => createLoader({ env: given.env, onWarning: given.onWarning })
  const { uri, name, globalConf } = given.target
  const how: LoadOptions = { name: given.serverName, globalConf, localConf: given.localConf }
  const loadApp = async (loader: ConfigLoader) => {
    const app = await loader.load('app', uri, { name, globalConf })
    checkScope(app, given)
    return app.value!
  }
  let loader = makeLoader()
  const serverLoader = makeLoader()
  let door: Door
  let running: RunningServer
  try {
    const server = await serverLoader.load('server', uri, how)
    door = makeDoor(await loadApp(loader))
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
    get files() {
      return loader.files
    },
    async reload() {
      const next = makeLoader()
      let app: App
      try {
        app = await loadApp(next)
        await running.reload?.()
      } catch (error) {
        await next.close()
        throw error
      }
      const before = loader
      loader = next
      const rest = closeWhenIdle(before, door.exchange(app)).finally(() => resting.delete(rest))
      resting.add(rest)
    },
    async close(how) {
      await running.close(how)
      await Promise.all(resting)
      await closeAll(loader, serverLoader)
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

async function closeAll(...loaders: readonly ConfigLoader[]): Promise<void> {
  for (const loader of loaders) await loader.close()
}

/** Sessions in the memory of one of several workers would be lost for most requests. */
function checkScope({ made }: Loaded<App>, { workers, target }: Serving): void {
  if (workers < 2) return
  for (const { sessions } of made as readonly Partial<Filter>[]) {
    if (sessions?.scope !== 'process') continue
    const reason =
      `the sessions of the cookie "${sessions.name}" are kept in the memory of one process, and each of ${workers} ` +
      'workers would have its own: set beaker.session.type to file, redis, memcached or a database, or workers to 1'
    throw new ConfigError('option', reason, { file: target.file })
  }
}
