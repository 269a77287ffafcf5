// The native row: one line of JSON that a human can read and change,
// {"sessd":1,"created":1700000000125,"accessed":1700000000125,"data":{"user":"bob"}}, times in epoch milliseconds.
// Members that this version doesn't know are ignored; a change that must not be ignored counts `sessd` up.

import { type Codec, CorruptSession, type Document, ForeignSession } from '../codec.js'
import { ownText } from '../seen-values.js'
import { isPlain, JsonReader, quoteJson, readMembers, textOf } from './json-text.js'
import { JSON_REACH, requireStorable, sameData } from './plain-data.js'

const VERSION = 1

const nothing = new Map<string, string>()

/** Sessions have the same few keys, and to put one together anew takes as long as to encode its value. */
const names = new Map<string, string>()
const MOST_NAMES = 1024
const LONGEST_NAME = 64

/** `key` as a member that follows another one: `,"key":`. */
function nextName(key: string): string {
  const known = names.get(key)
  if (known !== undefined) return known
  const name = `,${quoteJson(key)}:`
  // An app that makes names up (`item-4711`) fills the table once: to exchange its entries would cost more than it saves.
  if (names.size >= MOST_NAMES || key.length > LONGEST_NAME || !isPlain(key)) return name
  // Copies: a key may be a piece of the text of a whole row.
  names.set(ownText(key), ownText(name))
  return name
}

/** Each value is kept as its JSON text. Integers beyond 2**53 lose digits when thawed, and keep them while untouched. */
export const sessdCodec: Codec<string> = {
  decode(payload) {
    const reader = new JsonReader(textOf(payload), 'strict')
    const document: Document<string> = { created: null, accessed: null, values: nothing }
    let version: number | null = null
    for (let key = reader.firstKey(); key !== undefined; key = reader.nextKey()) {
      switch (key) {
        case 'sessd':
          version = numberFrom(reader.value())
          break
        case 'created':
        case 'accessed':
          document[key] = numberFrom(reader.value())
          break
        case 'id':
        case 'user':
          document[key] = textFrom(reader.value()) ?? undefined
          break
        case 'domain':
        case 'path':
          document[key] = textFrom(reader.value())
          break
        case 'data':
          document.values = readMembers(reader)
          break
        default:
          reader.value()
      }
    }
    reader.end()
    if (version !== null && version > VERSION) {
      throw new ForeignSession(`a row of version ${version}, written by a newer sessd`)
    }
    if (version !== VERSION || document.values === nothing) {
      throw new CorruptSession('JSON that is no row of sessd')
    }
    return document
  },

  encode({ created, accessed, id, user, domain, path, values }) {
    let text = `{"sessd":${VERSION},"created":${created},"accessed":${accessed}`
    if (id !== undefined) text += `,"id":${quoteJson(id)}`
    if (user !== undefined) text += `,"user":${quoteJson(user)}`
    if (domain !== undefined) text += `,"domain":${domain === null ? 'null' : quoteJson(domain)}`
    if (path !== undefined) text += `,"path":${path === null ? 'null' : quoteJson(path)}`
    text += ',"data":{'
    let isFirst = true
    for (const [key, value] of values) {
      const name = nextName(key)
      text += isFirst ? name.slice(1) : name
      text += value
      isFirst = false
    }
    return Buffer.from(`${text}}}`)
  },

  thaw: thawJson,

  freeze(key, value) {
    if (typeof value === 'string') return quoteJson(value)
    requireStorable(key, value, JSON_REACH)
    return JSON.stringify(value)
  },

  same: (a, b) => a === b || sameData(thawJson(a), thawJson(b)),
}

/** JSON.parse, which costs more than the rest of a request for the plain text or number that most values are. */
function thawJson(encoded: string): unknown {
  const first = encoded.charCodeAt(0)
  if (first === QUOTE && !encoded.includes('\\')) return encoded.slice(1, -1)
  if (first >= ZERO && first <= NINE) return Number(encoded)
  return JSON.parse(encoded)
}

const QUOTE = 34
const ZERO = 48
const NINE = 57

function numberFrom(text: string): number | null {
  const value = text === 'null' ? null : Number(text)
  if (Number.isNaN(value)) throw new CorruptSession('a time or version that is no number')
  return value
}

function textFrom(text: string): string | null {
  const value: unknown = JSON.parse(text)
  if (value !== null && typeof value !== 'string')
    throw new CorruptSession('an id, domain or path that is no text')
  return value
}
