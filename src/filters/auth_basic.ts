// egg:Paste#auth_basic: asks for name and password (RFC 7617). Only over https: the password comes with every request.

import { text } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { option, readOptions } from '../config/options.js'
import { answer, refuseUpgrade } from '../http/answer.js'
import { environ } from '../http/environ.js'
import { setIdentity } from '../http/identity.js'
import type { App, Conf, Environ, Filter, MaybePromise } from '../protocol.js'
import { importFunction, ownFunction } from './own-export.js'

export const options = {
  realm: option({ type: text, default: undefined, required: true, doc: 'What browsers show when they ask.' }),
  authfunc: option({
    type: ownFunction,
    default: undefined,
    required: true,
    doc: 'A function (environ, username, password) that answers whether the user may pass, or a promise of that.',
  }),
} as const

/** Whether a user may pass. It must compare in constant time, and hashes only. */
export type AuthFunction = (environ: Environ, username: string, password: string) => MaybePromise<boolean>

/** egg:Paste#auth_basic. */
export async function factory(globalConf: Conf, localConf: Conf): Promise<Filter> {
  const { realm, authfunc } = readOptions(options, localConf)
  return authBasic(realm, await importFunction('authfunc', authfunc, globalConf.here ?? process.cwd()))
}

/**
 * The same for use in code: `authBasic('Admins', check)(app)`. The user's name is in `environ.REMOTE_USER`; a request
 * that a filter outside has vouched for passes. Throws OptionError for a realm that no header can hold.
 */
export function authBasic(realm: string, check: AuthFunction): Filter {
  if (!/^[ -~]+$/.test(realm))
    throw new OptionError('realm', `expected ASCII text, got ${JSON.stringify(realm)}`)
  const challenge = `Basic realm="${realm.replace(/["\\]/g, '\\$&')}", charset="UTF-8"`
  const admit = async (req: Parameters<App>[0]): Promise<boolean> => {
    const env = environ(req)
    if (env.REMOTE_USER !== undefined) return true
    const given = credentials(req.headers.authorization)
    if (given === undefined || (await check(env, given.username, given.password)) !== true) return false
    setIdentity(req, given.username, 'Basic')
    return true
  }
  return (next) => {
    const app: App = async (req, res) => {
      if (await admit(req)) return next(req, res)
      res.setHeader('WWW-Authenticate', challenge)
      answer(res, 401)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) =>
        admit(req).then(
          (admitted) => (admitted ? next.upgrade!(req, socket, head) : refuseUpgrade(socket, 401)),
          () => refuseUpgrade(socket, 500),
        )
    }
    return app
  }
}

/** RFC 7617, 2: everything after the first colon is the password. */
function credentials(header: string | undefined): { username: string; password: string } | undefined {
  const encoded = /^Basic +([\w+/=-]+) *$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const pair = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon === -1) return undefined
  return { username: pair.slice(0, colon), password: pair.slice(colon + 1) }
}
