// Several apps, asked one after the other: egg:Paste#cascade. The first that has something stands; the last one always
// does. Whoever made the apps closes them (the loader does), not the cascade.

import type { ServerResponse } from 'node:http'
import { bytes, type Converter, words } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { checkOptions, option, readOptions, throwAll, type Values } from '../config/options.js'
import { answer, isGone, isHttp2 } from '../http/answer.js'
import { attempt } from '../http/attempt.js'
import { endFork, forkRequest, hasBody, holdBody } from '../http/fork-request.js'
import { onceClosed } from '../http/once-closed.js'
import type { App, Conf, Loader } from '../protocol.js'

const statuses: Converter<readonly number[]> = {
  expected: 'statuses from 400 to 599, divided by spaces',
  parse(text) {
    const found = words.parse(text)?.map((word) => (/^[45]\d\d$/.test(word) ? Number(word) : Number.NaN))
    return found !== undefined && statuses.accepts(found) ? found : undefined
  },
  accepts: (value): value is readonly number[] =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((item) => Number.isInteger(item) && item >= 400 && item <= 599),
}

export const options = {
  catch: option({
    type: statuses,
    default: [404],
    doc: 'The statuses with which an app says that it has nothing: the next one is asked.',
  }),
  max_body: option({
    type: bytes(1),
    default: 100 * 1024 ** 2,
    unit: 'bytes',
    doc: 'The longest request body that is held for several apps; a longer one is answered 413.',
  }),
} as const

/** Keys that begin with `app` hold the apps, and are tried in the order of their text, as in Paste: `app10` before `app2`. */
export async function factory(loader: Loader, globalConf: Conf, localConf: Conf): Promise<App> {
  const known = (key: string) => key.startsWith('app') || (key in globalConf && !Object.hasOwn(options, key))
  const given = readOptions(options, localConf, { ignore: known })
  const mounts = [...localConf].filter(([key]) => key.startsWith('app'))
  throwAll(
    mounts
      .filter(([, name]) => name.trim() === '')
      .map(([key]) => new OptionError(key, 'expected the name of an app, got nothing')),
  )
  mounts.sort(([a], [b]) => (a < b ? -1 : 1))
  const apps: App[] = []
  for (const [, name] of mounts) apps.push(await loader.getApp(name, globalConf))
  return makeCascade(apps, given)
}

export type CascadeOptions = Partial<Values<typeof options>>

/** The same for use in code: `cascade([files, site])`, tried in this order. Throws OptionError. */
export function cascade(apps: readonly App[], given: CascadeOptions = {}): App {
  return makeCascade(apps, checkOptions(options, given))
}

function makeCascade(apps: readonly App[], given: Values<typeof options>): App {
  const first = apps.slice(0, -1)
  const last = apps.at(-1)
  if (last === undefined) throw new OptionError('app1', 'missing: the apps to try')
  const drops = (status: number) => given.catch.includes(status)
  const app: App = async (req, res) => {
    if (first.length === 0) return last(req, res)
    const body = hasBody(req) ? await holdBody(req, given.max_body) : null
    if (body === undefined) {
      breakOff(res)
      return answer(res, 413)
    }
    let copy = req // which nobody ends
    if (body !== null)
      onceClosed(res, () => {
        endFork(copy, !res.writableFinished)
        void body.close()
      })
    for (const next of first) {
      if (!(await attempt(next, forkRequest(req, body ?? undefined), res, drops))) return
      if (isGone(res)) return
    }
    if (body === null) return last(req, res)
    copy = forkRequest(req, body)
    return last(copy, res)
  }
  const taker = apps.find((each) => each.upgrade !== undefined)
  if (taker !== undefined) app.upgrade = (req, socket, head) => taker.upgrade!(req, socket, head)
  return app
}

/** The rest of a body is not read: says so to the client, which else would go on sending. */
function breakOff(res: ServerResponse): void {
  if (isHttp2(res)) res.once('finish', () => res.stream.close(NO_ERROR))
  else res.setHeader('Connection', 'close')
}

/** RFC 9113, 8.1: the answer is whole, and the rest of the request not needed. */
const NO_ERROR = 0
