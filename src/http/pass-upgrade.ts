// For filters that have nothing to do with upgrades.

import type { App } from '../protocol.js'

/** `app`, which hands upgrades on to `next` as they come. */
export function passUpgrade(app: App, next: App): App {
  if (next.upgrade !== undefined) app.upgrade = (req, socket, head) => next.upgrade!(req, socket, head)
  return app
}
