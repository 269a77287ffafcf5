// The settings of the session filter: every `beaker.session.*` key, its type, its default and what it does.

import * as type from '../config/converters.js'
import { type OptionTable, option, type Values } from '../config/options.js'

const cookieExpires: type.Converter<boolean | number> = {
  expected: 'true (until the browser is closed), false (never), or a time as in 300, 30m, 12h or 7d',
  parse(text) {
    const word = text.trim()
    return /^\d/.test(word) ? type.duration(1).parse(word) : type.boolean.parse(word)
  },
  accepts: (value): value is boolean | number =>
    typeof value === 'boolean' || type.duration(1).accepts(value),
}

/** `true`, `false` or `auto`. */
const secure = type.either(type.oneOf('auto'), type.boolean)

const sameSite = type.oneOf('Lax', 'Strict', 'None', 'false')

/** A cookie name: a token of RFC 9110, without `=`, spaces or separators. */
const cookieName: type.Converter<string> = {
  expected: "a cookie name: letters, digits and !#$%&'*+-.^_`|~",
  parse: (text) => (/^[\w!#$%&'*+\-.^`|~]+$/.test(text) ? text : undefined),
  accepts: (value): value is string => typeof value === 'string' && cookieName.parse(value) !== undefined,
}

const cookiePath: type.Converter<string> = {
  expected: 'a path that begins with /',
  parse: (text) => (/^\/[ -:<-~]*$/.test(text) ? text : undefined),
  accepts: (value): value is string => typeof value === 'string' && cookiePath.parse(value) !== undefined,
}

const domain: type.Converter<string> = {
  expected: 'a host name as in example.com',
  parse: (text) => (/^\.?[a-z0-9-]+(\.[a-z0-9-]+)*$/i.test(text.trim()) ? text.trim() : undefined),
  accepts: (value): value is string => typeof value === 'string' && domain.parse(value) !== undefined,
}

export const options = {
  type: option({
    type: type.oneOf('memory', 'file'),
    default: undefined,
    doc: 'Where sessions are kept. Without it: file if there is a data_dir (or a cache_dir), else memory.',
  }),
  key: option({ type: cookieName, default: 'beaker.session.id', doc: 'Name of the cookie.' }),
  secret: option({
    type: type.text,
    default: undefined,
    required: true,
    secret: true,
    doc: 'The key that signs cookies. `sessd secret` makes a good one.',
  }),
  data_dir: option({
    type: type.text,
    default: undefined,
    doc: "Directory of the file store. Pylons' cache_dir means cache_dir/sessions.",
  }),
  file_dir: option({
    type: type.text,
    default: undefined,
    doc: 'Directory of the session files themselves, in place of data_dir/container_file.',
  }),
  lock_dir: option({ type: type.text, default: undefined, doc: 'Directory of lock files.' }),
  fsync: option({
    type: type.boolean,
    default: false,
    doc: 'Whether a save waits until the disk has it: survives power loss, costs about half a millisecond.',
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
  cookie_expires: option({
    type: cookieExpires,
    default: true,
    unit: 'seconds',
    doc: 'How long browsers keep the cookie: true until they are closed, false for ever, or a time.',
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
    doc: 'Lax, Strict, None (needs secure = true), or false for no such attribute.',
  }),
} as const satisfies OptionTable

export type SessionOptions = Values<typeof options>
