// What a kind of Beaker store wraps around a session. S, the session itself, is a str (Beaker 1.12 and later, and
// whatever is encrypted) or the dict (1.11 and earlier, which ignored data_serializer there).

import { CorruptSession, ForeignSession } from '../codec.js'
import { textOf } from './json-text.js'
import { readPickle } from './pickle-read.js'
import { writePickle } from './pickle-write.js'
import { type PythonDict, PythonObject, type PythonValue } from './python-value.js'

/** Stores by what they wrap: the first line a pickle of {'session': S}, the second one of S, the third S as it is. */
export type BeakerContainer =
  | ('file' | 'database' | 'sqla')
  | ('redis' | 'rediscluster' | 'mongodb' | 'dbm' | 'memory')
  | ('memcached' | 'cookie')

/** S as it was found; null when the store has a row and no session in it, which Beaker takes for a new one. */
export type StoredS = string | PythonDict | null

interface Wrapping {
  wrap(s: string | PythonDict): Buffer
  unwrap(payload: Uint8Array): PythonValue
}

const SESSION = 'session'

const namespace: Wrapping = {
  wrap: (s) => writePickle(new Map([[SESSION, s]])),
  unwrap(payload) {
    const entries = readPickle(payload)
    if (!(entries instanceof Map)) return requireSession(entries)
    if (entries.size > (entries.has(SESSION) ? 1 : 0))
      throw new ForeignSession('more than a session in one row')
    return entries.get(SESSION) ?? null
  },
}

const value: Wrapping = { wrap: writePickle, unwrap: readPickle }

const text: Wrapping = {
  wrap: (s) => (typeof s === 'string' ? Buffer.from(s) : writePickle(s)),
  // memcached clients pickle the dict of 1.11; no pickle of a dict begins with a character of base64.
  unwrap: (payload) =>
    /[A-Za-z0-9+/]/.test(String.fromCharCode(payload[0] ?? 0)) ? textOf(payload) : readPickle(payload),
}

const WRAPPINGS: Readonly<Record<BeakerContainer, Wrapping>> = {
  file: namespace,
  database: namespace,
  sqla: namespace,
  redis: value,
  rediscluster: value,
  mongodb: value,
  dbm: value,
  memory: value,
  memcached: text,
  cookie: text,
}

/** The bytes that such a store keeps for S. */
export function wrapS(container: BeakerContainer, s: string | PythonDict): Buffer {
  return WRAPPINGS[container].wrap(s)
}

/** S out of the bytes of such a store. Throws CorruptSession, or ForeignSession when it is a Python object. */
export function unwrapS(container: BeakerContainer, payload: Uint8Array): StoredS {
  return requireSession(WRAPPINGS[container].unwrap(payload))
}

function requireSession(found: PythonValue): StoredS {
  if (found === null || typeof found === 'string' || found instanceof Map) return found
  if (found instanceof PythonObject) throw new ForeignSession(`${found} in place of a session`)
  throw new CorruptSession('a pickle that is no session')
}

/** The flags that Beaker's memcached clients expect: 16 says text, 1 says pickle. */
export function memcachedFlags(payload: Uint8Array): 1 | 16 {
  return payload[0] === 0x80 ? 1 : 16
}
