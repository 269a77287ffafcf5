// egg:sessd#lang: which of the app's languages a visitor gets: the one in the session, else in a cookie, else the best
// that Accept-Language asks for. Belongs inside of the session. Nothing is read before an app asks.

import type { IncomingMessage } from 'node:http'
import { text, words } from '../config/converters.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { appendCookie, cookieTemplate, findCookie } from '../http/cookies.js'
import { environ } from '../http/environ.js'
import type { App, Conf, Environ, Filter } from '../protocol.js'
import { getSessionHandle } from './get-session.js'

export const options = {
  languages: option({
    type: words,
    default: undefined,
    required: true,
    doc: 'The languages that the app speaks, as in en de pt-BR; the first one is for everybody else.',
  }),
  session_key: option({ type: text, default: 'lang', doc: 'Where the session keeps the language.' }),
  cookie_name: option({
    type: text,
    default: 'lang',
    doc: 'Name of the cookie that keeps it without a session.',
  }),
  environ_key: option({
    type: text,
    default: 'beaker.session',
    doc: 'The environ_key of the session filter, where it has one of its own.',
  }),
} as const

type Settings = Values<typeof options>

declare module '../protocol.js' {
  interface Environ {
    /** The visitor's language. */
    'sessd.lang'?: Language
  }
}

/** The language of one request. */
export interface Language {
  /** One of `languages`. Loads the session if the visitor has one. */
  get(): Promise<string>
  /** Keeps a language: in the session if the visitor has one, else in a cookie. Throws for one that is not spoken here. */
  set(language: string): Promise<void>
}

/** egg:sessd#lang. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  return make(readOptions(options, localConf))
}

/** The same for use in code: `lang({ languages: ['en', 'de'] })(app)`. Throws OptionError. */
export function lang(given: Partial<Settings>): Filter {
  return make(checkOptions(options, given))
}

/** The visitor's language, one of the filter's. Throws when no lang filter is in front of the app. */
export function language(req: IncomingMessage): Language {
  const found = environ(req)['sessd.lang']
  if (found !== undefined) return found
  throw new Error(
    'this request has no language: no lang filter is in front of the app (use = egg:sessd#lang)',
  )
}

const YEAR = 365 * 86_400

function make(settings: Settings): Filter {
  const template = cookieTemplate(settings.cookie_name, {
    domain: null,
    path: '/',
    maxAge: YEAR,
    secure: false,
    httpOnly: false,
    sameSite: 'lax',
  })
  return (next) => {
    const app: App = (req, res) => {
      environ(req)['sessd.lang'] = new RequestLanguage(settings, req, {
        keep: (language) => appendCookie(res, template.set(language)),
        dependOn: () => {
          if (!res.headersSent) res.appendHeader('Vary', 'Accept-Language, Cookie')
        },
      })
      return next(req, res)
    }
    if (next.upgrade !== undefined) {
      app.upgrade = (req, socket, head) => {
        environ(req)['sessd.lang'] = new RequestLanguage(settings, req, NO_ANSWER)
        return next.upgrade!(req, socket, head)
      }
    }
    return app
  }
}

/** What a language does to the response. */
interface Answer {
  keep(language: string): void
  /** Caches must not give this answer to visitors who ask for another language. */
  dependOn(): void
}

const NO_ANSWER: Answer = { keep: () => {}, dependOn: () => {} }

class RequestLanguage implements Language {
  readonly #settings: Settings
  readonly #req: IncomingMessage
  readonly #answer: Answer
  #found: Promise<string> | undefined

  constructor(settings: Settings, req: IncomingMessage, answer: Answer) {
    this.#settings = settings
    this.#req = req
    this.#answer = answer
  }

  get(): Promise<string> {
    this.#found ??= this.#find()
    return this.#found
  }

  async set(language: string): Promise<void> {
    const spoken = spokenAs(this.#settings.languages, language)
    if (spoken === undefined) {
      const known = this.#settings.languages.join(', ')
      throw new RangeError(`expected one of the languages ${known}, got ${JSON.stringify(language)}`)
    }
    const handle = this.#handle()
    if (handle === undefined || (handle.id === null && !handle.loaded)) this.#answer.keep(spoken)
    else {
      const session = await handle.load()
      session.set(this.#settings.session_key, spoken).save()
    }
    this.#found = Promise.resolve(spoken)
  }

  async #find(): Promise<string> {
    const { languages, session_key, cookie_name } = this.#settings
    const handle = this.#handle()
    if (handle !== undefined && (handle.loaded || handle.id !== null)) {
      const kept = (await handle.load()).get(session_key)
      const spoken = typeof kept === 'string' ? spokenAs(languages, kept) : undefined
      if (spoken !== undefined) return spoken
    }
    this.#answer.dependOn()
    const verify = (value: string) => spokenAs(languages, value) ?? null
    const { cookie = '', 'accept-language': accepted = '' } = this.#req.headers
    return findCookie(cookie, cookie_name, { verify }) ?? bestLanguage(accepted, languages) ?? languages[0]!
  }

  #handle(): Environ['beaker.session'] {
    const { environ_key } = this.#settings
    const isThere = Reflect.get(environ(this.#req), environ_key) !== undefined
    return isThere ? getSessionHandle(this.#req, environ_key) : undefined
  }
}

/** The language as the settings write it; case makes no difference (RFC 5646, 2.1.1). */
function spokenAs(languages: readonly string[], language: string): string | undefined {
  return languages.find((spoken) => spoken.toLowerCase() === language.toLowerCase())
}

/** RFC 4647, 3.4: the range, then without its last subtag, and so on; then a more special one of the same language. */
export function bestLanguage(header: string, languages: readonly string[]): string | undefined {
  const ranges = header
    .slice(0, 1000)
    .split(',')
    .map((item) => {
      const [range = '', ...parameters] = item.split(';').map((part) => part.trim())
      const q = parameters.find((parameter) => /^q=/i.test(parameter))?.slice(2)
      return { range: range.toLowerCase(), q: q === undefined ? 1 : Number(q) }
    })
    .filter(({ range, q }) => range !== '' && q > 0 && q <= 1)
    .sort((a, b) => b.q - a.q)
  for (const { range } of ranges) {
    if (range === '*') return languages[0]
    for (let part = range; part !== ''; part = part.slice(0, Math.max(0, part.lastIndexOf('-')))) {
      const spoken = spokenAs(languages, part)
      if (spoken !== undefined) return spoken
    }
    const special = languages.find((spoken) => spoken.toLowerCase().startsWith(`${range}-`))
    if (special !== undefined) return special
  }
  return undefined
}
