// Beaker's rows. Beaker 1.12 changed what is stored without saying so, and 1.11 and 1.12 can't read each other: here
// both are read, in either serializer, and one of them, as configured, is written.

import { inflateSync } from 'node:zlib'
import { type Codec, CorruptSession, type Document, ForeignSession, UnstorableValue } from '../codec.js'
import { decodeBase64 } from './beaker-base64.js'
import type { BeakerCipher } from './beaker-cipher.js'
import { type BeakerContainer, unwrapS, wrapS } from './beaker-container.js'
import { dictEncoding, type Encoding, jsonEncoding, pickleEncoding } from './beaker-encoding.js'
import { quoteJson, splitJson, textOf } from './json-text.js'
import { readPickle } from './pickle-read.js'
import { sameData } from './plain-data.js'
import { readPythonJson } from './python-json.js'
import { MAX_VALUES, PythonObject, type PythonValue, requirePlain } from './python-value.js'

export interface BeakerFormat {
  /** `data_serializer`. Beaker 1.11 pickles in stores whatever this says, unless it encrypts. */
  readonly serializer: 'json' | 'pickle'
  /** `1.12` stands for 1.12 and later. */
  readonly version: '1.12' | '1.11'
  readonly container: BeakerContainer
  /** Encrypts what is written, and refuses what is not encrypted. */
  readonly cipher?: BeakerCipher | undefined
  /** How many bytes of JSON a row may inflate to; 16 MiB by default. */
  readonly maxInflated?: number | undefined
}

const MAX_INFLATED = 16 * 1024 * 1024

/** What Beaker keeps between the values of the app. */
const OWN_KEYS: ReadonlySet<string> = new Set(['_accessed_time', '_creation_time', '_domain', '_path', '_id'])

/** One member of a row as it was read: JSON that nobody parsed yet, or a Python value. */
type Cell = JsonText | PythonValue

