// Shows the request as the apps see it: egg:Paste#test. For trying out a composition; it tells of nobody but its visitor.

import { OptionError } from '../config/errors.js'
import { throwAll } from '../config/options.js'
import { answer } from '../http/answer.js'
import { environ, settle } from '../http/environ.js'
import { html, sendPage, table } from '../http/html-page.js'
import { safeHeaders } from '../http/safe-headers.js'
import type { App, Conf } from '../protocol.js'

/** egg:Paste#test. It has no settings. */
export function factory(globalConf: Conf, localConf: Conf): App {
  const own = [...localConf].filter(([key]) => !(key in globalConf))
  throwAll(own.map(([key]) => new OptionError(key, 'no such setting: this app has none')))
  return testApp()
}

/** The same for use in code. Values of cookies and credentials are not shown. */
export function testApp(): App {
  return (req, res) => {
    if (!settle(req)) return answer(res, 400)
    const env = environ(req)
    const names = [
      'REQUEST_METHOD',
      'SCRIPT_NAME',
      'PATH_INFO',
      'QUERY_STRING',
      'REMOTE_ADDR',
      'HTTP_HOST',
    ] as const
    const rows: [string, string][] = names.map((name) => [name, env[name]])
    rows.push(['wsgi.url_scheme', env['wsgi.url_scheme']])
    for (const key of Object.keys(env))
      rows.push([key, `(${kindOf((env as unknown as Record<string, unknown>)[key])})`])
    sendPage(
      res,
      200,
      'The request, as it came here',
      html`<h2>Environ</h2>${table(rows)}<h2>Headers</h2>${table(safeHeaders(req))}`,
    )
  }
}

/** What parts have put into the environ may be secret: its kind is shown. */
function kindOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? (value.constructor?.name ?? 'object') : typeof value
}
