// JSON text, cut into the texts of its members without building values: one linear pass that checks every character,
// so that what was cut can be parsed later. A hostile row fails here, with a reason, and not on first use.

import { CorruptSession } from '../codec.js'

/** How deep one value may nest, in every format: deeper is refused on save and corrupt on load. */
export const MAX_DEPTH = 1000

/**
 * Which JSON. `strict` is RFC 8259 without numbers that are too large for a double; `python` also takes the `NaN`,
 * `Infinity` and `-Infinity` that Python's json.dumps writes, and numbers of any size.
 */
export type JsonDialect = 'strict' | 'python'

const QUOTE = 34
const BACKSLASH = 92

/**
 * A cursor over one JSON text. Every method throws CorruptSession at the first character that is no JSON, and leaves
 * the cursor behind what it read. `value()` bounds the depth; whoever steps in with the others counts for himself.
 */
export class JsonReader {
  readonly #text: string
  readonly #strict: boolean
  #at = 0
  #depth = 0

  constructor(text: string, dialect: JsonDialect) {
    this.#text = text
    this.#strict = dialect === 'strict'
  }

  /** Steps into an object: the name of its first member, whose value must be read next; undefined when it is empty. */
  firstKey(): string | undefined {
    this.#bracket(123)
    return this.#closes(125) ? undefined : this.#key()
  }

  /** Behind a member's value: the name of the next member, or undefined behind the last one. */
  nextKey(): string | undefined {
    return this.#continues(125) ? this.#key() : undefined
  }

  /** Steps into an array: whether there is an element, which must be read next. */
  firstElement(): boolean {
    this.#bracket(91)
    return !this.#closes(93)
  }

  /** Behind an element: whether there is another one. */
  nextElement(): boolean {
    return this.#continues(93)
  }

  /** Reads any value and answers its text as it stands, without the white space around it. */
  value(): string {
    this.#next()
    const start = this.#at
    this.#depth = 0
    this.#skip()
    return this.#text.slice(start, this.#at)
  }

  /** The code of the next character that is no white space, which is not read; NaN at the end. */
  peek(): number {
    return this.#next()
  }

  /** Checks that nothing but white space is left. */
  end(): void {
    if (!Number.isNaN(this.#next())) throw this.#unexpected()
  }

  #next(): number {
    let code = this.#text.charCodeAt(this.#at)
    while (code === 32 || code === 10 || code === 13 || code === 9) code = this.#text.charCodeAt(++this.#at)
    return code
  }

  #bracket(code: number): void {
    if (this.#next() !== code) throw this.#unexpected()
    this.#at++
  }

  /** Behind an opening bracket: whether it closes at once. */
  #closes(bracket: number): boolean {
    if (this.#next() !== bracket) return false
    this.#at++
    return true
  }

  /** Behind a member or element: true at a comma, false at the closing bracket. */
  #continues(bracket: number): boolean {
    const code = this.#next()
    if (code !== 44 && code !== bracket) throw this.#unexpected()
    this.#at++
    return code === 44
  }

