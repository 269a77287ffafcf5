// The parts that sessd brings along, by the names that Python's INI files call them. Each is imported when a file first
// uses it, so a start pays only for what it mounts.

import type { Builtins } from './loader/index.js'

const http = async () => (await import('./servers/http.js')).factory
const urlmap = async () => (await import('./apps/urlmap.js')).factory
const proxy = async () => (await import('./apps/proxy.js')).factory
const beaker_session = async () => (await import('./filters/beaker_session.js')).factory

/** Eggs by name; case and `-`, `_`, `.` make no difference in an egg's name. */
export const builtins: Builtins = {
  sessd: {
    apps: { proxy },
    composites: { urlmap },
    filters: { beaker_session },
    servers: { http },
  },
  paste: {
    apps: { proxy },
    composites: { urlmap },
    servers: { http },
  },
  beaker: { filters: { beaker_session } },
  pastedeploy: {},
  waitress: { servers: { main: http } },
}
