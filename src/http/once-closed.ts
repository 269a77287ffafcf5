// How our parts wait for the end of a response. Node warns of a leak at the eleventh listener of one kind, and
// `stream.pipeline` alone adds seven for 'close': what we listen for must take nothing of what an app may add.

import type { EventEmitter } from 'node:events'

/** Calls `listener` when `res` is closed, once; `res` may have one listener more for it. Take it off with `res.off`. */
export function onceClosed(res: EventEmitter, listener: () => void): void {
  const most = res.getMaxListeners()
  if (most !== 0) res.setMaxListeners(most + 1) // 0 stands for any number
  res.once('close', listener)
}