  /** A member's name and its colon. */
  #key(): string {
    if (this.#next() !== QUOTE) throw this.#unexpected()
    const start = this.#at
    const escaped = this.#string()
    const end = this.#at
    this.#colon()
    return escaped
      ? (JSON.parse(this.#text.slice(start, end)) as string)
      : this.#text.slice(start + 1, end - 1)
  }

  #colon(): void {
    if (this.#next() !== 58) throw this.#unexpected()
    this.#at++
  }

  /** Moves over one value; the cursor stands on its first character. */
  #skip(): void {
    const code = this.#text.charCodeAt(this.#at)
    switch (code) {
      case QUOTE:
        this.#string()
        return
      case 123:
        this.#enter()
        if (!this.#closes(125)) {
          do {
            if (this.#next() !== QUOTE) throw this.#unexpected()
            this.#string()
            this.#colon()
            this.#next()
            this.#skip()
          } while (this.#continues(125))
        }
        this.#depth--
        return
      case 91:
        this.#enter()
        if (!this.#closes(93)) {
          do {
            this.#next()
            this.#skip()
          } while (this.#continues(93))
        }
        this.#depth--
        return
      case 116:
        this.#word('true')
        return
      case 102:
        this.#word('false')
        return
      case 110:
        this.#word('null')
        return
      default:
        this.#number(code)
    }
  }

  #enter(): void {
    if (++this.#depth > MAX_DEPTH) throw new CorruptSession(`JSON nested more than ${MAX_DEPTH} deep`)
    this.#at++
  }

  /** Moves over a string; the cursor stands on its quote. Answers whether it holds escapes. */
  #string(): boolean {
    const text = this.#text
    let escaped = false
    let at = this.#at + 1
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) break
      if (code === BACKSLASH) {
        escaped = true
        at = this.#escape(at + 1)
      } else if (code >= 32) {
        at++
      } else {
        throw this.#unexpected(at)
      }
    }
    this.#at = at + 1
    return escaped
  }

  /** Answers the place behind an escape; `at` is the place behind its backslash. */
  #escape(at: number): number {
    const letter = this.#text[at]
    if (letter === undefined || !'"\\/bfnrtu'.includes(letter)) throw this.#unexpected(at)
    if (letter !== 'u') return at + 1
    for (let digit = at + 1; digit <= at + 4; digit++) {
      const code = this.#text.charCodeAt(digit)
      const lower = code | 32
      if (!isDigit(code) && !(lower >= 97 && lower <= 102)) throw this.#unexpected(digit)
    }
    return at + 5
  }

  #number(first: number): void {
    const text = this.#text
    const start = this.#at
    let at = start
    let code = first
    if (code === 45) code = text.charCodeAt(++at)
    if (code === 48) {
      at++
    } else if (isDigit(code)) {
      at = this.#digits(at)
    } else {
      if (this.#strict) throw this.#unexpected(at)
      this.#word(first === 78 ? 'NaN' : first === 45 ? '-Infinity' : 'Infinity')
      return
    }
    if (text.charCodeAt(at) === 46) at = this.#digits(at + 1)
    const exponent = (text.charCodeAt(at) | 32) === 101
    if (exponent) {
      code = text.charCodeAt(at + 1)
      at = this.#digits(code === 43 || code === 45 ? at + 2 : at + 1)
    }
    this.#at = at
    // Read as infinity, it could not be written again.
    if (this.#strict && (exponent || at - start > 300) && !Number.isFinite(Number(text.slice(start, at)))) {
      throw new CorruptSession('a number too large for a double')
    }
  }

  /** Answers the place behind one or more digits. */
  #digits(at: number): number {
    if (!isDigit(this.#text.charCodeAt(at))) throw this.#unexpected(at)
    let end = at + 1
    while (isDigit(this.#text.charCodeAt(end))) end++
    return end
  }

  #word(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected()
    this.#at += word.length
  }

  #unexpected(at = this.#at): CorruptSession {
    if (at >= this.#text.length) return new CorruptSession('JSON that ends too early')
    return new CorruptSession(`no JSON at character ${at}`)
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/** The members of the JSON object `text` in stored order, each as its own text; of duplicates the last one counts. */
export function splitJson(text: string, dialect: JsonDialect): Map<string, string> {
  const reader = new JsonReader(text, dialect)
  const members = readMembers(reader)
  reader.end()
  return members
}

/** The same for an object in the midst of a text. */
export function readMembers(reader: JsonReader): Map<string, string> {
  const members = new Map<string, string>()
  for (let key = reader.firstKey(); key !== undefined; key = reader.nextKey())
    members.set(key, reader.value())
  return members
}

/** `text` as a JSON string, quotes included; lone surrogates become escapes. */
export function quoteJson(text: string): string {
  return isPlain(text) ? `"${text}"` : JSON.stringify(text)
}

/** Printable ASCII that JSON.stringify would leave as it is; to ask that takes half of its time. */
export function isPlain(text: string): boolean {
  if (text.length > 16) return !NOT_PLAIN.test(text)
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 32 || code > 126 || code === QUOTE || code === BACKSLASH) return false
  }
  return true
}

const NOT_PLAIN = /[^ !#-[\]-~]/

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of a row. Throws CorruptSession for bytes that are no UTF-8. */
export function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new CorruptSession('bytes that are no UTF-8')
  }
}
