// A file of cookies as curl and browsers' exporters write it (Netscape's format): seven columns with tabs between.

import { readFileSync, writeFileSync } from 'node:fs'

interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
  /** Epoch seconds; 0: until the browser ends. */
  readonly expires: number
  readonly secure: boolean
  readonly httpOnly: boolean
}

const HTTP_ONLY = '#HttpOnly_'

/** The cookies of one host. */
export class CookieJar {
  readonly #cookies = new Map<string, Cookie>()

  /** Takes the lines of a file; those that are none are passed over, as curl does. */
  static read(file: string): CookieJar {
    const jar = new CookieJar()
    for (const line of readFileSync(file, 'utf8').split(/\r?\n/)) {
      const httpOnly = line.startsWith(HTTP_ONLY)
      if (line.startsWith('#') && !httpOnly) continue
      const [, , path = '', secure, expires, name = '', value = ''] = line.split('\t')
      if (name === '' || path === '') continue
      jar.#put({ name, value, path, expires: Number(expires) || 0, secure: secure === 'TRUE', httpOnly })
    }
    return jar
  }

  /** The Cookie header for `path`; '' for none. */
  header(path: string, now: number): string {
    const bare = path.split(/[?#]/, 1)[0]!
    return [...this.#cookies.values()]
      .filter((cookie) => cookie.expires === 0 || cookie.expires > now)
      .filter((cookie) => bare === cookie.path || bare.startsWith(cookie.path.replace(/\/?$/, '/')))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
  }

  /** Takes a Set-Cookie header of an answer. */
  store(header: string, now: number): void {
    const [pair = '', ...attributes] = header.split(';').map((part) => part.trim())
    const equals = pair.indexOf('=')
    if (equals < 1) return
    const given = new Map(
      attributes.map((attribute): [string, string] => {
        const [name = '', ...rest] = attribute.split('=')
        return [name.toLowerCase(), rest.join('=')]
      }),
    )
    const maxAge = given.get('max-age')
    const date = Date.parse(given.get('expires') ?? '')
    const expires =
      maxAge !== undefined ? now + Number(maxAge) : Number.isNaN(date) ? 0 : Math.floor(date / 1000)
    const cookie: Cookie = {
      name: pair.slice(0, equals),
      value: pair.slice(equals + 1),
      path: given.get('path')?.startsWith('/') ? given.get('path')! : '/',
      expires,
      secure: given.has('secure'),
      httpOnly: given.has('httponly'),
    }
    if (expires !== 0 && expires <= now) this.#cookies.delete(keyOf(cookie))
    else this.#put(cookie)
  }

  /** Writes a file that only its owner may read. */
  write(file: string, host: string): void {
    const lines = [...this.#cookies.values()].map(({ name, value, path, expires, secure, httpOnly }) =>
      [
        `${httpOnly ? HTTP_ONLY : ''}${host}`,
        'FALSE',
        path,
        secure ? 'TRUE' : 'FALSE',
        expires,
        name,
        value,
      ].join('\t'),
    )
    writeFileSync(file, ['# Netscape HTTP Cookie File', ...lines, ''].join('\n'), { mode: 0o600 })
  }

  #put(cookie: Cookie): void {
    this.#cookies.set(keyOf(cookie), cookie)
  }
}

function keyOf({ name, path }: Cookie): string {
  return `${name}\t${path}`
}
