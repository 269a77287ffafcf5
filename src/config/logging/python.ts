// [loggers], [handlers] and [formatters], as Python's logging.config.fileConfig reads them, as far as levels and formats
// go. Everything is written to stderr; of what goes elsewhere in Python, and of slips, a warning tells.

import { text as textFormat } from './lines.js'
import { type Format, readPattern } from './pattern.js'
import { type LoggingPlan, levelNumber } from './plan.js'
import { LEVELS } from './record.js'
import { unknownDirectives } from './strftime.js'

/** The sections of a file, as Python asks for them. */
export interface PythonSections {
  has(section: string): boolean
  /** The value; undefined where there is none, or none that can be worked out. */
  text(section: string, key: string): string | undefined
  /** The same without interpolation. */
  raw(section: string, key: string): string | undefined
  warn(section: string, key: string | undefined, reason: string): void
}

interface Handler {
  readonly kind: 'stream' | 'elsewhere' | 'nowhere'
  readonly level: number
  readonly format: Format | 'json'
}

interface Configured {
  readonly level: number | undefined
  readonly handlers: readonly Handler[]
  readonly propagate: boolean
}

const NOTSET = 0

/** What Python writes warnings with where no handler is: the message alone. */
const BARE = readPattern('%(message)s')!.format

/** The plan that Python's sections mean. Never throws: Paste Deploy itself reads past these sections. */
export function readPythonLogging(sections: PythonSections): LoggingPlan {
  const formatters = new Map(listed(sections, 'formatter', (title) => readFormatter(sections, title)))
  const handlers = new Map(listed(sections, 'handler', (title) => readHandler(sections, title, formatters)))
  const loggers = new Map<string, Configured>()
  for (const [key, logger] of listed(sections, 'logger', (title) => readLogger(sections, title, handlers))) {
    const title = `logger_${key}`
    const name = key === 'root' ? '' : sections.text(title, 'qualname')?.trim()
    if (name === undefined) sections.warn(title, undefined, `expected a qualname; ${key} is taken for it`)
    loggers.set(name ?? key, logger)
  }
  const levels = new Map<string, number>()
  const formats = new Map<string, Format | 'json'>()
  for (const name of new Set(['', ...loggers.keys()])) {
    const [level, format] = outcome(name, loggers)
    levels.set(name, level)
    formats.set(name, format)
  }
  return { levels, formats }
}

/** Reads each section that `keys` of [loggers], [handlers] or [formatters] names. */
function listed<T>(sections: PythonSections, kind: string, read: (title: string) => T): [string, T][] {
  const list = `${kind}s`
  return words(sections.has(list) ? sections.text(list, 'keys') : undefined).flatMap((key): [string, T][] => {
    const title = `${kind}_${key}`
    if (sections.has(title)) return [[key, read(title)]]
    sections.warn(list, 'keys', `there is no [${title}]`)
    return []
  })
}

