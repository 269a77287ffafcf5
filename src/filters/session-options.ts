// The settings of the session filter: every `beaker.session.*` key, its type, its default and what it does.

import * as type from '../config/converters.js'
import { type Option, type OptionTable, option, type Values } from '../config/options.js'
import { options as fileOptions } from '../session/stores/file.js'
import { options as memoryOptions } from '../session/stores/memory.js'
import {
  asciiText,
  cookieExpires,
  cookieName,
  cookiePath,
  domain,
  idSources,
  nothing,
  ownOr,
  sameSite,
  secure,
  storeName,
  text,
} from './session-converters.js'

/** Settings of Beaker that mean nothing here: taken, so that an INI loads unchanged, and ignored. */
function ignored(ignored: string): Option<string, undefined> {
  return option({ type: text, default: undefined, doc: `Ignored: ${ignored}.`, ignored })
}

export const options = {
  type: option({
    type: storeName,
    default: undefined,
    doc: 'Where sessions are kept. Without it: file if there is a data_dir (or a cache_dir), else memory.',
  }),
  format: option({
    type: type.oneOf('sessd', 'beaker', 'beaker-1.11'),
    default: 'sessd',
    doc: 'Whose cookies and rows: our own, those of Beaker 1.12 and later, or those of Beaker up to 1.11.',
  }),
  key: option({ type: cookieName, default: 'beaker.session.id', doc: 'Name of the cookie.' }),
  secret: option({
    type: type.text,
    default: undefined,
    secret: true,
    doc: 'The key that signs cookies. `sessd secret` makes a good one.',
  }),
  'secret.previous': option({
    type: type.words,
    default: [],
    secret: true,
    doc: 'Older secrets, divided by spaces: what they signed is still good, and is signed anew on use.',
  }),
  ...fileOptions,
  ...memoryOptions,
  max_bytes: option({
    type: type.bytes(256),
    default: 1024 * 1024,
    unit: 'bytes',
    doc: 'How large one stored session may be.',
  }),
  sweep_interval: option({
    type: type.duration(0),
    default: 300,
    unit: 'seconds',
    doc: 'How often expired rows are removed in the background. 0: never; see `sessd sessions purge`.',
  }),
  socket_check: option({
    type: type.duration(0),
    default: 30,
    unit: 'seconds',
    doc: 'How often it is looked whether the session of an open WebSocket is still there. 0: never; only what this process ends is noticed.',
  }),
  max_sessions_per_user: option({
    type: type.integer(1),
    default: undefined,
    doc: 'How many sessions one user may have (session.bindUser); the oldest are ended. Without it: any number.',
  }),
  timeout: option({
    type: type.duration(1),
    default: undefined,
    unit: 'seconds',
    doc: 'A session that is not used for so long is over. Without it: never.',
  }),
  absolute_timeout: option({
    type: type.duration(1),
    default: undefined,
    unit: 'seconds',
    doc: 'A session that is so old is over, used or not. Without it: never.',
  }),
  touch_after: option({
    type: type.duration(0),
    default: undefined,
    unit: 'seconds',
    doc: 'An access is recorded when the last one recorded is older than this. Without it: a tenth of timeout.',
  }),
  save_accessed_time: option({
    type: type.boolean,
    default: true,
    doc: 'Whether reading keeps a session alive. false: only saving does; timeout then counts from the last save.',
  }),
  auto: option({ type: type.boolean, default: false, doc: 'Whether changes are stored without save().' }),
  store_timeout: option({
    type: type.duration(1),
    default: 2,
    unit: 'seconds',
    doc: 'How long one operation of the store may take. A store that fails five times in a row is asked less often.',
  }),
  on_store_error: option({
    type: type.oneOf('error', 'readonly', 'anonymous'),
    default: 'error',
    doc: 'What a request gets whose session can not be loaded: an error, the session as last seen, or an empty one; the latter two can not be saved.',
  }),
  on_conflict: option({
    type: type.oneOf('merge', 'fail'),
    default: 'merge',
    doc: 'What happens when two requests change one session: both changes are kept, or the second request fails.',
  }),
  lock: option({
    type: type.oneOf('off', 'request'),
    default: 'off',
    doc: 'request: one request at a time per session, from loading it to the head of the response.',
  }),
  lock_timeout: option({
    type: type.duration(1),
    default: 10,
    unit: 'seconds',
    doc: 'How long a request waits for a locked session, and how long it may hold one.',
  }),
  save_on_exception: option({
    type: type.boolean,
    default: false,
    doc: 'Whether what a handler asked to save is stored although the handler threw.',
  }),
  invalidate_corrupt: option({
    type: type.boolean,
    default: true,
    doc: 'Whether a row that can not be read is set aside and the visitor starts anew; else the request fails.',
  }),
  hash_ids: option({
    type: type.boolean,
    default: false,
    doc: 'Whether the store knows sessions by a hash of their id, so that reading the store opens no session.',
  }),
  accept: option({
    type: type.oneOf('beaker', 'express-session'),
    default: undefined,
    doc: 'Takes over cookies and rows of another library with the same secret, once each: beaker or express-session.',
  }),
  use_cookies: option({
    type: type.boolean,
    default: true,
    doc: 'Whether ids travel in cookies. false means id_source = header:X-Session.',
  }),
  id_source: option({
    type: idSources,
    default: undefined,
    doc: 'Where a client may show its id: cookie, header:NAME, bearer. Without it: cookie.',
  }),
  cookie_expires: option({
    type: cookieExpires,
    default: true,
    unit: 'seconds',
    doc: 'How long browsers keep the cookie: true until they are closed, false for ever, or a time.',
  }),
  rolling: option({
    type: type.boolean,
    default: false,
    doc: 'Whether each answer that used the session sends the cookie anew, so that cookie_expires starts again.',
  }),
  cookie_domain: option({
    type: domain,
    default: undefined,
    doc: 'Domain of the cookie. Without it: this host alone.',
  }),
  cookie_path: option({ type: cookiePath, default: '/', doc: 'Path of the cookie.' }),
  secure: option({
    type: secure,
    default: 'auto',
    doc: 'Whether the cookie is for https alone. auto: when the request that makes it came by https.',
  }),
  httponly: option({
    type: type.boolean,
    default: true,
    doc: 'Whether scripts in pages are kept from the cookie.',
  }),
  samesite: option({
    type: sameSite,
    default: 'Lax',
    doc: 'Lax, Strict, None (needs secure), or false for no such attribute.',
  }),
  partitioned: option({
    type: type.boolean,
    default: false,
    doc: 'Whether the cookie is kept apart for each site that embeds this one (CHIPS; needs secure = true).',
  }),
  priority: option({
    type: type.oneOf('low', 'medium', 'high'),
    default: undefined,
    doc: "Which cookies go first when a browser has too many: Chrome's Priority attribute.",
  }),
  encrypt_key: option({
    type: asciiText,
    default: undefined,
    secret: true,
    doc: 'Encrypts sessions, in cookies and in stores. In Beaker formats needs validate_key.',
  }),
  validate_key: option({
    type: asciiText,
    default: undefined,
    secret: true,
    doc: 'The key that signs sessions of type = cookie. Without it: secret.',
  }),
  crypto_type: option({
    type: type.oneOf('default', 'pycrypto', 'nss', 'cryptography'),
    default: undefined,
    doc: 'The cipher of Beaker formats. Beaker takes what is installed; here it must be said.',
  }),
  encrypt_nonce_bits: option({
    type: type.integer(0, 1024),
    default: 128,
    doc: 'Bits of the nonce in Beaker formats: a multiple of 8; 48 before Beaker 1.8.',
  }),
  data_serializer: option({
    type: ownOr(type.oneOf('json', 'pickle')),
    default: undefined,
    doc: 'How Beaker formats write values: pickle (their default) or json; or a codec of yours.',
  }),
  revoke: option({
    type: type.oneOf('memory', 'store', 'off'),
    default: 'memory',
    doc: 'Where type = cookie remembers what was logged out: in this process, in data_dir, or nowhere.',
  }),
  overflow: option({
    type: type.oneOf('chunk', 'error'),
    default: 'chunk',
    doc: 'What type = cookie does with a session that one cookie can not hold: up to four cookies, or an error.',
  }),
  environ_key: option({
    type: type.text,
    default: 'beaker.session',
    doc: 'Under which name the session stands in the environ.',
  }),
  req_property: option({
    type: type.text,
    default: undefined,
    doc: 'Property of the request that holds the session too, as in req.session.',
  }),
  preload: option({
    type: type.boolean,
    default: false,
    doc: 'Whether the session is loaded before the app is called. With req_property: as express-session has it.',
  }),
  session_class: option({
    type: ownOr(nothing),
    default: undefined,
    doc: 'A subclass of Session of yours, as in file:./x.js#MySession.',
  }),
  namespace_class: option({
    type: ownOr(nothing),
    default: undefined,
    doc: 'A store of yours, as in file:./x.js#makeStore: called with the settings, it answers a SessionStore.',
  }),
  id: ignored('one id for all would be one session for all'),
  bind: ignored('an object of SQLAlchemy, which no INI can hold: ext:database takes a url'),
  table: ignored('an object of SQLAlchemy, which no INI can hold: ext:database takes a table_name'),
  log_file: ignored('Beaker does not use it either'),
  webtest_varname: ignored('for tests of Python apps'),
} as const satisfies OptionTable

/** The settings of the filter, and of the stores that it can make by itself. */
export type SessionOptions = Values<typeof options>
