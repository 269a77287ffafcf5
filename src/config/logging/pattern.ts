// Lines of text by a pattern of Python's `logging`, as `%(asctime)s %(levelname)-5.5s [%(name)s] %(message)s`. Whatever
// is put in stays in its line: what would end one, or steer a terminal, is escaped.

import { threadId } from 'node:worker_threads'
import { LEVELS, type Level, type LogRecord } from './record.js'
import { strftime } from './strftime.js'
import type { ErrorValue } from './values.js'

/** A record as lines, without the last one's end. `color`: for a terminal. */
export type Format = (record: LogRecord, color: boolean) => string

export const TEXT = '%(asctime)s %(levelname)-8s [%(name)s] %(message)s'

const PYTHONS: Readonly<Record<Level, string>> = {
  trace: 'TRACE',
  debug: 'DEBUG',
  info: 'INFO',
  warn: 'WARNING',
  error: 'ERROR',
  fatal: 'CRITICAL',
}

const COLORS: Readonly<Record<Level, number>> = {
  trace: 2,
  debug: 2,
  info: 36,
  warn: 33,
  error: 31,
  fatal: 31,
}

type Field = (record: LogRecord) => string | number

/** What a pattern may name: Python's words, as far as Node knows what they mean, and `request_id`. */
const FIELDS: Readonly<Record<string, Field>> = {
  asctime: ({ time }) => asctime(time),
  created: ({ time }) => time / 1000,
  levelname: ({ level }) => PYTHONS[level],
  levelno: ({ level }) => LEVELS[level],
  message: messageOf,
  msecs: ({ time }) => time % 1000,
  name: ({ name }) => escaped(name),
  process: () => process.pid,
  processName: () => 'MainProcess',
  relativeCreated: ({ time }) => time - performance.timeOrigin,
  request_id: ({ requestId }) => escaped(requestId ?? '-'),
  thread: () => threadId,
  threadName: () => (threadId === 0 ? 'MainThread' : `Thread-${threadId}`),
}

export const FIELD_NAMES: readonly string[] = Object.keys(FIELDS)

/** A pattern that can be used. */
export interface Pattern {
  readonly format: Format
  /** What it names. */
  readonly names: ReadonlySet<string>
  /** Those of them that mean nothing here: each is written as `-`. */
  readonly unknown: readonly string[]
}

