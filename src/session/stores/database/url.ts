// Where a database is, as SQLAlchemy writes it: `dialect+driver://user:password@host:port/database?argument=value`.
// Nothing of an url but dialect and argument names gets into an error, as there may be a password in it.

import { OptionError } from '../../../config/errors.js'

/** Arguments behind the question mark, each at most once. */
export type UrlArguments = ReadonlyMap<string, string>

export interface SqliteTarget {
  readonly dialect: 'sqlite'
  /** null: in memory. */
  readonly path: string | null
  readonly args: UrlArguments
}

export interface ServerTarget {
  readonly dialect: 'postgresql' | 'mysql'
  readonly host: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string | undefined
  readonly args: UrlArguments
}

const DIALECTS: Readonly<Record<string, 'sqlite' | 'postgresql' | 'mysql'>> = {
  sqlite: 'sqlite',
  postgresql: 'postgresql',
  postgres: 'postgresql',
  mysql: 'mysql',
  mariadb: 'mysql',
}

const EXPECTED =
  'expected sqlite:///relative/path, sqlite:////absolute/path, postgresql://user:password@host:5432/database ' +
  'or mysql://user:password@host:3306/database'

/**
 * Reads an url as SQLAlchemy does: user, password and arguments are percent-decoded, the database is not. The name of a
 * Python driver (`+psycopg2`) means nothing here. Throws OptionError.
 */
export function parseDatabaseUrl(text: string): SqliteTarget | ServerTarget {
  const [, name, rest] = /^\s*([a-z][\w.-]*)(?:\+[\w.-]+)?:\/\/(.*?)\s*$/is.exec(text) ?? []
  if (name === undefined || rest === undefined) throw new OptionError('url', EXPECTED)
  const dialect = Object.hasOwn(DIALECTS, name.toLowerCase()) ? DIALECTS[name.toLowerCase()]! : undefined
  if (dialect === undefined) throw new OptionError('url', `${EXPECTED}, got ${name}://`)
  return dialect === 'sqlite' ? parseSqlite(rest) : parseServer(dialect, rest)
}

function parseSqlite(rest: string): SqliteTarget {
  const [, path, query] = /^(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest) ?? fail('sqlite')
  const args = parseArguments(query)
  return {
    dialect: 'sqlite',
    path: path === undefined || path === '' || path === ':memory:' ? null : path,
    args,
  }
}

const SERVER =
  /^(?:([^:/@]*)(?::([^@]*))?@)?(?:\[([^/\]]+)\]|([^/:?@]*))(?::(\d{1,5}))?(?:\/([^?]*))?(?:\?(.*))?$/s

function parseServer(dialect: 'postgresql' | 'mysql', rest: string): ServerTarget {
  const [, user, password, ipv6, host, port, database, query] = SERVER.exec(rest) ?? fail(dialect)
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) fail(dialect)
  return {
    dialect,
    host: ipv6 ?? given(host),
    port: port === undefined ? undefined : Number(port),
    user: user === undefined ? undefined : given(unquote(user)),
    password: password === undefined ? undefined : unquote(password),
    database: given(database),
    args: parseArguments(query),
  }
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

function parseArguments(query: string | undefined): UrlArguments {
  const args = new Map<string, string>()
  for (const part of (query ?? '').split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decodePlus(equals === -1 ? part : part.slice(0, equals))
    if (args.has(name)) throw new OptionError('url', `the argument ${name} is given twice`)
    args.set(name, equals === -1 ? '' : decodePlus(part.slice(equals + 1)))
  }
  return args
}

function decodePlus(text: string): string {
  return unquote(text.replaceAll('+', ' '))
}

/** Python's unquote: what is no escape stays as it is. */
function unquote(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString())
}

function fail(dialect: string): never {
  throw new OptionError(
    'url',
    dialect === 'sqlite'
      ? 'expected sqlite:///relative/path or sqlite:////absolute/path: three or four slashes'
      : `expected ${dialect}://user:password@host:port/database, with %40 for @, %3A for : and %2F for / in user ` +
          'and password',
  )
}

/**
 * The arguments by name. `ignored` are such as mean something to Python only. Throws OptionError for any other: a
 * misspelt `sslmode` must not mean a connection in the clear.
 */
export function readArguments<const N extends string>(
  { dialect, args }: SqliteTarget | ServerTarget,
  names: readonly N[],
  ignored: readonly string[],
): { readonly [K in N]: string | undefined } {
  const known: readonly string[] = names
  for (const name of args.keys()) {
    if (known.includes(name) || ignored.includes(name)) continue
    const list = known.slice(0, -1).join(', ')
    throw new OptionError(
      'url',
      `${dialect} has no argument ${name} here: expected ${list} or ${known.at(-1)}`,
    )
  }
  return Object.fromEntries(names.map((name) => [name, args.get(name)])) as { [K in N]: string | undefined }
}

/** `connect_timeout`, which counts seconds, in milliseconds. Throws OptionError. */
export function connectTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new OptionError('url', 'connect_timeout: expected whole seconds')
  return Number(text) * 1000
}
