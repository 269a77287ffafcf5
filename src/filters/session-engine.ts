// From settings to the engine behind the filter: which store, which format, which keys.

import { join } from 'node:path'
import { OptionError } from '../config/errors.js'
import { type Clock, systemClock } from '../session/clock.js'
import type { Codec } from '../session/codec.js'
import { beakerIdSigner } from '../session/codecs/beaker-cookie.js'
import { CookieSessions } from '../session/cookie-sessions.js'
import { guardedStore } from '../session/guarded-store.js'
import { Session } from '../session/session.js'
import { blankDocument, type SessionSettings } from '../session/settings.js'
import { makeSigner } from '../session/signer.js'
import type { Engine } from '../session/state.js'
import type { SessionStore } from '../session/store.js'
import { StoredSessions } from '../session/stored-sessions.js'
import { fileStore } from '../session/stores/file.js'
import { beakerLockOptions } from '../session/stores/file-flock.js'
import { isMemoryStore, memoryStore } from '../session/stores/memory.js'
import { expressSession, type Takeover, translate } from '../session/takeover.js'
import { importExport } from './own-export.js'
import { containerOf, makeCodec, makeSeal, signingKeys, storeType } from './session-formats.js'
import type { SessionOptions } from './session-options.js'
import { MAX_PARTS, PART_LENGTH } from './session-ticket.js'

/** What can't be written in a file. */
export interface CodeOptions {
  /** A store of your own, in place of `type`. The filter closes it. */
  readonly store?: SessionStore | undefined
  /** A format of your own, in place of `format`. */
  readonly codec?: Codec<unknown> | undefined
  /** A subclass of Session of yours. */
  readonly sessionClass?: typeof Session | undefined
  readonly clock?: Clock | undefined
}

const name = (key: string) => `beaker.session.${key}`

/** Imports what the settings name by `file:./x.js#Name`, relative to `directory`. Rejects with OptionError. */
export async function importOwn(given: SessionOptions, directory: string): Promise<CodeOptions> {
  const { namespace_class, data_serializer, session_class } = given
  const own: { -readonly [K in keyof CodeOptions]: CodeOptions[K] } = {}
  if (namespace_class !== undefined) {
    const makeStore = await importExport(name('namespace_class'), namespace_class, directory)
    if (typeof makeStore !== 'function')
      throw new OptionError(name('namespace_class'), 'expected a function that makes a store')
    own.store = await makeStore(given)
  }
  if (typeof data_serializer === 'object') {
    own.codec = (await importExport(name('data_serializer'), data_serializer, directory)) as Codec<unknown>
    if (typeof own.codec?.decode !== 'function')
      throw new OptionError(
        name('data_serializer'),
        'expected a Codec: an object with decode, encode, thaw, freeze and same',
      )
  }
  if (session_class !== undefined) {
    const found = await importExport(name('session_class'), session_class, directory)
    if (!(typeof found === 'function' && found.prototype instanceof Session))
      throw new OptionError(name('session_class'), 'expected a subclass of Session')
    own.sessionClass = found as typeof Session
  }
  return own
}

/** Makes the engine. Throws OptionError for settings that don't go together. */
export function makeEngine(given: SessionOptions, code: CodeOptions): Engine {
  const clock = code.clock ?? systemClock
  const settings = makeSettings(given)
  return given.type === 'cookie' && code.store === undefined
    ? cookieEngine(given, code, clock, settings)
    : storedEngine(given, code, clock, settings)
}

function storedEngine(
  given: SessionOptions,
  code: CodeOptions,
  clock: Clock,
  settings: SessionSettings,
): Engine {
  if (given.hash_ids && given.format !== 'sessd') {
    throw new OptionError(
      name('hash_ids'),
      `format = ${given.format} keeps rows under the ids that Python looks for: hash_ids needs format = sessd`,
    )
  }
  const keys = signingKeys(given)
  const bare = code.store ?? makeStore(given, clock, settings)
  // The scope says nothing of that: a store for express-session is this process' own, and its server is elsewhere.
  const store = isMemoryStore(bare) ? bare : guardedStore(bare, { timeout: given.store_timeout * 1000 })
  return new StoredSessions<unknown>({
    store,
    users: given.format === 'sessd' ? { limit: given.max_sessions_per_user } : undefined,
    lockLimit: given.lock_timeout * 1000,
    hashIds: given.hash_ids,
    codec: code.codec ?? (makeCodec(given, containerOf(given)) as Codec<unknown>),
    signer: given.format === 'sessd' ? makeSigner(given.key, keys) : beakerIdSigner(keys),
    clock,
    settings,
    takeover: makeTakeover(given, store, clock, settings),
    sweepInterval: given.sweep_interval === 0 ? undefined : given.sweep_interval * 1000,
  })
}

