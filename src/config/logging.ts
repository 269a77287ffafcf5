// The one door through which this process logs: `logger('myapp.models').info('...')`. Where lines go and which are
// written is said once, from outside (`useLogging`); until then all of level info and above go to stderr.

import { plain } from './logging/lines.js'
import { LEVELS, type Level, type LogRecord, makeRecord } from './logging/record.js'

export type { Level, LogRecord } from './logging/record.js'

/** Fields are told beside the text. Of them, `err` is an error and `req` a request (its id, method and path are told). */
export interface LogMethod {
  (message: string, fields?: object): void
  /** As in pino; an error alone may stand in place of fields. */
  (fields: unknown, message?: string): void
}

/** What code logs with. Methods never throw, and may be passed on alone: `promise.catch(log.error)`. */
export interface Logger extends Readonly<Record<Level, LogMethod>> {
  readonly name: string
  /** Whether a record of this level would be written: for records that cost something to make. */
  isLevelEnabled(level: Level): boolean
}

/** Where records go. */
export interface Logging {
  /** The least level (a number of LEVELS) that a logger of this name writes; Infinity: none. */
  threshold(name: string): number
  write(record: LogRecord): void
}

interface State {
  /** Rises with each change, so that loggers look again. */
  turn: number
  logging: Logging | undefined
}

/** Shared by all copies of this package in the process: an app may have one of its own. */
const SHARED = Symbol.for('sessd.logging.1')
const shared = globalThis as { [SHARED]?: State }
shared[SHARED] ??= { turn: 0, logging: undefined }
const state: State = shared[SHARED]

const unasked: Logging = {
  threshold: () => LEVELS.info,
  write: (record) => void process.stderr.write(`${plain(record, false)}\n`),
}

/** Has all loggers use `logging` from now on; undefined: as at first. Answers what was used before. */
export function useLogging(logging: Logging | undefined): Logging | undefined {
  const before = state.logging
  state.logging = logging
  state.turn++
  return before
}

/** Whether somebody said how to log. */
export function hasLogging(): boolean {
  return state.logging !== undefined
}

/**
 * Makes a logger. Dots in its name are levels of a hierarchy: what is said of `myapp` holds for `myapp.models`. What is
 * not written costs two comparisons. `least`: its own least level, whatever is said elsewhere.
 */
export function logger(name: string, least?: Level): Logger {
  let turn = -1
  let threshold = 0
  const isEnabled = (level: number) => {
    if (turn !== state.turn) {
      turn = state.turn
      threshold = least === undefined ? (state.logging ?? unasked).threshold(String(name)) : LEVELS[least]
    }
    return level >= threshold
  }
  const method = (level: Level): LogMethod => {
    const number = LEVELS[level]
    return (first: unknown, second?: unknown) => {
      if (isEnabled(number)) write(name, level, first, second)
    }
  }
  return {
    name,
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    warn: method('warn'),
    error: method('error'),
    fatal: method('fatal'),
    isLevelEnabled: (level) => isEnabled(LEVELS[level]),
  }
}

function write(name: string, level: Level, first: unknown, second: unknown): void {
  try {
    ;(state.logging ?? unasked).write(makeRecord(name, level, first, second))
  } catch {
    // A getter that throws, a stream that is gone: no reason to end what was about to be told of.
  }
}
