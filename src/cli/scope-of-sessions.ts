// Sessions in the memory of one of several workers would be lost for most requests: `serve` refuses them, `check` tells.

import type { Filter } from '../protocol.js'

/** Why so many workers can't share the sessions of what was made; undefined when they can. */
export function unsharedSessions(made: readonly object[], workers: number): string | undefined {
  if (workers < 2) return undefined
  const unshared = (made as readonly Partial<Filter>[]).find(({ sessions }) => sessions?.scope === 'process')
  if (unshared === undefined) return undefined
  return (
    `the sessions of the cookie "${unshared.sessions!.name}" are kept in the memory of one process, and each of ` +
    `${workers} workers would have its own: set beaker.session.type to file, ext:redis, ext:memcached or ` +
    'ext:database, or workers to 1'
  )
}
