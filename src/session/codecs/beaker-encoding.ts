// The three ways in which Beaker writes a session dict, each with its own form `E` of one encoded value.

import { deflateSync } from 'node:zlib'
import { writePickle } from './pickle-write.js'
import { requireStorable } from './plain-data.js'
import { quotePythonJson, readPythonJson, thawPythonJson, writePythonJson } from './python-json.js'
import {
  freezePython,
  PICKLE_REACH,
  PYTHON_JSON_REACH,
  type PythonDict,
  type PythonValue,
  thawPython,
} from './python-value.js'

export interface Encoding<E> {
  /** Takes over a value of a row that was JSON: a text that has been checked. */
  fromJson(text: string): E
  /** Takes over a value of a row that was a pickle. Throws ForeignSession for what this way can't hold. */
  fromPython(value: PythonValue): E
  /** All members: the bytes that base64 or encryption follow, or the dict as it is. */
  write(members: ReadonlyMap<string, E>): Buffer | PythonDict
  thaw(encoded: E): unknown
  /** Throws UnstorableValue. */
  freeze(key: string, value: unknown): E
}

/** `data_serializer = json`: a value is the text that json.dumps writes. */
export const jsonEncoding: Encoding<string> = {
  fromJson: (text) => text,
  fromPython: writePythonJson,
  write(members) {
    const texts = Array.from(members, ([key, text]) => `${quotePythonJson(key)}: ${text}`)
    return deflateSync(`{${texts.join(', ')}}`)
  },
  thaw: thawPythonJson,
  freeze(key, value) {
    requireStorable(key, value, PYTHON_JSON_REACH)
    return writePythonJson(freezePython(value))
  },
}

/** What Beaker 1.11 puts into a store: the dict itself. */
export const dictEncoding: Encoding<PythonValue> = {
  fromJson: readPythonJson,
  fromPython: (value) => value,
  write: (members) => new Map<PythonValue, PythonValue>(members),
  thaw: thawPython,
  freeze(key, value) {
    requireStorable(key, value, PICKLE_REACH)
    return freezePython(value)
  },
}

/** `data_serializer = pickle`: the same, pickled once more. */
export const pickleEncoding: Encoding<PythonValue> = {
  ...dictEncoding,
  write: (members) => writePickle(new Map<PythonValue, PythonValue>(members)),
}
