// Sends bodies compressed to who takes that: egg:Paste#gzip. Belongs outside of what makes the bodies. What was written is
// on its way within a turn, so event streams and slow pages flow as they do without it.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import * as zlib from 'node:zlib'
import { bytes, integer, words } from '../config/converters.js'
import { OptionError } from '../config/errors.js'
import { checkOptions, option, readOptions, type Values } from '../config/options.js'
import { passUpgrade } from '../http/pass-upgrade.js'
import type { Verdict } from '../http/response-filter.js'
import { filterResponse } from '../http/response-hooks.js'
import type { App, Conf, Filter } from '../protocol.js'
import { preferred } from './gzip/accept-encoding.js'

export const options = {
  compress_level: option({
    type: integer(1, 9),
    default: 6,
    doc: 'From 1, the fastest, to 9, the smallest.',
  }),
  min_size: option({
    type: bytes(0),
    default: 1024,
    unit: 'bytes',
    doc: 'Bodies that are known to be shorter are sent as they are.',
  }),
  encodings: option({
    type: words,
    default: ['zstd', 'br', 'gzip'],
    doc: 'What is offered, the best first; what a client likes better comes before. zstd where Node has it.',
  }),
} as const

/** egg:Paste#gzip. */
export function factory(_globalConf: Conf, localConf: Conf): Filter {
  return makeFilter(readOptions(options, localConf))
}

/** The same for use in code: `gzip({ min_size: 4096 })(app)`. Throws OptionError. */
export function gzip(given: Partial<Values<typeof options>> = {}): Filter {
  return makeFilter(checkOptions(options, given))
}

type Encoder = Duplex & { flush(callback?: () => void): void }

/** Node has zstd from 22.15 on; its older types don't know it. */
const { createZstdCompress } = zlib as unknown as {
  createZstdCompress?: (options: { params: Record<number, number> }) => Encoder
}

const ENCODERS: Readonly<Record<string, ((level: number) => Encoder) | undefined>> = {
  gzip: (level) => zlib.createGzip({ level }),
  br: (level) =>
    // Brotli's own scale goes to 11, which is for files made once: 4 is as fast as gzip's 6, and smaller.
    zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: Math.max(1, level - 2) } }),
  zstd:
    createZstdCompress && ((level) => createZstdCompress({ params: { [ZSTD_LEVEL]: Math.ceil(level / 2) } })),
}

/** ZSTD_c_compressionLevel. */
const ZSTD_LEVEL = 100

function makeFilter({ compress_level, min_size, encodings }: Values<typeof options>): Filter {
  const unknown = encodings.find((name) => !Object.hasOwn(ENCODERS, name))
  if (unknown !== undefined) {
    throw new OptionError('encodings', `expected some of zstd, br and gzip, got "${unknown}"`)
  }
  const offered = encodings.filter((name) => ENCODERS[name] !== undefined)
  return (next) => {
    const app: App = (req, res) => {
      filterResponse(res, { head: () => judge(req, res) })
      return next(req, res)
    }
    return passUpgrade(app, next)
  }

  function judge(req: IncomingMessage, res: ServerResponse): Verdict {
    if (res.statusCode === 304) tellAsBefore(req, res)
    if (!isCompressible(res, min_size)) return 'pass'
    addVary(res)
    if (req.method === 'HEAD') return 'pass'
    const encoding = preferred(req.headers['accept-encoding'], offered)
    if (encoding === undefined) return 'pass'
    res.setHeader('Content-Encoding', encoding)
    for (const name of ['Content-Length', 'Accept-Ranges', 'Content-MD5', 'Digest', 'Content-Digest'])
      res.removeHeader(name)
    const etag = res.getHeader('ETag')
    if (typeof etag === 'string' && etag.startsWith('"')) res.setHeader('ETag', `W/${etag}`)
    return flushing(ENCODERS[encoding]!(compress_level))
  }
}

const COMPRESSIBLE =
  /^(?:text\/[^;]+|application\/(?:[^;]+\+)?(?:json|xml|javascript)|application\/(?:x-javascript|ecmascript|wasm|x-ndjson|rtf|vnd\.ms-fontobject|manifest\+json)|image\/(?:svg\+xml|bmp|x-icon|vnd\.microsoft\.icon)|font\/(?:ttf|otf|collection)|multipart\/x-mixed-replace)\s*(?:;|$)/i

function isCompressible(res: ServerResponse, minSize: number): boolean {
  const { statusCode } = res
  if (statusCode < 200 || statusCode === 204 || statusCode === 206 || statusCode === 304) return false
  if (res.hasHeader('Content-Encoding') || res.hasHeader('Content-Range')) return false
  if (!COMPRESSIBLE.test(String(res.getHeader('Content-Type') ?? ''))) return false
  if (/(?:^|[\s,])no-transform(?:$|[\s,;])/i.test(String(res.getHeader('Cache-Control') ?? ''))) return false
  const length = res.getHeader('Content-Length')
  return length === undefined || Number(length) >= minSize
}

/** A 304 has the Vary and the ETag of what it stands for (RFC 9110, 15.4.5): a weak one, if the client got that from us. */
function tellAsBefore(req: IncomingMessage, res: ServerResponse): void {
  addVary(res)
  const etag = res.getHeader('ETag')
  const known = (req.headers['if-none-match'] ?? '').split(',').map((one) => one.trim())
  if (typeof etag === 'string' && known.includes(`W/${etag}`)) res.setHeader('ETag', `W/${etag}`)
}

function addVary(res: ServerResponse): void {
  const vary = [res.getHeader('Vary') ?? []].flat().join(', ')
  const names = vary.split(',').map((name) => name.trim().toLowerCase())
  if (!names.includes('*') && !names.includes('accept-encoding')) {
    res.setHeader('Vary', vary === '' ? 'Accept-Encoding' : `${vary}, Accept-Encoding`)
  }
}

/** Flushes in the turn after a write: small pieces of one turn are still one block. */
function flushing(encoder: Encoder): Encoder {
  const write = encoder.write.bind(encoder) as (...args: unknown[]) => boolean
  let due = false
  const flush = () => {
    if (!encoder.writableEnded && !encoder.destroyed) encoder.flush() // which writes a mark: `due` stays as long
    due = false
  }
  encoder.write = (...args: unknown[]) => {
    if (!due) {
      due = true
      setImmediate(flush)
    }
    return write(...args)
  }
  return encoder
}
