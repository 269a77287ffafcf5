// A configuration file from the disk: bytes to text to sections.

import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, extname } from 'node:path'
import { ConfigError, type Place } from '../config/errors.js'
import { nearest } from '../config/suggest.js'
import { parseIni } from './ini.js'
import type { ConfigFile } from './model.js'
import { warning } from './warning.js'

/**
 * Reads and parses `path` (absolute). Mistakes inside of the text are in the file's `errors`. Rejects with ConfigError
 * when there is no text: missing, a directory, not readable, not UTF-8. The error's place is `asker`, where the file is
 * asked for, if anywhere.
 */
export async function readConfigFile(path: string, asker?: Place): Promise<ConfigFile> {
  let bytes: Buffer
  try {
    bytes = await readBytes(path)
  } catch (error) {
    const reason = await readFault(error, path)
    if (asker === undefined) throw new ConfigError('file', reason, { file: path }, { cause: error })
    throw new ConfigError('file', `${path}: ${reason}`, asker, { cause: error })
  }
  const decoded = decode(bytes, path)
  const marked = decoded.startsWith('\ufeff')
  const source = marked ? decoded.slice(1) : decoded
  const { sections, defaults, errors, warnings } = parseIni(source, path)
  const mark = warning('the file begins with a byte order mark: Paste Deploy would refuse it', {
    file: path,
    line: 1,
  })
  return { path, source, sections, defaults, errors, warnings: marked ? [mark, ...warnings] : warnings }
}

/** Far more than anybody writes; devices and logs go on for ever. In bytes. */
const LONGEST_FILE = 16 * 1024 * 1024

/** Reads a file, or a pipe. Rejects with RangeError for one that is too long. */
async function readBytes(path: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > LONGEST_FILE)
      throw new RangeError(`is longer than ${LONGEST_FILE} bytes, expected an INI file`)
  }
  return Buffer.concat(chunks)
}

async function readFault(error: unknown, path: string): Promise<string> {
  const { code, message } = error as NodeJS.ErrnoException
  if (error instanceof RangeError) return message
  if (code === 'EISDIR') return 'is a directory, expected an INI file'
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read (permission denied)'
  if (code === 'ERR_INVALID_ARG_VALUE') return 'is no name of a file: it holds a NUL character'
  if (code !== 'ENOENT' && code !== 'ENOTDIR') return `can't be read: ${message}`
  const siblings = await readdir(dirname(path)).catch((): string[] => [])
  const alike = siblings.filter((name) => extname(name) === extname(path))
  const near = nearest(path.slice(path.lastIndexOf('/') + 1), alike)
  return `there is no such file.${near === undefined ? '' : ` Did you mean "${near}"?`}`
}

/** UTF-8 to text, a byte order mark kept. Throws ConfigError that names the line and the first wrong byte. */
export function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    const good = goodPrefix(bytes)
    const byte = bytes[Buffer.byteLength(good)]!.toString(16).padStart(2, '0')
    const line = good.split(/\r\n|\r|\n/).length
    throw new ConfigError('file', `byte 0x${byte} is not UTF-8. Save the file as UTF-8`, { file: path, line })
  }
}

/** The text before the first wrong byte. A prefix decodes or not, and longer ones never do again: so, bisection. */
function goodPrefix(bytes: Uint8Array): string {
  let text = ''
  let good = 0
  let bad = bytes.length + 1
  while (good + 1 < bad) {
    const middle = (good + bad) >> 1
    try {
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
      text = decoder.decode(bytes.subarray(0, middle), { stream: true })
      good = middle
    } catch {
      bad = middle
    }
  }
  return text
}
