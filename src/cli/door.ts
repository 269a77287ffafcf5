// The app that a running server calls, which may be exchanged for another one between two requests.

import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { App } from '../protocol.js'

interface Inside {
  readonly app: App
  /** Responses and upgraded sockets that are not closed yet. */
  busy: number
  onIdle: (() => void) | undefined
}

const INSIDE = Symbol('inside')

interface Marked {
  [INSIDE]?: Inside
}

export interface Door {
  readonly app: App
  /** From the next request on, `app` is called. Resolves when nobody is left in the one before. */
  exchange(app: App): Promise<void>
}

export function makeDoor(first: App): Door {
  let inside: Inside = { app: first, busy: 0, onIdle: undefined }
  const app: App = (req, res) => {
    enter(res, inside)
    return inside.app(req, res)
  }
  const upgrade: NonNullable<App['upgrade']> = (req, socket, head) => {
    enter(socket, inside)
    inside.app.upgrade!(req, socket, head)
  }
  Object.defineProperty(app, 'upgrade', { get: () => inside.app.upgrade && upgrade })
  return {
    app,
    exchange(next) {
      const before = inside
      inside = { app: next, busy: 0, onIdle: undefined }
      return new Promise((resolve) => {
        if (before.busy === 0) resolve()
        else before.onIdle = resolve
      })
    },
  }
}

function enter(to: (ServerResponse | Duplex) & Marked, inside: Inside): void {
  to[INSIDE] = inside
  inside.busy++
  to.on('close', leave)
}

/** One function for all: `this` is the response or socket. */
function leave(this: Marked): void {
  const inside = this[INSIDE]!
  if (--inside.busy === 0) inside.onIdle?.()
}
