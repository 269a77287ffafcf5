// egg:sessd#healthz: answers health checks before anything else sees them. Belongs outermost. "Alive" is no question to
// the stores: whoever restarts a process because Redis is away has two problems.

import diagnostics_channel from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Converter } from '../config/converters.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { answer } from '../http/answer.js'
import { isDraining } from '../http/draining.js'
import type { App, Conf, Filter } from '../protocol.js'
import type { SessionEvent } from '../session/events.js'

const checkPath: Converter<string> = {
  expected: 'a path that begins with /',
  parse: (text) => (/^\/[^?#\s]*$/.test(text.trim()) ? text.trim() : undefined),
  accepts: (value): value is string => typeof value === 'string' && checkPath.parse(value) !== undefined,
}

export const options = {
  path: option({
    type: checkPath,
    default: '/healthz',
    doc: 'Whether the process is alive: 200 as long as it answers, also while it drains.',
  }),
  ready_path: option({
    type: checkPath,
    default: '/readyz',
    doc: 'Whether requests are welcome: 503 while the server drains, or while the store of sessions is away.',
  }),
} as const

/** egg:sessd#healthz. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  return make(readOptions(options, localConf))
}

/** The same for use in code: `healthz({ path: '/live' })(app)`. Throws OptionError. */
export function healthz(given: Partial<Values<typeof options>> = {}): Filter {
  return make(checkOptions(options, given))
}

function make({ path, ready_path }: Values<typeof options>): Filter {
  let storesAway = 0
  const listen = (message: unknown) => {
    const { type } = message as SessionEvent
    if (type === 'store-away') storesAway++
    else if (type === 'store-back') storesAway = Math.max(0, storesAway - 1)
  }
  diagnostics_channel.subscribe('sessd:session', listen)
  const problem = (req: IncomingMessage) =>
    isDraining(req) ? 'draining' : storesAway > 0 ? 'the store of sessions is away' : undefined

  const filter: Filter = (next) => {
    const app: App = (req, res) => {
      const asked = (req.url ?? '').split('?', 1)[0]
      if (asked !== path && asked !== ready_path) return next(req, res)
      if (req.method !== 'GET' && req.method !== 'HEAD') {
        res.setHeader('Allow', 'GET, HEAD')
        return answer(res, 405)
      }
      tell(res, asked === ready_path ? problem(req) : undefined)
    }
    if (next.upgrade !== undefined) app.upgrade = (req, socket, head) => next.upgrade!(req, socket, head)
    return app
  }
  filter.close = () => void diagnostics_channel.unsubscribe('sessd:session', listen)
  return filter
}

function tell(res: ServerResponse, problem: string | undefined): void {
  res.setHeader('Cache-Control', 'no-store')
  answer(res, problem === undefined ? 200 : 503, problem ?? 'ok')
}