function makeTakeover(
  given: SessionOptions,
  store: SessionStore,
  clock: Clock,
  settings: SessionSettings,
): Takeover<unknown> | undefined {
  if (given.accept === undefined) return undefined
  if (given.format !== 'sessd') {
    throw new OptionError(
      name('accept'),
      `format = ${given.format} writes what others read: accept needs format = sessd`,
    )
  }
  const keys = signingKeys(given)
  if (given.accept === 'express-session') return expressSession(store, keys, clock) as Takeover<unknown>
  const theirs: SessionOptions = { ...given, format: 'beaker' }
  const codec = makeCodec(theirs, containerOf(theirs)) as Codec<unknown>
  const signer = beakerIdSigner(keys)
  return {
    store: storeType(given) === 'file' ? makeStore(theirs, clock, settings) : store,
    verify: (value) => signer.verify(value)?.id ?? null,
    decode: (payload) => translate(codec, codec.decode(payload)),
    vacant: codec.encode(blankDocument(settings)),
  }
}

function cookieEngine(
  given: SessionOptions,
  code: CodeOptions,
  clock: Clock,
  settings: SessionSettings,
): Engine {
  if (given.accept !== undefined) {
    throw new OptionError(
      name('accept'),
      'type = cookie keeps no rows: accept needs sessions that are kept in a store',
    )
  }
  return new CookieSessions<unknown>({
    codec: code.codec ?? (makeCodec(given, 'cookie') as Codec<unknown>),
    seal: makeSeal(given),
    clock,
    settings,
    revocations: makeRevocations(given, clock),
    maxLength: given.format !== 'sessd' || given.overflow === 'error' ? ONE_COOKIE : ALL_PARTS,
  })
}

/** Browsers take 4096 characters for name, value and attributes together; Beaker has a limit of its own below. */
const ONE_COOKIE = 4096
/** See splitValue: the first part tells in two characters how many there are. */
const ALL_PARTS = MAX_PARTS * PART_LENGTH - 2

function makeSettings(given: SessionOptions): SessionSettings {
  const timeout = milliseconds(given.timeout)
  return {
    timeout,
    absoluteTimeout: milliseconds(given.absolute_timeout),
    touchAfter: given.save_accessed_time
      ? (milliseconds(given.touch_after) ?? (timeout === null ? null : timeout / 10))
      : null,
    auto: given.auto,
    invalidateCorrupt: given.invalidate_corrupt,
    onStoreError: given.on_store_error,
    failOnConflict: given.on_conflict === 'fail',
    maxBytes: given.max_bytes,
    touchRewrites: given.format !== 'sessd',
    newDomain: given.format === 'sessd' ? undefined : (given.cookie_domain ?? null),
    newPath: given.format === 'sessd' ? undefined : given.cookie_path,
  }
}

function makeStore(given: SessionOptions, clock: Clock, settings: SessionSettings): SessionStore {
  const type = storeType(given)
  if (type === 'memory') return memoryStore({ clock, maxSessions: given.max_sessions })
  if (type !== 'file') {
    throw new OptionError(
      name('type'),
      `in code, give the store itself in place of type = ${type}: { store }`,
    )
  }
  const bare = given.format !== 'sessd'
  return fileStore({
    directory: fileDirectory(given),
    lockDirectory: given.lock_dir,
    flock: beakerLockOptions(given, bare),
    timeout: given.store_timeout * 1000,
    fsync: given.fsync,
    bare,
    lifetime: settings.timeout,
    clock,
  })
}

function fileDirectory(given: SessionOptions): string {
  if (given.file_dir !== undefined) return given.file_dir
  if (given.data_dir !== undefined) return join(given.data_dir, 'container_file')
  throw new OptionError(name('data_dir'), 'missing: type = file needs a directory')
}

function makeRevocations(given: SessionOptions, clock: Clock): SessionStore | null {
  if (given.revoke === 'off') return null
  if (given.revoke === 'memory') return memoryStore({ clock })
  return fileStore({
    directory: fileDirectory(given),
    lockDirectory: given.lock_dir,
    fsync: given.fsync,
    clock,
  })
}

function milliseconds(seconds: number | undefined): number | null {
  return seconds === undefined ? null : seconds * 1000
}
