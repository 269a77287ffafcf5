// Makes answers of errors that carry a status: egg:Paste#httpexceptions. Inside of the session filter what such a handler
// has saved is stored; outside of it the session counts the error as a failure, and stores nothing.

import { type ServerResponse, STATUS_CODES } from 'node:http'
import { OptionError } from '../config/errors.js'
import { throwAll } from '../config/options.js'
import { answer, isHttp2 } from '../http/answer.js'
import { passUpgrade } from '../http/pass-upgrade.js'
import { statusOf } from '../http/status-error.js'
import type { App, Conf, Filter } from '../protocol.js'

/** egg:Paste#httpexceptions. It has no settings. */
export function factory(globalConf: Conf, localConf: Conf): Filter {
  const own = [...localConf].filter(([key]) => !(key in globalConf))
  throwAll(own.map(([key]) => new OptionError(key, 'no such setting: this filter has none')))
  return httpexceptions()
}

/**
 * The same for use in code. An error with `status` or `statusCode` from 300 to 599, thrown before the head is out, is
 * answered with that status, its `headers`, and, where it is `expose`d or below 500, its message. Others pass.
 */
export function httpexceptions(): Filter {
  return (next) => {
    const app: App = async (req, res) => {
      try {
        await next(req, res)
      } catch (error) {
        const status = statusOf(error, 300)
        if (status === undefined || res.headersSent) throw error
        answerWith(res, status, error as Thrown)
      }
    }
    return passUpgrade(app, next)
  }
}

interface Thrown {
  readonly message?: unknown
  readonly expose?: unknown
  readonly headers?: unknown
}

function answerWith(res: ServerResponse, status: number, { message, expose, headers }: Thrown): void {
  const words = `${status} ${STATUS_CODES[status] ?? 'Unknown'}`
  const shown =
    (expose ?? status < 500) &&
    typeof message === 'string' &&
    message !== '' &&
    message !== STATUS_CODES[status]
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  if (!isHttp2(res)) res.statusMessage = STATUS_CODES[status] ?? ''
  for (const [name, value] of headersOf(headers)) {
    if (!/^(?:content-(?:type|length|encoding)|transfer-encoding)$/i.test(name)) res.setHeader(name, value)
  }
  answer(res, status, shown ? `${words}\n${message}` : words)
}

function headersOf(headers: unknown): [name: string, value: string | string[]][] {
  if (typeof headers !== 'object' || headers === null) return []
  const pairs = headers instanceof Headers ? [...headers] : Object.entries(headers)
  return pairs.map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)])
}
