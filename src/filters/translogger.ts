// An access log, one line per request when it is over: egg:Paste#translogger. Belongs outside of all but prefix, whose
// word it takes for the client's address. Nothing that a client sends can end a line or a quoted field.

import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream, openSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import { boolean, text } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { recordLevel } from '../config/logging/settings.js'
import { logger } from '../config/logging.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { environ } from '../http/environ.js'
import { onceClosed } from '../http/once-closed.js'
import { passUpgrade } from '../http/pass-upgrade.js'
import { filterResponse } from '../http/response-hooks.js'
import type { App, Conf, Filter } from '../protocol.js'
import { type Entry, formatter, jsonFields } from './translogger/formats.js'

declare module '../protocol.js' {
  interface Environ {
    /** Names the request in logs, and in the X-Request-Id header of its answer. */
    'sessd.request_id'?: string
  }
}

export const options = {
  format: option({
    type: text,
    default: 'combined',
    doc: 'combined (as Apache writes it), json, or a line with %(name)s in it; an INI writes %%(name)s.',
  }),
  log_file: option({
    type: text,
    default: 'stdout',
    doc: 'stdout, stderr, or a file to add to; a relative path starts at the INI file.',
  }),
  trust_request_id: option({
    type: boolean,
    default: false,
    doc: 'Takes the X-Request-Id that comes with a request, where a proxy in front sets it.',
  }),
  setup_console_handler: option({
    type: boolean,
    default: true,
    doc: 'false: each request is a record of the log, as `[logging]` says it, in place of a line in log_file.',
  }),
  logger_name: option({ type: text, default: 'wsgi', doc: 'Whose records they are then.' }),
  logging_level: option({ type: recordLevel, default: 'info', doc: 'Their level.' }),
  set_logger_level: option({
    type: recordLevel,
    default: undefined,
    doc: 'The least level of that logger here, whatever `[logging]` says.',
  }),
} as const

type LogOptions = Values<typeof options>

/** egg:Paste#translogger. */
export function factory(globalConf: Conf, localConf: Conf): Filter {
  const given = readOptions(options, localConf)
  return makeFilter(given, sinkOf(given, localConf.log_file, globalConf.here ?? process.cwd()))
}

export interface LogCodeOptions {
  /** Gets each line, without its end, instead of `log_file`. */
  readonly write?: (line: string) => void
}

/** The same for use in code: `translogger({ format: 'json' })(app)`. Throws OptionError. */
export function translogger({ write, ...given }: Partial<LogOptions> & LogCodeOptions = {}): Filter {
  const checked = checkOptions(options, given)
  const sink =
    write === undefined ? sinkOf(checked, given.log_file, process.cwd()) : linesTo({ write }, checked)
  return makeFilter(checked, sink)
}

/** Takes each request that is over. */
interface Sink {
  take(entry: Entry): void
  close?(): Promise<void>
}

/** `written`: log_file, if somebody gave one. */
function sinkOf(given: LogOptions, written: string | undefined, here: string): Sink {
  if (given.setup_console_handler) return linesTo(openLog(resolveFile(given.log_file, here)), given)
  if (written !== undefined)
    throw new OptionError(
      'log_file',
      'setup_console_handler = false has all of it go to the log: remove one of them',
    )
  return recordsTo(given)
}

function linesTo(output: Output, given: LogOptions): Sink {
  const format = formatter(given.format)
  const take = (entry: Entry) => output.write(format(entry))
  return output.close === undefined ? { take } : { take, close: output.close }
}

function recordsTo({ format, logger_name, logging_level: level, set_logger_level }: LogOptions): Sink {
  const log = logger(logger_name, set_logger_level)
  const line = formatter(format)
  return {
    take(entry) {
      if (!log.isLevelEnabled(level)) return
      const { id: request_id, REQUEST_METHOD, REQUEST_URI, status } = entry
      if (format !== 'json') log[level](line(entry))
      else log[level]({ request_id, ...jsonFields(entry) }, `${REQUEST_METHOD} ${REQUEST_URI} ${status}`)
    },
  }
}

interface Output {
  write(line: string): void
  close?: () => Promise<void>
}

function resolveFile(name: string, here: string): string {
  return name === 'stdout' || name === 'stderr' ? name : resolve(here, name)
}

function openLog(name: string): Output {
  if (name === 'stdout') return { write: (line) => void process.stdout.write(`${line}\n`) }
  if (name === 'stderr') return { write: (line) => void process.stderr.write(`${line}\n`) }
  let fd: number
  try {
    fd = openSync(name, 'a', 0o640)
  } catch (error) {
    throw new OptionError('log_file', `expected a file that can be written: ${(error as Error).message}`)
  }
  const stream = createWriteStream(name, { fd })
  const log = logger('sessd.translogger')
  stream.on('error', (err) => log.error({ err }, `the access log can't be written: ${err.message}`))
  return {
    write: (line) => void stream.write(`${line}\n`),
    close: () => new Promise((done) => stream.end(done)),
  }
}

function makeFilter(given: LogOptions, sink: Sink): Filter {
  const filter: Filter = (next) => {
    const app: App = (req, res) => {
      const began = Date.now()
      const clock = performance.now()
      const env = environ(req)
      const id = requestId(req, given.trust_request_id)
      // As they are now: what is further inside may change them.
      const { REMOTE_ADDR, REQUEST_METHOD, REQUEST_URI, HTTP_HOST } = env
      let bytes = 0
      env['sessd.request_id'] = id
      filterResponse(res, {
        head() {
          res.setHeader('X-Request-Id', id)
          return 'pass'
        },
        counted: (more) => {
          bytes += more
        },
      })
      onceClosed(res, () =>
        sink.take({
          ...{ REMOTE_ADDR, REQUEST_METHOD, REQUEST_URI, HTTP_HOST, began },
          duration: performance.now() - clock,
          status: res.statusCode,
          bytes: isBodiless(req, res) ? 0 : bytes,
          aborted: !res.writableFinished,
          id,
          HTTP_VERSION: `HTTP/${req.httpVersion}`,
          HTTP_REFERER: req.headers.referer,
          HTTP_USER_AGENT: req.headers['user-agent'],
          REMOTE_USER: userOf(env),
          session: sessionOf(env),
        }),
      )
      return next(req, res)
    }
    return passUpgrade(app, next)
  }
  if (sink.close !== undefined) filter.close = () => sink.close!()
  return filter
}

function requestId(req: IncomingMessage, trust: boolean): string {
  const given = trust ? req.headers['x-request-id'] : undefined
  return typeof given === 'string' && /^[\w.:+/=-]{1,128}$/.test(given) ? given : randomUUID()
}

function isBodiless(req: IncomingMessage, res: ServerResponse): boolean {
  return req.method === 'HEAD' || res.statusCode === 204 || res.statusCode === 304
}

function userOf(env: object): string | undefined {
  const { REMOTE_USER } = env as { REMOTE_USER?: unknown }
  return typeof REMOTE_USER === 'string' && REMOTE_USER !== '' ? REMOTE_USER : undefined
}

/** The same for all requests of one session, and of no use to get at it. Only of sessions that were asked for. */
function sessionOf(env: object): Entry['session'] {
  const { 'beaker.session': handle } = env as { 'beaker.session'?: { loaded: boolean; id: string | null } }
  if (handle?.loaded !== true || handle.id === null) return undefined
  return createHash('sha256').update(handle.id).digest('base64url').slice(0, 16)
}
