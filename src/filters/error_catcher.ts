// Catches what apps throw: egg:Paste#error_catcher. For developers a page that shows where; for everybody else a number,
// which the log has too. Belongs outside of all that may fail. With NODE_ENV=production the page is never shown.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { boolean, text } from '../config/converters.js'
import { hasLogging, logger } from '../config/logging.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answerInstead, isGone } from '../http/answer.js'
import { environ } from '../http/environ.js'
import { passUpgrade } from '../http/pass-upgrade.js'
import { statusOf } from '../http/status-error.js'
import type { App, Conf, Filter } from '../protocol.js'
import { sendErrorPage } from './error_catcher/page.js'
import { chainOf, stackOf, titleOf } from './error_catcher/thrown.js'
import { wayOf } from './error_catcher/way.js'

const NO_MAIL = {
  type: text,
  default: undefined,
  doc: '',
  ignored: 'errors go to the log, mail is sent by what reads it',
}

export const options = {
  debug: option({
    type: boolean,
    default: undefined,
    doc: 'Shows the page for developers. Default: what debug in [DEFAULT] says, else false (evalerror: true).',
  }),
  error_message: option({
    type: text,
    default: undefined,
    doc: 'A sentence for visitors, above the reference number.',
  }),
  error_email: option(NO_MAIL),
  error_subject_prefix: option(NO_MAIL),
  from_address: option(NO_MAIL),
  smtp_server: option(NO_MAIL),
  smtp_username: option(NO_MAIL),
  smtp_password: option(NO_MAIL),
  smtp_use_tls: option(NO_MAIL),
  error_log: option({ type: text, default: undefined, doc: '', ignored: 'errors go to stderr' }),
  show_exceptions_in_wsgi_errors: option({
    type: text,
    default: undefined,
    doc: '',
    ignored: 'errors go to stderr',
  }),
  xmlhttp_key: option({
    type: text,
    default: undefined,
    doc: '',
    ignored: 'the Accept header says what is wanted',
  }),
} as const

/** egg:Paste#error_catcher. */
export function factory(globalConf: Conf, localConf: Conf): Filter {
  return makeErrorCatcher(globalConf, localConf, false)
}

/** What both names share; `debug` is the default where neither section nor [DEFAULT] says anything. */
export function makeErrorCatcher(globalConf: Conf, localConf: Conf, debug: boolean): Filter {
  const given = readOptions(options, localConf)
  const inherited = boolean.parse(globalConf.debug ?? '') ?? debug
  return makeFilter({ ...given, debug: given.debug ?? inherited }, globalConf.__file__)
}

export interface ErrorCatcherCodeOptions {
  /** Gets the text for the log, stack and all. Default: the log, which is stderr. */
  readonly write?: (text: string) => void
}

/** The same for use in code: `errorCatcher({ debug: true })(app)`. Throws OptionError. */
export function errorCatcher({
  write,
  ...given
}: Partial<Values<typeof options>> & ErrorCatcherCodeOptions = {}): Filter {
  return makeFilter(checkOptions(options, given), undefined, write)
}

function makeFilter(
  { debug, error_message }: Values<typeof options>,
  file: string | undefined,
  write?: (text: string) => void,
): Filter {
  return (next) => {
    const app: App = async (req, res) => {
      try {
        await next(req, res)
      } catch (error) {
        if (res.headersSent || isGone(res)) throw error
        const reference = environ(req)['sessd.request_id'] ?? randomUUID()
        tell(error, req, reference, write)
        if (debug === true && process.env.NODE_ENV !== 'production') {
          const way = wayOf(app, req)
          await sendErrorPage(req, res, { error, reference, file, way, status: statusOf(error) ?? 500 })
        } else sendPlain(res, statusOf(error) ?? 500, reference, error_message)
      }
    }
    return passUpgrade(app, next)
  }
}

const log = logger('sessd.error_catcher')

function tell(error: unknown, req: IncomingMessage, reference: string, write?: (text: string) => void): void {
  const about = `error ${reference}: ${req.method} ${pathOf(req)}: `
  if (write === undefined && hasLogging()) {
    log.error({ req, err: error, request_id: reference }, about + titleOf(error))
  } else {
    const text = `sessd: ${about}${logText(error)}\n`
    if (write === undefined) process.stderr.write(text)
    else write(text)
  }
}

function sendPlain(
  res: ServerResponse,
  status: number,
  reference: string,
  message: string | undefined,
): void {
  const lines = [...(message === undefined ? [] : [message]), `Reference: ${reference}`]
  answerInstead(
    res,
    status,
    `${status} ${status < 500 ? 'Error' : 'Internal Server Error'}\n${lines.join('\n')}`,
  )
}

function pathOf(req: IncomingMessage): string {
  const { originalUrl } = req as { originalUrl?: string }
  return (originalUrl ?? req.url ?? '').split('?', 1)[0]!
}

/** The stack with its causes; no line of it can be taken for another entry: they are indented. */
function logText(error: unknown): string {
  const text = chainOf(error).map(stackOf).join('\ncaused by ')
  return text.replace(/[\x00-\x09\x0b-\x1f\x7f]/g, ' ').replace(/\n(?! {4})/g, '\n    ')
}
