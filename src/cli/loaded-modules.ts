// Which modules of the user this process has loaded. Node keeps no list of ES modules, so its loader is asked to tell.

import * as nodeModule from 'node:module'
import { sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MessageChannel } from 'node:worker_threads'

/** Node has it from 22.15 on; the types that we build with are older. */
interface SyncHooks {
  registerHooks?(hooks: {
    load(url: string, context: unknown, next: (url: string, context: unknown) => unknown): unknown
  }): void
}

const HOOKS = `
let port
export const initialize = (given) => { port = given }
export const load = (url, context, next) => { port.postMessage(url); return next(url, context) }
`

const OUR_OWN = fileURLToPath(new URL('../', import.meta.url))

/** From now on hears of each module of the user as it is loaded, those of node_modules left out. */
export function hearModules(hear: (file: string) => void): void {
  const onUrl = (url: string) => {
    if (!url.startsWith('file:')) return
    const file = fileURLToPath(url)
    if (isOfUser(file)) hear(file)
  }
  const { registerHooks } = nodeModule as SyncHooks
  if (registerHooks !== undefined) {
    registerHooks({
      load(url, context, next) {
        onUrl(url)
        return next(url, context)
      },
    })
    return
  }
  const { port1, port2 } = new MessageChannel()
  nodeModule.register(`data:text/javascript,${encodeURIComponent(HOOKS)}`, {
    data: port2,
    transferList: [port2],
  })
  port1.on('message', onUrl)
  port1.unref()
}

/** The CommonJS modules of the user that are loaded by now: those that require() loads pass older Nodes' hooks by. */
export function requiredModules(): string[] {
  return Object.keys(nodeModule.createRequire(import.meta.url).cache).filter(isOfUser)
}

function isOfUser(file: string): boolean {
  return !file.includes(`${sep}node_modules${sep}`) && !file.startsWith(OUR_OWN)
}
