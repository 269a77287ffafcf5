// egg:Paste#recursive: lets an app hand its request on to another path below this filter, as an internal redirect that
// the client doesn't see. Only before the app has answered; the body must still be unread if the other is to read it.

import { readOptions } from '../config/options.js'
import { environ, position, returnTo } from '../http/environ.js'
import { decodePath } from '../http/path.js'
import type { App, Conf, Filter } from '../protocol.js'

declare module '../protocol.js' {
  interface Environ {
    /** Answers the request as if it had been for `path` below the recursive filter; see `forward`. */
    'paste.recursive.forward'?: (path: string) => Promise<void>
  }
}

/** What one request may be handed on at most: more is two apps that hand it to each other. */
const MOST = 10

/** egg:Paste#recursive: no settings. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  readOptions({}, localConf)
  return recursive()
}

/**
 * The same for use in code. `await environ(req)['paste.recursive.forward']('/other?x=1')` runs the pipeline behind this
 * filter again, with the path (and the query, if it has one). Rejects for what is no path, when the answer has begun,
 * and after ten times.
 */
export function recursive(): Filter {
  return (next) => {
    const app: App = (req, res) => {
      const env = environ(req)
      const here = position(req)
      let times = 0
      env['paste.recursive.forward'] = async (path) => {
        if (!/^\/(?!\/)/.test(path))
          throw new TypeError(`expected a path that begins with /, got ${JSON.stringify(path)}`)
        if (res.headersSent) throw new Error(`can't hand the request on to ${path}: the answer has begun`)
        if (++times > MOST)
          throw new Error(`the request was handed on ${MOST} times, last to ${path}: a loop`)
        returnTo(req, here)
        const query = path.indexOf('?')
        env.PATH_INFO = decodePath(query === -1 ? path : path.slice(0, query))
        env.QUERY_STRING = query === -1 ? '' : path.slice(query + 1)
        await next(req, res)
      }
      return next(req, res)
    }
    if (next.upgrade !== undefined) app.upgrade = (req, socket, head) => next.upgrade!(req, socket, head)
    return app
  }
}