class JsonText {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/**
 * Rows of Beaker. `_accessed_time`, `_creation_time`, `_domain`, `_path` and `_id` are the Document's own members and
 * refused as keys of the app. Times keep fractions of a millisecond, so that Python gets back what it wrote to within a
 * quarter of a microsecond. What JavaScript can't tell apart (1 and 1.0, tuple and list) is kept while nobody changes it.
 */
export function beakerCodec(format: BeakerFormat): Codec<string> | Codec<PythonValue> {
  if (format.version === '1.11' && format.cipher === undefined && format.container !== 'cookie') {
    return codecOf(format, dictEncoding)
  }
  return format.serializer === 'json' ? codecOf(format, jsonEncoding) : codecOf(format, pickleEncoding)
}

function codecOf<E>(format: BeakerFormat, encoding: Encoding<E>): Codec<E> {
  const { container, cipher, maxInflated = MAX_INFLATED } = format
  return {
    decode: (payload) => toDocument(readRow(payload, format, maxInflated), container, encoding),
    encode(document) {
      const members = new Map<string, E>()
      for (const [key, value] of ownMembers(document)) members.set(key, encoding.fromPython(value))
      for (const [key, value] of document.values) members.set(key, value)
      const s = encoding.write(members)
      if (s instanceof Map) return wrapS(container, s)
      return wrapS(container, cipher === undefined ? s.toString('base64') : cipher.encrypt(s))
    },
    thaw: encoding.thaw,
    freeze(key, value) {
      if (OWN_KEYS.has(key)) throw new UnstorableValue(key, 'a key that Beaker keeps for itself')
      return encoding.freeze(key, value)
    },
    same: (a, b) => a === b || sameData(encoding.thaw(a), encoding.thaw(b)),
  }
}

/** The members of a row, whichever Beaker and serializer wrote it. */
function readRow(payload: Uint8Array, format: BeakerFormat, maxInflated: number): ReadonlyMap<unknown, Cell> {
  const s = unwrapS(format.container, payload)
  if (s === null) return new Map()
  if (s instanceof Map) {
    if (format.cipher !== undefined) throw new CorruptSession('not encrypted, though encrypt_key is set')
    return s
  }
  const data = format.cipher === undefined ? decodeBase64(s) : format.cipher.decrypt(s)
  if (isZlib(data)) {
    const members = new Map<string, Cell>()
    for (const [key, text] of splitJson(textOf(inflate(data, maxInflated)), 'python')) {
      members.set(key, new JsonText(text))
    }
    return members
  }
  const dict = readPickle(data)
  if (dict instanceof PythonObject) throw new ForeignSession(`${dict} in place of a session`)
  if (!(dict instanceof Map)) throw new CorruptSession('a pickle that is no dict')
  return dict
}

/** Whether it begins as zlib.compress begins; no pickle of a dict does. */
function isZlib([first = 0, second = 0]: Uint8Array): boolean {
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0
}

function inflate(data: Uint8Array, maxOutputLength: number): Buffer {
  try {
    return inflateSync(data, { maxOutputLength })
  } catch (error) {
    const tooLarge = error instanceof RangeError
    throw new CorruptSession(tooLarge ? `more than ${maxOutputLength} bytes when inflated` : 'no zlib data')
  }
}

/** Throws ForeignSession, with the part that is plain data, when not all of it is. */
function toDocument<E>(
  members: ReadonlyMap<unknown, Cell>,
  container: BeakerContainer,
  encoding: Encoding<E>,
): Document<E> {
  const values = new Map<string, E>()
  const document: Document<E> = { created: null, accessed: null, values }
  const budget = { values: MAX_VALUES }
  let foreign: string | undefined
  for (const [key, cell] of members) {
    if (typeof key !== 'string') {
      foreign ??= 'a session key that is no str'
    } else if (OWN_KEYS.has(key)) {
      setOwn(document, key, cell instanceof JsonText ? readPythonJson(cell.text) : cell)
    } else if (container !== 'cookie' || key !== '_expires' || !isOldExpires(cell)) {
      try {
        if (!(cell instanceof JsonText)) requirePlain(cell, budget)
        values.set(key, cell instanceof JsonText ? encoding.fromJson(cell.text) : encoding.fromPython(cell))
      } catch (error) {
        if (!(error instanceof ForeignSession)) throw error
        foreign ??= `${error.message}, at session key ${quoteJson(key)}`
      }
    }
  }
  if (foreign !== undefined) throw new ForeignSession(foreign, document)
  return document
}

/** Beaker up to 1.13 keeps when a session cookie expires within it, and would make it again: True or a datetime. */
function isOldExpires(cell: Cell): boolean {
  if (cell instanceof JsonText) return cell.text === 'true'
  return cell === true || (cell instanceof PythonObject && cell.name === 'datetime.datetime')
}

function setOwn<E>(document: Document<E>, key: string, value: PythonValue): void {
  if (key === '_accessed_time') document.accessed = milliseconds(value)
  else if (key === '_creation_time') document.created = milliseconds(value)
  else if (value !== null && typeof value !== 'string') throw new CorruptSession(`${key} that is no text`)
  else if (key === '_domain') document.domain = value
  else if (key === '_path') document.path = value
  else document.id = value ?? undefined
}

function milliseconds(seconds: PythonValue): number | null {
  if (seconds === null) return null
  const time = typeof seconds === 'bigint' ? Number(seconds) : seconds
  if (typeof time !== 'number' || !Number.isFinite(time)) throw new CorruptSession('a time that is no number')
  return time * 1000
}

/** Beaker's own members of a document, in Beaker's order; a float stays a float. */
function* ownMembers(document: Document<unknown>): Generator<[key: string, value: PythonValue]> {
  const { domain, path, id, accessed, created } = document
  if (domain !== undefined) yield ['_domain', domain]
  if (path !== undefined) yield ['_path', path]
  if (id !== undefined) yield ['_id', id]
  if (accessed !== null) yield ['_accessed_time', accessed / 1000]
  if (created !== null) yield ['_creation_time', created / 1000]
}
