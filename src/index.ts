// The public door.

export { ConfigError, ConfigErrors, OptionError, OptionErrors } from './config/errors.js'
export { type Option, type OptionTable, option, readOptions } from './config/options.js'
export { beakerSession } from './filters/beaker_session.js'
export { getSession, getSessionById, getSessionHandle, type RequestLike } from './filters/get-session.js'
export type { SessionHandle } from './filters/session-handle.js'
export { environ } from './http/environ.js'
export { appConfig, loadApp, loadFilter, loadServer } from './loader.js'
export type * from './protocol.js'
export { Session } from './session/session.js'
export type { SessionStore } from './session/store.js'
