// egg:PasteDeploy#config: the settings of its section, over those of [DEFAULT], at `environ['paste.config']` for all apps
// behind it. The same object for every request: nobody can change it.

import { makeConf } from '../config/conf.js'
import { environ } from '../http/environ.js'
import type { App, Conf, Filter } from '../protocol.js'

declare module '../protocol.js' {
  interface Environ {
    /** The settings of the config filter nearest to the app. */
    'paste.config'?: Conf
  }
}

/** egg:PasteDeploy#config: any setting is taken. */
export function factory(globalConf: Conf, localConf: Conf): Filter {
  return config([...globalConf, ...localConf])
}

/** The same for use in code: `config({ title: 'Shop' })(app)`. */
export function config(
  settings: Readonly<Record<string, string>> | Iterable<readonly [string, string]>,
): Filter {
  const conf = makeConf(Symbol.iterator in settings ? settings : Object.entries(settings))
  return (next) => {
    const app: App = (req, res) => {
      environ(req)['paste.config'] = conf
      return next(req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        environ(req)['paste.config'] = conf
        return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}
