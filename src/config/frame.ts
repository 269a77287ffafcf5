// A code frame: the lines around a mistake, with a caret. Values of secret settings are masked in every line shown.

import type { Place } from './errors.js'
import { secretFlow, type Written } from './secret-flow.js'
import { isSecretKey, MASK, maskValue } from './secrets.js'

export interface FrameOptions {
  /** ANSI colours. Default: false. */
  readonly color?: boolean
  /** How many lines before and after. Default: 2. */
  readonly around?: number
}

const LONGEST = 100

/**
 * The frame for `place` in `source` (the text of its file), without a trailing newline; '' when the place has no line
 * in it.
 */
export function codeFrame(source: string, place: Place, options: FrameOptions = {}): string {
  const { color = false, around = 2 } = options
  const paint = (code: number, text: string) => (color ? `\x1b[${code}m${text}\x1b[0m` : text)
  const shown = maskedLines(source)
  const line = place.line
  if (line === undefined || line < 1 || line > shown.length) return ''
  const first = Math.max(1, line - around)
  const last = Math.min(shown.length, line + around)
  const width = String(last).length
  const frame: string[] = []
  for (let number = first; number <= last; number++) {
    const text = clip(shown[number - 1]!)
    const gutter = `${String(number).padStart(width)} | `
    if (number !== line) {
      frame.push(paint(2, `  ${gutter}${text}`.trimEnd()))
      continue
    }
    const { start, length } = caretSpan(text, place.key)
    frame.push(`${paint(31, '>')} ${paint(2, gutter)}${text}`.trimEnd())
    frame.push(`  ${paint(2, `${' '.repeat(width)} | `)}${' '.repeat(start)}${paint(31, '^'.repeat(length))}`)
  }
  return frame.join('\n')
}

/** Under the key where the line opens it, else under all of the line. */
function caretSpan(text: string, key: string | undefined): { start: number; length: number } {
  const start = text.search(/\S/)
  if (start < 0) return { start: 0, length: 1 }
  const trimmed = text.trim()
  if (key !== undefined && key !== '' && trimmed.startsWith(key)) return { start, length: key.length }
  return { start, length: trimmed.length }
}

/** Control characters would move the terminal's cursor; tabs would move the caret. */
function clip(text: string): string {
  const flat = text.replace(/\t/g, ' ').replace(/\p{Cc}/gu, '?')
  return flat.length > LONGEST ? `${flat.slice(0, LONGEST - 3)}...` : flat
}

/** The last text that was asked for, and its lines: one text may have an error in each of its lines. */
let latest = { source: '', lines: [] as readonly string[] }

/** The lines of a text with secrets masked: the value on the line of a secret key, and the lines that continue it. */
function maskedLines(source: string): readonly string[] {
  if (latest.source !== source) latest = { source, lines: maskLines(source.split(/\r\n|\r|\n/)) }
  return latest.lines
}

function maskLines(lines: string[]): string[] {
  if (lines.at(-1) === '') lines.pop()
  const { feeding } = secretFlow(writtenIn(lines))
  let secretIndent: number | undefined
  return lines.map((line, index) => {
    const indent = line.search(/\S/)
    if (indent < 0 || isComment(line)) return line
    if (secretIndent !== undefined && indent > secretIndent) return line.slice(0, indent) + MASK
    secretIndent = undefined
    const cut = cutOf(line)
    if (cut < 0) return line
    if (!isSecretKey(line.slice(0, cut).trim()) && !feeding.has(index)) return maskValue(line, false)
    secretIndent = indent
    const value = line.slice(cut + 1).search(/\S/)
    return value < 0 ? line : line.slice(0, cut + 1 + value) + MASK
  })
}

/** The settings of a text, each by the index of its first line; lines that go on are part of the value. */
function writtenIn(lines: readonly string[]): Written<number>[] {
  const written: { section: string; key: string; value: string; id: number; indent: number }[] = []
  let section = ''
  for (const [id, line] of lines.entries()) {
    const indent = line.search(/\S/)
    if (indent < 0 || isComment(line)) continue
    const before = written.at(-1)
    if (before !== undefined && before.section === section && indent > before.indent) {
      before.value += `\n${line}`
      continue
    }
    const header = /^\s*\[(.*)\]/.exec(line)
    if (header !== null) section = header[1]!
    const cut = cutOf(line)
    if (cut < 0) continue
    written.push({ section, key: line.slice(0, cut).trim(), value: line.slice(cut + 1), id, indent })
  }
  return written
}

function isComment(line: string): boolean {
  return /^\s*[#;]/.test(line)
}

/** Where a key ends; -1 in a line without one. */
function cutOf(line: string): number {
  return line.trimStart().startsWith('[') ? -1 : line.search(/[=:]/)
}
