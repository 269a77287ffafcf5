// How a process logs, worked out and not yet in force: which levels, by the names of loggers, and in which formats.

import type { Logging } from '../logging.js'
import { json } from './lines.js'
import type { Format } from './pattern.js'
import { LEVELS, type LogRecord } from './record.js'

/** Numbers of LEVELS; Infinity for none. The name '' is for all loggers that no other name is for. */
export interface LoggingPlan {
  readonly levels: ReadonlyMap<string, number>
  readonly formats: ReadonlyMap<string, Format | 'json'>
}

const WORDS: ReadonlyMap<string, number> = new Map([
  ['trace', LEVELS.trace],
  ['debug', LEVELS.debug],
  ['info', LEVELS.info],
  ['warn', LEVELS.warn],
  ['warning', LEVELS.warn],
  ['error', LEVELS.error],
  ['critical', LEVELS.fatal],
  ['fatal', LEVELS.fatal],
  ['off', Number.POSITIVE_INFINITY],
  ['silent', Number.POSITIVE_INFINITY],
])

/** The number of a level's word, Python's or pino's, in any case; undefined for any other text. */
export function levelNumber(word: string): number | undefined {
  return WORDS.get(word.trim().toLowerCase())
}

/** What a table has for a logger: under its name, else under what stands before its last dot, and so on up to ''. */
export function lookUp<T>(table: ReadonlyMap<string, T>, name: string): T | undefined {
  for (let at = name; ; ) {
    const found = table.get(at)
    if (found !== undefined || at === '') return found
    at = at.slice(0, Math.max(0, at.lastIndexOf('.')))
  }
}

export interface Output {
  /** Gets each record as one text, its end of line included. */
  readonly write: (text: string) => void
  /** For a terminal. */
  readonly color: boolean
  /** The number of this process among several. */
  readonly worker: number | undefined
}

/** Which records a plan lets through. */
export function thresholds({ levels }: LoggingPlan): Logging['threshold'] {
  return (name) => lookUp(levels, name) ?? LEVELS.info
}

/** A plan that writes lines. */
export function linesTo({ write, color, worker }: Output, plan: LoggingPlan): Logging {
  const asJson = json(worker)
  const formatOf = (name: string): Format => {
    const format = lookUp(plan.formats, name)
    return format === undefined || format === 'json' ? asJson : format
  }
  return {
    threshold: thresholds(plan),
    write: (record: LogRecord) => write(`${formatOf(record.name)(record, color)}\n`),
  }
}
