// INI text to sections, as Python's ConfigParser reads it. The package `ini` turns text into values, but it would cut
// `egg:Paste#urlmap` at the `#`, so it never sees the user's text: we scan with ConfigParser's grammar, write armoured
// text with the same number of lines, let `ini` parse that, and take the armour off.

import { createRequire } from 'node:module'
import { ConfigError, type Place } from '../config/errors.js'
import { isSecretKey } from '../config/secrets.js'
import type { ConfigWarning, Entry, Section } from './model.js'
import { readTitle } from './sections.js'
import { warning } from './warning.js'
import { indentOf, strip, stripEnd } from './whitespace.js'

// By require: see decision 021.
const { parse } = createRequire(import.meta.url)('ini') as typeof import('ini')

/** What a text holds, with the line of everything; raw values, nothing interpolated. */
export interface IniText {
  /** In file order, without [DEFAULT]. */
  readonly sections: ReadonlyMap<string, Section>
  readonly defaults: ReadonlyMap<string, Entry>
  /** In the order of their lines. */
  readonly errors: readonly ConfigError[]
  readonly warnings: readonly ConfigWarning[]
}

/** Reads INI text. Never throws: mistakes are in `errors`, and what they spoil is left out. */
export function parseIni(text: string, file: string): IniText {
  const lines = text.split(/\r\n|\r|\n/)
  const { sections: scanned, errors, warnings } = new Scanner(file).scan(lines)
  const values = parse(armour(scanned, lines.length)) as Record<string, Record<string, string>>
  const sections = new Map<string, Section>()
  let defaults = new Map<string, Entry>()
  scanned.forEach((section, index) => {
    const entries = new Map<string, Entry>()
    for (const [key, value] of Object.entries(values[`s${index}`] ?? {})) {
      const plain = key.slice(1, -1)
      const { lines } = section.entries.get(plain)!
      const text = value.slice(1)
      const used = lines.slice(0, text.split('\n').length)
      entries.set(plain, { key: plain, value: text, line: lines[0]!, lines: used })
    }
    const { title, headers } = section
    if (title === 'DEFAULT') defaults = entries
    else sections.set(title, { title, ...readTitle(title), line: headers[0]!, entries })
  })
  return { sections, defaults, errors, warnings }
}

interface ScannedSection {
  readonly title: string
  /** The lines of its headers: more than one only for [DEFAULT]. */
  readonly headers: number[]
  readonly entries: Map<string, ScannedEntry>
}

interface ScannedEntry {
  readonly key: string
  readonly parts: string[]
  readonly lines: number[]
}

/** One pass over the lines, by ConfigParser's rules (Python 3.11, `_read`). */
class Scanner {
  readonly sections: ScannedSection[] = []
  readonly errors: ConfigError[] = []
  readonly warnings: ConfigWarning[] = []
  readonly #file: string
  readonly #byTitle = new Map<string, ScannedSection>()
  #section: ScannedSection | undefined
  /** The key that further lines may continue. A section header closes it. */
  #open: ScannedEntry | undefined
  /** How far the last line that continued nothing is indented: what is indented further continues the value. */
  #indent = 0
  #headless = false

  constructor(file: string) {
    this.#file = file
  }

  scan(lines: readonly string[]): this {
    lines.forEach((line, index) => {
      this.#line(line, index + 1)
    })
    return this
  }

  #line(line: string, number: number): void {
    const text = strip(line)
    if (text === '') {
      this.#continue('', number)
      return
    }
    if (text.startsWith('#') || text.startsWith(';')) return
    const indent = indentOf(line)
    if (this.#open !== undefined && indent > this.#indent) {
      this.#warnOfContinuation(line, text, number)
      this.#continue(text, number)
      return
    }
    this.#indent = indent
    const bracket = text.startsWith('[') ? text.lastIndexOf(']') : -1
    if (bracket >= 2) this.#header(text.slice(1, bracket), number)
    else this.#entry(text, number)
  }

  #continue(text: string, number: number): void {
    this.#open?.parts.push(text)
    this.#open?.lines.push(number)
  }

  #header(title: string, number: number): void {
    this.#open = undefined
    const known = this.#byTitle.get(title)
    if (known !== undefined && title !== 'DEFAULT') {
      this.#error('duplicate', `is there twice: first on line ${known.headers[0]}`, {
        line: number,
        section: title,
      })
      this.#section = { title, headers: [number], entries: new Map() }
    } else if (known !== undefined) {
      known.headers.push(number)
      this.#section = known
    } else {
      this.#section = { title, headers: [number], entries: new Map() }
      this.#byTitle.set(title, this.#section)
      this.sections.push(this.#section)
    }
  }

  #entry(text: string, number: number): void {
    const section = this.#section
    if (section === undefined) {
      if (!this.#headless) this.#error('syntax', 'expected a [section] before this line', { line: number })
      this.#headless = true
      return
    }
    const place = { line: number, section: section.title }
    const cut = text.search(/[=:]/)
    if (text.startsWith('[') && !text.includes(']')) {
      this.#error('syntax', `a section begins with "[" and has no "]"`, place)
    } else if (cut < 0) {
      const secret = this.#open !== undefined && isSecretKey(this.#open.key)
      const got = secret ? '' : `, got ${JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}...` : text)}`
      this.#error('syntax', `expected "key = value"${got}. A line that continues a value is indented`, place)
    } else if (cut === 0) {
      this.#error('syntax', `expected a key before the "${text[0]}"`, place)
      this.#open = undefined
    } else {
      const key = stripEnd(text.slice(0, cut))
      const known = section.entries.get(key)
      const entry = { key, parts: [strip(text.slice(cut + 1))], lines: [number] }
      this.#open = entry
      if (known === undefined) section.entries.set(key, entry)
      else this.#error('duplicate', `is there twice: first on line ${known.lines[0]}`, { ...place, key })
    }
  }

  #warnOfContinuation(line: string, text: string, number: number): void {
    const { key } = this.#open!
    const place = { file: this.#file, line: number, section: this.#section!.title, key }
    if (line.slice(0, indentOf(line)).includes('\u00a0')) {
      this.warnings.push(
        warning('this line is indented by a no-break space, so it continues the value', place),
      )
    } else if (/^[\w.-]+\s*=\s/.test(text)) {
      this.warnings.push(
        warning('this line looks like a setting but is indented: it continues the value', place),
      )
    } else if (/^\[[\w-]+:[^\]]+\]$/.test(text)) {
      this.warnings.push(
        warning('this line looks like a section but is indented: it continues the value', place),
      )
    }
  }

  #error(code: 'syntax' | 'duplicate', reason: string, place: Omit<Place, 'file'>): void {
    this.errors.push(new ConfigError(code, reason, { file: this.#file, ...place }))
  }
}

/**
 * Text that `ini` reads to exactly what was scanned. JSON quotes stop its comments and escapes; the `v` stops `true`
 * and `null` from changing type; `k` and `.` stop `__proto__`, the sorting of integer-like keys and the `[]` suffix.
 */
function armour(sections: readonly ScannedSection[], lineCount: number): string {
  const lines = new Array<string>(lineCount).fill(';')
  sections.forEach(({ headers, entries }, index) => {
    for (const header of headers) lines[header - 1] = `[s${index}]`
    for (const { key, parts, lines: at } of entries.values()) {
      const value = stripEnd(parts.join('\n'))
      lines[at[0]! - 1] = `${quote(`k${key}.`)}=${quote(`v${value}`)}`
    }
  })
  return lines.join('\n')
}

/** JSON without the characters that `ini` sees through the quotes. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[=\]\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
