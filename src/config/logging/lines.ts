// A record as lines, in the formats that need no pattern.

import { escaped, escapedJson, type Format, messageOf, readPattern, stackLines, TEXT } from './pattern.js'
import type { LogRecord } from './record.js'

/** Whether a logger is one of our own. */
function isOurs(name: string): boolean {
  return name === 'sessd' || name.startsWith('sessd.')
}

/**
 * `name: message`, what is written where nobody says how to log. Our own lines all begin with `sessd:`, and have neither
 * fields nor stack.
 */
export const plain: Format = (record) =>
  isOurs(record.name)
    ? `sessd: ${escaped(record.msg)}`
    : `${escaped(record.name)}: ${messageOf(record)}${stackLines(record.err, record.msg)}`

/** Time, level, name, message; an error's stack in indented lines below. */
export const text: Format = readPattern(TEXT)!.format

/** One JSON object in one line. `worker`: the number of this process among several. */
export function json(worker: number | undefined): Format {
  return (record) => escapedJson(JSON.stringify(jsonValue(record, worker)))
}

function jsonValue(
  { time, level, name, msg, requestId, err, fields }: LogRecord,
  worker: number | undefined,
) {
  const own = { time: new Date(time).toISOString(), level, name, pid: process.pid, worker, msg }
  return { ...own, request_id: requestId, ...fields, err }
}
