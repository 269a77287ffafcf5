// The section [logging]: what it takes, and the plan that it means.

import type { Conf } from '../../protocol.js'
import { type Converter, text } from '../converters.js'
import { OptionError } from '../errors.js'
import { option, readOptions, throwAll, wrongValue } from '../options.js'
import { plain, text as textFormat } from './lines.js'
import { FIELD_NAMES, type Format, readPattern } from './pattern.js'
import { type LoggingPlan, levelNumber } from './plan.js'
import { LEVELS, type Level } from './record.js'

/** A level's word, as it is written. */
const level: Converter<string> = {
  expected: 'trace, debug, info, warning (or warn), error, critical (or fatal) or off',
  parse: (word) => (levelNumber(word) === undefined ? undefined : word),
  accepts: (value): value is string => typeof value === 'string' && levelNumber(value) !== undefined,
}

/** The level of a record. */
export const recordLevel: Converter<Level> = {
  expected: 'trace, debug, info, warning (or warn), error or critical (or fatal)',
  parse: (word) => levelNames.find((name) => LEVELS[name] === levelNumber(word)),
  accepts: (value): value is Level => levelNames.includes(value as Level),
}

const levelNames = Object.keys(LEVELS) as Level[]

export const options = {
  level: option({
    type: level,
    default: 'info',
    doc: 'The least level that is written. `level.NAME` is the same for the loggers of that name, and of those whose names begin with it and a dot.',
  }),
  format: option({
    type: { ...text, expected: 'text, json, plain, or a pattern as in %(levelname)s %(message)s' },
    default: 'text',
    doc: 'How a line looks; plain is name and message alone.',
  }),
  use: option({
    type: { ...text, expected: 'pino, or a module as in file:./log.js#log' },
    default: undefined,
    doc: 'Has pino write, which you have to install, or the pino logger that a module exports.',
  }),
} as const

export interface LoggingSettings extends LoggingPlan {
  /** Who writes; undefined: we do. */
  readonly use: string | undefined
}

const PREFIX = 'level.'

/** Reads the section. Throws OptionError (or OptionErrors). */
export function readLoggingSettings(conf: Conf): LoggingSettings {
  const errors: OptionError[] = []
  const attempt = <T>(step: () => T): T | undefined => {
    try {
      return step()
    } catch (error) {
      errors.push(...(error instanceof AggregateError ? error.errors : [error]))
      return undefined
    }
  }
  const given = attempt(() => readOptions(options, conf, { ignore: (key) => key.startsWith(PREFIX) }))
  const levels = new Map<string, number>()
  for (const [key, word] of conf) {
    if (!key.startsWith(PREFIX)) continue
    const name = key.slice(PREFIX.length)
    const number = levelNumber(word)
    if (number === undefined) errors.push(new OptionError(key, wrongValue(options.level, word)))
    else if (/^[^.\s]+(?:\.[^.\s]+)*$/.test(name)) levels.set(name, number)
    else
      errors.push(
        new OptionError(key, 'expected the name of a logger behind "level.", as in level.sessd.session'),
      )
  }
  // Also where another setting is wrong: all mistakes are told at once. A blank one is told of already.
  const format = attempt(() => readFormat(conf.format?.trim() || options.format.default))
  const use = conf.use?.trim() || undefined
  if (use !== undefined && !/^(?:pino$|file:.)/.test(use))
    errors.push(new OptionError('use', wrongValue(options.use, use)))
  if (use !== undefined && conf.format !== undefined)
    errors.push(new OptionError('format', 'pino has formats of its own: remove this line, or use'))
  throwAll(errors)
  levels.set('', levelNumber(given!.level)!)
  return { levels, formats: new Map([['', format!]]), use }
}

function readFormat(given: string): Format | 'json' {
  const word = given.trim().toLowerCase()
  if (word === 'json') return 'json'
  if (word === 'text') return textFormat
  if (word === 'plain') return plain
  const pattern = given.includes('%(') ? readPattern(given) : undefined
  if (pattern === undefined || pattern.names.size === 0) {
    throw new OptionError('format', wrongValue(options.format, given))
  }
  const [unknown] = pattern.unknown
  if (unknown === undefined) return pattern.format
  throw new OptionError('format', `expected one of ${FIELD_NAMES.join(', ')}, got ${JSON.stringify(unknown)}`)
}
