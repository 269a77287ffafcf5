// egg:sessd#mount: for apps that can't live with a mount as it is. Belongs right around the app, inside of the urlmap.
// Most apps redirect to `/info` although they are mounted at `/shop`: here that becomes `/shop/info`.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { boolean } from '../config/converters.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { environ, unmount } from '../http/environ.js'
import { hookResponse, type ResponseHook } from '../http/response-hooks.js'
import type { App, Conf, Filter } from '../protocol.js'

export const options = {
  strip: option({
    type: boolean,
    default: true,
    doc: 'Whether the app sees the rest of the path. false: all of it, for apps that know where they are. Next gets it anyway.',
  }),
  rewrite_location: option({
    type: boolean,
    default: false,
    doc: 'Whether redirects to paths outside of the mount are led into it.',
  }),
  rewrite_cookie_path: option({
    type: boolean,
    default: false,
    doc: 'Whether cookies that the app sets are for the mount alone: their Path is led into it.',
  }),
} as const

type Settings = Values<typeof options>

/** egg:sessd#mount. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  return make(readOptions(options, localConf))
}

/** The same for use in code: `mount({ strip: false })(app)`. Throws OptionError. */
export function mount(given: Partial<Settings> = {}): Filter {
  return make(checkOptions(options, given))
}

type Mounted = IncomingMessage & { baseUrl?: string }

function make(settings: Settings): Filter {
  const rewrites = settings.rewrite_location || settings.rewrite_cookie_path
  return (next) => {
    const app: App = (req: Mounted, res) => {
      if (rewrites && req.baseUrl) hookResponse(res, new Rewriter(settings, req, req.baseUrl))
      if (!settings.strip) unmount(req)
      return next(req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        if (!settings.strip) unmount(req)
        return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}

/** Leads what the app says about paths into its mount. Cookies that filters outside add come later and stay. */
class Rewriter implements ResponseHook {
  outer: ResponseHook | null = null
  readonly #settings: Settings
  readonly #req: IncomingMessage
  readonly #base: string

  constructor(settings: Settings, req: IncomingMessage, base: string) {
    this.#settings = settings
    this.#req = req
    this.#base = base
  }

  wantsHead(): boolean {
    return true
  }

  beforeHead(): void {}

  addHeaders(res: ServerResponse): void {
    const location = res.getHeader('Location')
    if (this.#settings.rewrite_location && typeof location === 'string')
      res.setHeader('Location', this.#location(location))
    const cookies = res.getHeader('Set-Cookie')
    if (this.#settings.rewrite_cookie_path && cookies !== undefined)
      res.setHeader(
        'Set-Cookie',
        [cookies].flat().map((cookie) => this.#cookie(String(cookie))),
      )
  }

  wantsBody(): boolean {
    return false
  }

  beforeBody(): void {}

  #location(location: string): string {
    if (location.startsWith('/') && !/^\/[/\\]/.test(location)) return this.#inside(location)
    const env = environ(this.#req)
    const own = `${env['wsgi.url_scheme']}://${env.HTTP_HOST}`
    const isOwn = location.startsWith(own) && /^(?:\/|$)/.test(location.slice(own.length))
    return isOwn ? own + this.#inside(location.slice(own.length) || '/') : location
  }

  #cookie(cookie: string): string {
    return cookie.replace(/(;\s*path=)(\/[^;]*)/i, (_all, name: string, path: string) =>
      path.trimEnd() === '/' ? `${name}${this.#base}` : `${name}${this.#inside(path)}`,
    )
  }

  #inside(path: string): string {
    const base = this.#base
    return path.startsWith(base) && /^(?:[/?#]|$)/.test(path.slice(base.length)) ? path : base + path
  }
}