const CONVERSION = /%(?:%|\((\w+)\)([-+ 0#]{0,5})(\d{1,3})?(?:\.(\d{1,3}))?([sdifr]))/g

/** Reads a pattern; undefined when a `%` in it begins nothing that Python would take. `datefmt`: as strftime has it. */
export function readPattern(pattern: string, datefmt?: string): Pattern | undefined {
  const pieces: ((record: LogRecord, color: boolean) => string)[] = []
  const names = new Set<string>()
  const literal = (text: string) => {
    if (text !== '') pieces.push(() => text)
  }
  let from = 0
  for (const match of pattern.matchAll(CONVERSION)) {
    const [all, name, flags = '', width = '0', precision, kind] = match
    const before = pattern.slice(from, match.index)
    if (before.includes('%')) return undefined
    literal(before)
    from = match.index + all.length
    if (name === undefined) {
      literal('%')
      continue
    }
    const known = Object.hasOwn(FIELDS, name) ? FIELDS[name]! : undefined
    names.add(name)
    const dated: Field | undefined =
      name === 'asctime' && datefmt !== undefined ? ({ time }) => strftime(datefmt, new Date(time)) : known
    const field = dated ?? (() => '-')
    const pad = padding(flags, Number(width), precision === undefined ? undefined : Number(precision), kind!)
    if (name !== 'levelname') pieces.push((record) => pad(field(record)))
    else pieces.push((record, color) => painted(pad(field(record)), color ? COLORS[record.level] : undefined))
  }
  const rest = pattern.slice(from)
  if (rest.includes('%')) return undefined
  literal(rest)
  const hasId = names.has('request_id')
  return {
    format(record, color) {
      const shown = hasId ? { ...record, idIsShown: true as const } : record
      return pieces.map((piece) => piece(shown, color)).join('') + stackLines(record.err, record.msg)
    },
    names,
    unknown: [...names].filter((name) => !Object.hasOwn(FIELDS, name)),
  }
}

/** As C's printf: `-5.5s` is cut at five characters and filled up on the right, `03d` has zeros before it. */
function padding(flags: string, width: number, precision: number | undefined, kind: string) {
  const isText = kind === 's' || kind === 'r'
  return (value: string | number): string => {
    let text = String(value)
    if (typeof value === 'number') {
      if (kind === 'f') text = value.toFixed(Math.min(precision ?? 6, 20))
      else if (!isText) text = String(Math.trunc(value))
    }
    if (isText && precision !== undefined) text = text.slice(0, precision)
    if (flags.includes('-')) return text.padEnd(width)
    return text.padStart(width, flags.includes('0') && typeof value === 'number' ? '0' : ' ')
  }
}

function painted(text: string, code: number | undefined): string {
  return code === undefined ? text : `\x1b[${code}m${text}\x1b[0m`
}

/** `2026-11-20 09:30:00,123`, local time, as Python has it. */
function asctime(time: number): string {
  return `${strftime('%Y-%m-%d %H:%M:%S', new Date(time))},${String(time % 1000).padStart(3, '0')}`
}

/** The text, and ` key=value` for each field that it does not tell already. */
export function messageOf({ msg, requestId, fields, idIsShown }: LogRecord & { idIsShown?: true }): string {
  const { method, path, ...others } = fields
  const isTold = msg.startsWith(`${String(method)} ${String(path)}`)
  const id = idIsShown === true ? undefined : requestId
  const shown = { ...(isTold ? others : fields), request_id: id }
  const pairs = Object.entries(shown).flatMap(([key, value]) =>
    value === undefined ? [] : [`${bare(key)}=${bare(value)}`],
  )
  return [...(msg === '' ? [] : [escaped(msg)]), ...pairs].join(' ')
}

/** As it is where nobody could mistake its end; else as JSON. */
function bare(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"'=\p{C}]+$/u.test(value)) return value
  return escaped(JSON.stringify(value) ?? '')
}

/**
 * Stack and causes, each line indented, so that none can be taken for another record. `told` is what the line above says:
 * the stack does not say it again. '' where there is no error.
 */
export function stackLines(err: ErrorValue | undefined, told = ''): string {
  if (err === undefined) return ''
  const { type, message, cause, errors = [] } = err
  const title = `${type}: ${message}`
  const { stack = title } = err
  const isTold = oneLine(told).includes(oneLine(title)) && stack.startsWith(title)
  const rest = isTold ? stack.slice(title.length) : stack
  const own = rest
    .split(/\r\n|[\n\r\u2028\u2029]/)
    .filter((line) => line.trim() !== '')
    .map((line) => `\n    ${escaped(line.trim())}`)
  const inner = [...(cause === undefined ? [] : [cause]), ...errors]
  return [...own, ...inner.map((each) => `\n  caused by${stackLines(each)}`)].join('')
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ')
}

/** Ends a line, moves a cursor, or turns the text around that follows. */
const STEERING = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** `\n`, `\x1b`, `\u202e` in place of such a character. */
export function escaped(text: string): string {
  return text.replace(STEERING, (character) => {
    const code = character.charCodeAt(0)
    return SHORT[character] ?? (code > 0xff ? `\\u${hex(code, 4)}` : `\\x${hex(code, 2)}`)
  })
}

/** The same in a text that is JSON. */
export function escapedJson(text: string): string {
  return text.replace(STEERING, (character) => `\\u${hex(character.charCodeAt(0), 4)}`)
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
