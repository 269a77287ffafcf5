// `sessd/session`: sessions without INI and without HTTP. Bring a store and ids that you trust; get dictionaries that
// lose no update.

export { type Clock, systemClock } from './clock.js'
export { type Codec, CorruptSession, type Document, ForeignSession, UnstorableValue } from './codec.js'
export { sessdCodec } from './codecs/sessd.js'
export type { SessionEvent } from './events.js'
export { isId, makeId } from './id.js'
export { Session } from './session.js'
export type { SessionSettings } from './settings.js'
export { makeSigner, type Signer, type Verified } from './signer.js'
export { SessionState } from './state.js'
export type { Revision, SaveOptions, SaveResult, SessionStore, StoredSession } from './store.js'
export { StoredSessions, type StoredSessionsOptions } from './stored-sessions.js'
export { fileStore } from './stores/file.js'
export { memoryStore } from './stores/memory.js'
