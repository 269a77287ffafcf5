// What a session file holds, and when it dies. Our own files begin with a line that says so; bare files hold the
// payload alone, as Beaker's do, and die some time after they were last written.

import {
  closeSync,
  fstatSync,
  futimesSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs'
import type { StoredSession } from '../store.js'

/** How payload and expiry become a file and come back. */
export interface FileFormat {
  /** Whether files hold the payload and nothing else. Expiry is then the time of the last write, plus `lifetime`. */
  readonly bare: boolean
  /** How long a file that doesn't say it lives after it was last written, in milliseconds; null: for ever. */
  readonly lifetime: number | null
}

/** The largest row that is stored or read, in bytes: rows are read in one go, with everybody waiting. */
export const MAX_ROW = 16 * 1024 * 1024

/** A file that is larger than any row: not read into memory. */
export class OversizedFile extends Error {
  override readonly name = 'OversizedFile'
}

/** The first line. It is JSON, so that `jq` reads such files, and of one length, so that touch can write into it. */
const HEADER = /^\{"sessd":1,"expires":([ \d]{13})\}\n/
const TIME_AT = '{"sessd":1,"expires":'.length
const HEADER_SIZE = TIME_AT + 13 + '}\n'.length

/** Stands for "never": in the year 2286. */
const NEVER = 9_999_999_999_999

/** The row in a file, and the state that the file was in; null: no such file. Throws OversizedFile. */
export function readRow(format: FileFormat, path: string): { row: StoredSession; stat: Stats } | null {
  return withFile(path, 'r', (file) => {
    const stat = fstatSync(file)
    if (stat.size > MAX_ROW + HEADER_SIZE) throw new OversizedFile()
    const bytes = Buffer.allocUnsafe(stat.size)
    const content = bytes.subarray(0, stat.size === 0 ? 0 : readSync(file, bytes, 0, stat.size, 0))
    const time = format.bare ? undefined : headerTime(content)
    const payload = time === undefined ? content : content.subarray(HEADER_SIZE)
    return { row: { payload, revision: payload, expiresAt: expiryOf(format, stat, time) }, stat }
  })
}

/** When the row in a file dies, in epoch milliseconds; null: never; undefined: no such file. */
export function readExpiry(format: FileFormat, path: string): number | null | undefined {
  if (format.bare) {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat && expiryOf(format, stat, undefined)
  }
  const found = withFile(path, 'r', (file) => ({ expiresAt: expiryOf(format, file, readHeader(file)) }))
  return found === null ? undefined : found.expiresAt
}

/** Fills a new, open file. */
export function writeRow(
  format: FileFormat,
  file: number,
  payload: Uint8Array,
  expiresAt: number | null,
): void {
  if (format.bare) {
    writeAll(file, payload)
    stamp(format, file, expiresAt)
  } else {
    const content = Buffer.allocUnsafe(HEADER_SIZE + payload.length)
    content.write(`{"sessd":1,"expires":${timeText(expiresAt)}}\n`, 'latin1')
    content.set(payload, HEADER_SIZE)
    writeAll(file, content)
  }
}

/** Moves the expiry of a row in place. Answers false when there is none that lives at `now`. */
export function touchRow(format: FileFormat, path: string, expiresAt: number | null, now: number): boolean {
  const touched = withFile(path, 'r+', (file) => {
    const time = format.bare ? undefined : readHeader(file)
    const until = expiryOf(format, file, time)
    if (until !== null && until <= now) return false
    if (time === undefined) stamp(format, file, expiresAt)
    else writeSync(file, timeText(expiresAt), TIME_AT, 'latin1')
    return true
  })
  return touched ?? false
}

function headerTime(start: Buffer): number | undefined {
  const text = HEADER.exec(start.toString('latin1', 0, HEADER_SIZE))?.[1]
  return text === undefined || Number.isNaN(Number(text)) ? undefined : Number(text)
}

const scratch = Buffer.alloc(HEADER_SIZE)

function readHeader(file: number): number | undefined {
  return headerTime(scratch.subarray(0, readSync(file, scratch, 0, HEADER_SIZE, 0)))
}

function timeText(expiresAt: number | null): string {
  const time = expiresAt === null ? NEVER : Math.min(Math.max(Math.trunc(expiresAt), 0), NEVER)
  return String(time).padStart(13)
}

/** `time`: what the header says; undefined where there is none, and the time of the last write counts. */
function expiryOf(format: FileFormat, file: number | Stats, time: number | undefined): number | null {
  if (time !== undefined) return time === NEVER ? null : time
  if (format.lifetime === null) return null
  const written = Math.round((typeof file === 'number' ? fstatSync(file) : file).mtimeMs)
  return written >= NEVER ? null : written + format.lifetime
}

/** Makes the time of the last write say when the row dies. Without a lifetime it can't, and says that it is in use. */
function stamp(format: FileFormat, file: number, expiresAt: number | null): void {
  const written =
    format.lifetime === null ? Date.now() : expiresAt === null ? NEVER : expiresAt - format.lifetime
  futimesSync(file, written / 1000, written / 1000)
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done)
}

/** Answers null when there is no such file. */
function withFile<R>(path: string, flags: 'r' | 'r+', work: (file: number) => R): R | null {
  let file: number
  try {
    file = openSync(path, flags)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    return work(file)
  } finally {
    closeSync(file)
  }
}
