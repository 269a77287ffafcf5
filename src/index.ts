// The public door.

export { type ProxySettings, proxy } from './apps/proxy.js'
export { type UrlmapOptions, urlmap } from './apps/urlmap.js'
export { ConfigError, ConfigErrors, OptionError, OptionErrors } from './config/errors.js'
export { type Option, type OptionTable, option, readOptions } from './config/options.js'
export { beakerSession } from './filters/beaker_session.js'
export {
  getSession,
  getSessionById,
  getSessionHandle,
  login,
  type RequestLike,
  revokeAll,
  sessionsOf,
} from './filters/get-session.js'
export type { SessionHandle } from './filters/session-handle.js'
export { environ } from './http/environ.js'
export { type GuardOptions, guard } from './http/guard.js'
export { appConfig, loadApp, loadFilter, loadServer } from './loader.js'
export type * from './protocol.js'
export { type ListenOptions, listen } from './servers/http.js'
export { Session } from './session/session.js'
export type { SessionStore } from './session/store.js'
