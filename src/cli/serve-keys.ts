// What the keys of a terminal do to a server that runs there.

import { hasKeys, KEYS, tapKeys } from './keys.js'
import type { EndTap } from './process-events.js'
import { shortName } from './report.js'
import type { Serve } from './serve-given.js'
import type { Served } from './serve-here.js'
import { drawTrees } from './tree.js'

/** Hears keys. `tree` prints, or has somebody print, what is composed. */
export function tapServeKeys({ cli }: Serve, tree: () => void): EndTap {
  return tapKeys({ tree, help: () => cli.say(KEYS), newLine: () => cli.say('') })
}

/** To be said once, when the server runs. */
export function tellKeys({ cli, loud }: Serve): void {
  if (loud && hasKeys()) cli.say(KEYS)
}

/** Prints what is served now as `sessd show` does. */
export function printTree({ cli }: Serve, { nodes }: Served): void {
  const fileName = (path: string) => shortName(path, cli)
  cli.print(drawTrees(nodes, { settings: false, columns: cli.columns, paint: cli.paintOut, fileName }))
}
