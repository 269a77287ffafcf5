// The parts that sessd brings along, by the names that Python's INI files call them. Each is imported when a file first
// uses it, so a start pays only for what it mounts.

import type { Builtins } from './loader/index.js'

const http = async () => (await import('./servers/http.js')).factory
const cascade = async () => (await import('./apps/cascade.js')).factory
const redirect = async () => (await import('./apps/redirect.js')).factory
const staticFiles = async () => (await import('./apps/static.js')).factory
const test = async () => (await import('./apps/test.js')).factory
const transparent_proxy = async () => (await import('./apps/transparent_proxy.js')).factory
const urlmap = async () => (await import('./apps/urlmap.js')).factory
const proxy = async () => (await import('./apps/proxy.js')).factory
const beaker_session = async () => (await import('./filters/beaker_session.js')).factory
const auth_basic = async () => (await import('./filters/auth_basic.js')).factory
const auth_tkt = async () => (await import('./filters/auth_tkt.js')).factory
const config = async () => (await import('./filters/config.js')).factory
const context = async () => (await import('./filters/context.js')).factory
const csrf = async () => (await import('./filters/csrf.js')).factory
const grantip = async () => (await import('./filters/grantip.js')).factory
const healthz = async () => (await import('./filters/healthz.js')).factory
const lang = async () => (await import('./filters/lang.js')).factory
const lint = async () => (await import('./filters/lint.js')).factory
const metrics = async () => (await import('./filters/metrics.js')).factory
const mount = async () => (await import('./filters/mount.js')).factory
const pony = async () => (await import('./filters/pony.js')).factory
const recursive = async () => (await import('./filters/recursive.js')).factory
const error_catcher = async () => (await import('./filters/error_catcher.js')).factory
const errordocument = async () => (await import('./filters/errordocument.js')).factory
const evalerror = async () => (await import('./filters/evalerror.js')).factory
const gzip = async () => (await import('./filters/gzip.js')).factory
const httpexceptions = async () => (await import('./filters/httpexceptions.js')).factory
const prefix = async () => (await import('./filters/prefix.js')).factory
const translogger = async () => (await import('./filters/translogger.js')).factory

/** Eggs by name; case and `-`, `_`, `.` make no difference in an egg's name. */
export const builtins: Builtins = {
  sessd: {
    apps: { proxy, redirect, static: staticFiles, test, transparent_proxy },
    composites: { cascade, urlmap },
    filters: {
      auth_basic,
      auth_tkt,
      config,
      context,
      csrf,
      grantip,
      healthz,
      lang,
      lint,
      metrics,
      mount,
      pony,
      recursive,
      error_catcher,
      errordocument,
      evalerror,
      gzip,
      httpexceptions,
      prefix,
      translogger,
      beaker_session,
    },
    servers: { http },
  },
  paste: {
    filters: {
      auth_basic,
      auth_tkt,
      config,
      grantip,
      lint,
      pony,
      recursive,
      error_catcher,
      errordocument,
      evalerror,
      gzip,
      httpexceptions,
      translogger,
    },
    apps: { proxy, static: staticFiles, test, transparent_proxy },
    composites: { cascade, urlmap },
    servers: { http },
  },
  beaker: { filters: { beaker_session } },
  pastedeploy: { filters: { config, prefix } },
  waitress: { servers: { main: http } },
}

/** The settings of parts, by the parts' names, and of [logging]: for listings, each imported when it is asked for. */
export const optionTables = {
  auth_basic: async () => (await import('./filters/auth_basic.js')).options,
  auth_tkt: async () => (await import('./filters/auth_tkt.js')).options,
  beaker_session: async () => (await import('./filters/beaker_session.js')).options,
  cascade: async () => (await import('./apps/cascade.js')).options,
  csrf: async () => (await import('./filters/csrf.js')).options,
  error_catcher: async () => (await import('./filters/error_catcher.js')).options,
  evalerror: async () => (await import('./filters/evalerror.js')).options,
  grantip: async () => (await import('./filters/grantip.js')).options,
  gzip: async () => (await import('./filters/gzip.js')).options,
  healthz: async () => (await import('./filters/healthz.js')).options,
  http: async () => (await import('./servers/http.js')).options,
  lang: async () => (await import('./filters/lang.js')).options,
  metrics: async () => (await import('./filters/metrics.js')).options,
  logging: async () => (await import('./loader/logging.js')).options,
  mount: async () => (await import('./filters/mount.js')).options,
  prefix: async () => (await import('./filters/prefix.js')).options,
  proxy: async () => (await import('./apps/proxy.js')).options,
  redirect: async () => (await import('./apps/redirect.js')).options,
  static: async () => (await import('./apps/static.js')).options,
  translogger: async () => (await import('./filters/translogger.js')).options,
  transparent_proxy: async () => (await import('./apps/transparent_proxy.js')).options,
}
