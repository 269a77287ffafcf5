// Which servers are about to stop. A health check tells it, so that whoever sends requests here sends them elsewhere
// while there is still somebody to answer.

import type { IncomingMessage } from 'node:http'

const draining = new WeakSet<object>()

/** Says that `server` (a node:http or node:https one) will stop soon. */
export function startDraining(server: object): void {
  draining.add(server)
}

/** Whether the server that took `req` is about to stop: answer health checks with 503. */
export function isDraining(req: IncomingMessage): boolean {
  const { server } = req.socket as { server?: object }
  return server !== undefined && draining.has(server)
}
