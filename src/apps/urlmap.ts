// Several apps in one, chosen by path and host: egg:Paste#urlmap. The longest path wins, on the one normal form of a
// path that docs/paths.md describes. Whoever made the apps closes them (the loader does), not the urlmap.

import { OptionError } from '../config/errors.js'
import { throwAll } from '../config/options.js'
import { answer, refuseUpgrade } from '../http/answer.js'
import { mount, settle } from '../http/environ.js'
import type { App, Conf, Loader } from '../protocol.js'
import { HostTable } from './urlmap/hosts.js'
import { type Place, parsePlace } from './urlmap/place.js'

/** The one setting that is no mount. */
const NOT_FOUND = 'not_found_app'

/** Every key is a place, its value the name of the app there. `not_found_app` may also stand in [DEFAULT]. */
export async function factory(loader: Loader, globalConf: Conf, localConf: Conf): Promise<App> {
  const mounts = [...localConf].filter(([key]) => key !== NOT_FOUND && !isInherited(key, globalConf))
  readPlaces(mounts, checkName)
  const apps: [key: string, app: App][] = []
  for (const [key, name] of mounts) apps.push([key, await loader.getApp(name, globalConf)])
  const notFound = localConf[NOT_FOUND] ?? globalConf[NOT_FOUND] ?? ''
  return urlmap(apps, notFound === '' ? {} : { notFound: await loader.getApp(notFound, globalConf) })
}

/** `debug = x` where [DEFAULT] has `debug` too: Paste never shows it to a urlmap, so it was never meant for a mount. */
function isInherited(key: string, globalConf: Conf): boolean {
  return key in globalConf && !/^(?:\/|https?$|domain\s|port\s)/i.test(key)
}

export interface UrlmapOptions {
  /** Gets what no mount is for, as it came. Default: a bare 404. */
  readonly notFound?: App
}

/**
 * The same for use in code: `urlmap({ '/': site, '/api': api, 'http://admin.example.org/': admin })`.
 * Throws OptionError for a key that is no place, or the same place as another.
 */
export function urlmap(
  mounts: Readonly<Record<string, App>> | Iterable<readonly [key: string, app: App]>,
  { notFound }: UrlmapOptions = {},
): App {
  const apps = Symbol.iterator in mounts ? [...mounts] : Object.entries(mounts)
  const table = new HostTable<App>()
  for (const [place, app] of readPlaces(apps)) table.add(place, app)

  const map: App = (req, res) => {
    if (!settle(req)) return answer(res, 400)
    const match = table.find(req)
    if (match !== undefined) {
      mount(req, match.length)
      return match.value(req, res)
    }
    if (notFound !== undefined) return notFound(req, res)
    answer(res, req.url === '*' ? 200 : 404) // RFC 9110, 9.3.7: OPTIONS * asks whether anybody is there
  }
  if (apps.some(([, app]) => app.upgrade !== undefined) || notFound?.upgrade !== undefined) {
    map.upgrade = (req, socket, head) => {
      if (!settle(req)) return refuseUpgrade(socket, 400)
      const match = table.find(req)
      const app = match?.value ?? notFound
      if (app === undefined) return refuseUpgrade(socket, 404)
      if (app.upgrade === undefined) return refuseUpgrade(socket, 501)
      if (match !== undefined) mount(req, match.length)
      app.upgrade(req, socket, head)
    }
  }
  return map
}

/** The place of each mount. Throws all that is wrong with the keys at once. */
function readPlaces<T>(
  mounts: Iterable<readonly [key: string, value: T]>,
  check: (key: string, value: T) => void = () => {},
): [Place, T][] {
  const errors: OptionError[] = []
  const places: [Place, T][] = []
  const taken = new Map<string, string>()
  for (const [key, value] of mounts) {
    try {
      check(key, value)
      const place = parsePlace(key)
      const name = `${place.host} ${place.port} ${place.path}`
      const other = taken.get(name)
      if (other !== undefined)
        throw new OptionError(key, `the same place as "${other}", where something is mounted`)
      taken.set(name, key)
      places.push([place, value])
    } catch (error) {
      if (!(error instanceof OptionError)) throw error
      errors.push(error)
    }
  }
  throwAll(errors)
  return places
}

/** Mistakes of a mount in an INI that show in its value. */
function checkName(key: string, name: string): void {
  if (/^https?$/i.test(key) && name.startsWith('//')) {
    throw new OptionError(key, 'an INI line is cut at its first colon: write "domain foo.com /path = app"')
  }
  if (name.trim() === '') throw new OptionError(key, 'expected the name of the app to mount, got nothing')
}