function words(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

function readLogger(
  sections: PythonSections,
  title: string,
  handlers: ReadonlyMap<string, Handler>,
): Configured {
  const own = words(sections.text(title, 'handlers')).flatMap((key) => {
    const handler = handlers.get(key)
    if (handler === undefined)
      sections.warn(title, 'handlers', `[handlers] keys has no ${JSON.stringify(key)}`)
    return handler === undefined ? [] : [handler]
  })
  const propagate = Number(sections.text(title, 'propagate') ?? '1') !== 0
  return { level: readLevel(sections, title), handlers: own, propagate }
}

function readHandler(
  sections: PythonSections,
  title: string,
  formatters: ReadonlyMap<string, Format | 'json'>,
): Handler {
  const name = (sections.text(title, 'class') ?? '').trim().replace(/^.*\./, '')
  const kind = name === 'NullHandler' ? 'nowhere' : name === 'StreamHandler' ? 'stream' : 'elsewhere'
  if (kind === 'elsewhere') {
    const reason = `expected StreamHandler, got ${JSON.stringify(name)}: what it is for goes to stderr, and nowhere else`
    sections.warn(title, 'class', reason)
  } else if (kind === 'stream' && /\bstdout\b/.test(sections.raw(title, 'args') ?? '')) {
    sections.warn(title, 'args', 'lines go to stderr, stdout is not taken')
  }
  const formatter = sections.text(title, 'formatter')?.trim()
  const format = formatter ? formatters.get(formatter) : BARE
  if (format === undefined)
    sections.warn(title, 'formatter', `[formatters] keys has no ${JSON.stringify(formatter)}`)
  return { kind, level: readLevel(sections, title) ?? NOTSET, format: format ?? BARE }
}

/** undefined: there is none. */
function readLevel(sections: PythonSections, title: string): number | undefined {
  const text = sections.text(title, 'level')
  if (text === undefined) return undefined
  if (text.trim().toUpperCase() === 'NOTSET') return NOTSET
  const level = levelNumber(text)
  if (level === undefined) {
    const expected = 'expected DEBUG, INFO, WARNING, ERROR, CRITICAL or NOTSET'
    sections.warn(title, 'level', `${expected}, got ${JSON.stringify(text)}, which is left out`)
  }
  return level
}

function readFormatter(sections: PythonSections, title: string): Format | 'json' {
  // As python-json-logger is called, and its likes.
  if (/json/i.test(sections.text(title, 'class') ?? '')) return 'json'
  const given = sections.raw(title, 'format')
  if (given === undefined) return BARE
  const style = sections.raw(title, 'style')?.trim() || '%'
  const dates = sections.raw(title, 'datefmt') || undefined
  const unknownDates = unknownDirectives(dates ?? '')
  if (unknownDates.length > 0)
    sections.warn(title, 'datefmt', `${listing(unknownDates)} not known here, and kept as written`)
  const pattern = style === '%' ? readPattern(given, dates) : undefined
  if (pattern === undefined) {
    const key = style === '%' ? 'format' : 'style'
    const got = JSON.stringify(style === '%' ? given : style)
    const expected = style === '%' ? 'a pattern as in %(levelname)s %(message)s' : '%'
    sections.warn(
      title,
      key,
      `expected ${expected}, got ${got}, so lines look as by format = text of [logging]`,
    )
    return textFormat
  }
  if (pattern.unknown.length > 0) {
    const names = pattern.unknown.map((name) => `%(${name})s`)
    sections.warn(title, 'format', `${listing(names)} not known here: "-" is written`)
  }
  return pattern.format
}

/** `a is`, `a and b are` */
function listing(names: readonly string[]): string {
  if (names.length === 1) return `${names[0]} is`
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)} are`
}

/** The least level that comes out, and how it is written, for the loggers of a name. */
function outcome(name: string, loggers: ReadonlyMap<string, Configured>): [number, Format | 'json'] {
  const own = ownLevel(name, loggers)
  const all = handlersOf(name, loggers)
  if (all.length === 0) return [Math.max(own, LEVELS.warn), BARE]
  const streams = all.filter(({ kind }) => kind === 'stream')
  const used = streams.length > 0 ? streams : all.filter(({ kind }) => kind === 'elsewhere')
  if (used.length === 0) return [Number.POSITIVE_INFINITY, BARE]
  return [Math.max(own, Math.min(...used.map(({ level }) => level))), used[0]!.format]
}

/** Of all but the root, NOTSET is as good as none. The root is at WARNING until somebody says another level. */
function ownLevel(name: string, loggers: ReadonlyMap<string, Configured>): number {
  const levels = upwards(name).map((ancestor) => [ancestor, loggers.get(ancestor)?.level] as const)
  const found = levels.find(
    ([ancestor, level]) => level !== undefined && (ancestor === '' || level !== NOTSET),
  )
  return found?.[1] ?? LEVELS.warn
}

function handlersOf(name: string, loggers: ReadonlyMap<string, Configured>): Handler[] {
  const all: Handler[] = []
  for (const ancestor of upwards(name)) {
    const logger = loggers.get(ancestor)
    all.push(...(logger?.handlers ?? []))
    if (logger?.propagate === false) break
  }
  return all
}

/** The name, what stands before its last dot, and so on; '' at last. */
function upwards(name: string): string[] {
  const all = []
  for (let at = name; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) all.push(at)
  return [...all, '']
}
