// How a request becomes a line. Text from outside is escaped as Apache does, or as JSON, down to plain ASCII.

import { OptionError } from '../../config/errors.js'

/** One request that is over. */
export interface Entry {
  readonly REMOTE_ADDR: string
  readonly REMOTE_USER: string | undefined
  readonly REQUEST_METHOD: string
  /** As the client wrote it. */
  readonly REQUEST_URI: string
  readonly HTTP_HOST: string
  readonly HTTP_VERSION: string
  readonly HTTP_REFERER: string | undefined
  readonly HTTP_USER_AGENT: string | undefined
  readonly status: number
  /** Of the body. */
  readonly bytes: number
  /** Epoch milliseconds. */
  readonly began: number
  /** Milliseconds. */
  readonly duration: number
  /** The client was gone, or the answer cut, before its end. */
  readonly aborted: boolean
  readonly id: string
  /** A hash of its id. */
  readonly session: string | undefined
}

const COMBINED =
  '%(REMOTE_ADDR)s - %(REMOTE_USER)s [%(time)s] "%(REQUEST_METHOD)s %(REQUEST_URI)s %(HTTP_VERSION)s" ' +
  '%(status)s %(bytes)s "%(HTTP_REFERER)s" "%(HTTP_USER_AGENT)s"'

const FIELDS: Readonly<Record<string, (entry: Entry) => string>> = {
  REMOTE_ADDR: (entry) => word(entry.REMOTE_ADDR),
  REMOTE_USER: (entry) => word(entry.REMOTE_USER),
  REQUEST_METHOD: (entry) => word(entry.REQUEST_METHOD),
  REQUEST_URI: (entry) => word(entry.REQUEST_URI),
  HTTP_HOST: (entry) => word(entry.HTTP_HOST),
  HTTP_VERSION: (entry) => entry.HTTP_VERSION,
  HTTP_REFERER: (entry) => escaped(entry.HTTP_REFERER),
  HTTP_USER_AGENT: (entry) => escaped(entry.HTTP_USER_AGENT),
  status: (entry) => String(entry.status),
  bytes: (entry) => (entry.bytes === 0 ? '-' : String(entry.bytes)),
  time: (entry) => apacheTime(entry.began),
  duration: (entry) => entry.duration.toFixed(1),
  request_id: (entry) => entry.id,
  session: (entry) => entry.session ?? '-',
}

/** What `format = json` tells of a request, besides time and id. */
export function jsonFields(entry: Entry): Record<string, unknown> {
  return {
    client: entry.REMOTE_ADDR,
    user: entry.REMOTE_USER,
    method: entry.REQUEST_METHOD,
    host: entry.HTTP_HOST,
    url: entry.REQUEST_URI,
    protocol: entry.HTTP_VERSION,
    status: entry.status,
    bytes: entry.bytes,
    ms: Math.round(entry.duration * 10) / 10,
    aborted: entry.aborted || undefined,
    referer: entry.HTTP_REFERER,
    agent: entry.HTTP_USER_AGENT,
    session: entry.session,
  }
}

/** The function for a `format` option. Throws OptionError for a name that a line can't have. */
export function formatter(format: string): (entry: Entry) => string {
  if (format === 'json') return json
  const parts = (format === 'combined' ? COMBINED : format).split(/%\((\w+)\)s/)
  if (parts.length === 1) {
    throw new OptionError('format', `expected combined, json, or a line with %(name)s in it, got "${format}"`)
  }
  const fields = parts.map((part, index) => {
    if (index % 2 === 0) return () => part
    if (Object.hasOwn(FIELDS, part)) return FIELDS[part]!
    throw new OptionError('format', `expected one of ${Object.keys(FIELDS).join(', ')}, got "${part}"`)
  })
  return (entry) => fields.map((field) => field(entry)).join('')
}

function json(entry: Entry): string {
  const time = new Date(entry.began).toISOString()
  const line = JSON.stringify({ time, id: entry.id, ...jsonFields(entry) })
  return line.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function escaped(text: string | undefined): string {
  if (text === undefined || text === '') return '-'
  return text.replace(/["\\]|[^\x20-\x7e]/g, (char) => {
    const code = char.charCodeAt(0)
    return char === '"' || char === '\\'
      ? `\\${char}`
      : `\\${code > 0xff ? 'u' : 'x'}${code.toString(16).padStart(2, '0')}`
  })
}

/** A field that stands without quotes: a space would end it. */
function word(text: string | undefined): string {
  return escaped(text).replaceAll(' ', '\\x20')
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `20/Nov/2026:09:30:00 +0000` */
function apacheTime(time: number): string {
  const date = new Date(time)
  const two = (number: number) => String(number).padStart(2, '0')
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}`
  return `${day}:${date.toISOString().slice(11, 19)} +0000`
}
