// egg:sessd#context: the running request's session without passing the request around, in Pylons' style. Belongs inside
// of the session. Sugar: everything else of sessd works on the request itself and doesn't need it.

import { AsyncLocalStorage } from 'node:async_hooks'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { readOptions } from '../config/options.js'
import { environ as environOf } from '../http/environ.js'
import type { App, Conf, Environ, Filter } from '../protocol.js'
import type { Session } from '../session/session.js'
import { getSession } from './get-session.js'

/** One for the process: bundlers (Next's) put a second copy of this file into apps, which has to find it. */
const KEY = Symbol.for('sessd.context')
const shared = globalThis as { [KEY]?: AsyncLocalStorage<IncomingMessage> }
shared[KEY] ??= new AsyncLocalStorage()
const requests = shared[KEY]

/** egg:sessd#context: no settings. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  readOptions({}, localConf)
  return context()
}

/** The same for use in code: `context()(app)`. */
export function context(): Filter {
  return (next) => {
    const app: App = (req, res) => {
      keepFor(req, req)
      keepFor(req, res)
      return requests.run(req, next, req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        keepFor(req, socket)
        return requests.run(req, () => next.upgrade!(req, socket, head))
      }
    }
    return app
  }
}

/** Listeners of a body are called by the socket, which knows no request: body parsers would lose it. */
function keepFor(req: IncomingMessage, emitter: EventEmitter): void {
  const { emit } = emitter
  emitter.emit = (...args) => requests.run(req, () => emit.apply(emitter, args))
}

/** The request that is being handled. Throws outside of one. */
export function request(): IncomingMessage {
  const req = requests.getStore()
  if (req !== undefined) return req
  throw new Error(
    'no request is being handled here: no context filter is in front of the app (in an INI: use = egg:sessd#context), ' +
      'or this runs outside of a request',
  )
}

/** The session of the request that is being handled; see getSession. */
export function session<T extends object = Record<string, unknown>>(
  environKey?: string,
): Promise<Session<T>> {
  return getSession<T>(request(), environKey)
}

/** The environ of the request that is being handled. */
export function environ(): Environ {
  return environOf(request())
}
