// The public door.

export { type CascadeOptions, cascade } from './apps/cascade.js'
export { type FetchEnv, type FetchHandler, fetchApp } from './apps/fetch.js'
export { type ProxySettings, proxy } from './apps/proxy.js'
export { type RedirectSettings, redirect } from './apps/redirect.js'
export { type StaticSettings, staticFiles } from './apps/static.js'
export { testApp } from './apps/test.js'
export { transparentProxy } from './apps/transparent_proxy.js'
export { type UrlmapOptions, urlmap } from './apps/urlmap.js'
export { ConfigError, ConfigErrors, OptionError, OptionErrors } from './config/errors.js'
export { type Logger, logger } from './config/logging.js'
export { type Option, type OptionTable, option, readOptions } from './config/options.js'
export { type AuthFunction, authBasic } from './filters/auth_basic.js'
export { authTkt } from './filters/auth_tkt.js'
export { beakerSession } from './filters/beaker_session.js'
export { config } from './filters/config.js'
export { context } from './filters/context.js'
export { csrf, csrfField, csrfToken, isCsrfToken } from './filters/csrf.js'
export { errorCatcher } from './filters/error_catcher.js'
export { errordocument } from './filters/errordocument.js'
export {
  getSession,
  getSessionById,
  getSessionHandle,
  login,
  type RequestLike,
  revokeAll,
  sessionsOf,
} from './filters/get-session.js'
export { grantip } from './filters/grantip.js'
export { gzip } from './filters/gzip.js'
export { healthz } from './filters/healthz.js'
export { httpexceptions } from './filters/httpexceptions.js'
export { type Language, lang, language } from './filters/lang.js'
export { LintError, type LintOptions, lint } from './filters/lint.js'
export { metrics } from './filters/metrics.js'
export { mount } from './filters/mount.js'
export { pony } from './filters/pony.js'
export { prefix } from './filters/prefix.js'
export { ForwardRequestException, type Included, recursive } from './filters/recursive.js'
export type { SessionHandle } from './filters/session-handle.js'
export { translogger } from './filters/translogger.js'
export { isDraining } from './http/draining.js'
export { environ } from './http/environ.js'
export { type GuardOptions, guard } from './http/guard.js'
export { appConfig, loadApp, loadFilter, loadServer } from './loader.js'
export type * from './protocol.js'
export { type ListenOptions, listen } from './servers/http.js'
export { Session } from './session/session.js'
export type { SessionStore } from './session/store.js'
export { toExpressStore } from './session/to-express-store.js'
