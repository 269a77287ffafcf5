// How rows lie in a table: our own, or Beaker's `beaker_cache`. Ours says when a row dies; Beaker's says when it was
// written last (`accessed`), and it dies a `lifetime` after that.

import { OptionError } from '../../../config/errors.js'
import { fromLocalTime, localTimeBefore, toLocalTime } from './local-time.js'

/** What the expiry column holds. The later a row dies, the larger. */
export type Expiry = number | string

export interface Layout {
  /** As it was set, for messages. */
  readonly table: string
  readonly schema: string | undefined
  readonly id: string
  readonly payload: string
  readonly expiry: string
  /** A column that says when the row was made; undefined: there is none. */
  readonly created: string | undefined
  /** For a row that dies at `expiresAt` (epoch milliseconds; null: never). */
  toExpiry(expiresAt: number | null): Expiry
  /** The other way round. What nobody understands lives for ever: the session knows its age as well. */
  fromExpiry(value: unknown): number | null
  /** Rows of this expiry and of any smaller one are dead at `now`. */
  deadline(now: number): Expiry
}

export interface LayoutOptions {
  readonly table?: string | undefined
  readonly schema?: string | undefined
}

/** Stands for "never": in the year 2286. */
const NEVER = 9_999_999_999_999

export function sessdLayout({ table = 'sessd_sessions', schema }: LayoutOptions): Layout {
  return {
    ...names(table, schema),
    id: 'id',
    payload: 'payload',
    expiry: 'expires_at',
    created: undefined,
    toExpiry: (expiresAt) =>
      expiresAt === null ? NEVER : Math.min(Math.max(Math.trunc(expiresAt), 0), NEVER),
    fromExpiry(value) {
      const time = Number(value)
      return time >= NEVER || Number.isNaN(time) ? null : time
    },
    deadline: (now) => Math.trunc(now),
  }
}

/** Times that every database and every Python takes. */
const FIRST_TIME = '1000-01-01 00:00:00.000000'
const LAST_TIME = '9999-12-31 00:00:00.000000'

/** `lifetime`: milliseconds from the last writing; null: for ever. */
export function beakerLayout(
  { table = 'beaker_cache', schema }: LayoutOptions,
  lifetime: number | null,
  clock: () => number,
): Layout {
  return {
    ...names(table, schema),
    id: 'namespace',
    payload: 'data',
    expiry: 'accessed',
    created: 'created',
    toExpiry(expiresAt) {
      if (lifetime === null) return toLocalTime(clock())
      return expiresAt === null || expiresAt > NEVER ? LAST_TIME : toLocalTime(expiresAt - lifetime)
    },
    fromExpiry(value) {
      const text = String(value)
      if (lifetime === null || text >= LAST_TIME.slice(0, 10)) return null
      const written = fromLocalTime(text)
      return written === undefined ? null : written + lifetime
    },
    deadline: (now) => (lifetime === null ? FIRST_TIME : localTimeBefore(now - lifetime, now)),
  }
}

function names(table: string, schema: string | undefined): Pick<Layout, 'table' | 'schema'> {
  checkName('table_name', table)
  if (schema !== undefined) checkName('schema_name', schema)
  return { table, schema }
}

/** Names come into statements as they are. */
function checkName(key: string, name: string): void {
  if (/^[a-z_][\w$]{0,49}$/i.test(name)) return
  throw new OptionError(
    key,
    `expected a name of at most 50 letters, digits and _, got ${JSON.stringify(name)}`,
  )
}

/** The table as it is written in a statement; `quote` is what the database puts around names. */
export function quotedTable({ table, schema }: Layout, quote: '"' | '`'): string {
  const quoted = (name: string) => quote + name + quote
  return schema === undefined ? quoted(table) : `${quoted(schema)}.${quoted(table)}`
}
