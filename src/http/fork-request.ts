// A request of its own for each app that is tried: what one does to path, environ or body, the next never sees. Streams
// can't be rewound, so a body is held (memory first, then a file without a name) and played to each.

import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isHttp2 } from './answer.js'
import { environ } from './environ.js'

/** Bytes of a body that are held in memory; what is longer goes to a file. */
const MEMORY = 64 * 1024

/** A request's body, read to its end. */
export interface HeldBody {
  /** The body from its beginning, for one reader. */
  chunks(): AsyncIterator<Buffer>
  close(): Promise<void>
}

/** Whether a body is to come, or its end not known yet. */
export function hasBody(req: IncomingMessage): boolean {
  if (isHttp2(req)) return !req.stream.endAfterHeaders
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers
  return coding !== undefined || (length !== undefined && length !== '0')
}

/** Reads the body of `req`. undefined: longer than `max` bytes; the rest is not read. Rejects when the client is gone. */
export async function holdBody(req: IncomingMessage, max: number): Promise<HeldBody | undefined> {
  if (Number(req.headers['content-length'] ?? 0) > max) return undefined
  const parts: Buffer[] = []
  let size = 0
  let file: FileHandle | undefined
  try {
    for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > max) {
        await file?.close()
        return undefined
      }
      if (file === undefined && size > MEMORY) {
        file = await unnamedFile()
        for (const part of parts.splice(0)) await file.appendFile(part)
      }
      if (file === undefined) parts.push(chunk)
      else await file.appendFile(chunk)
    }
  } catch (error) {
    await file?.close()
    throw error
  }
  return {
    chunks: () => (file === undefined ? fromMemory(parts) : fromFile(file, size)),
    close: async () => file?.close(),
  }
}

async function* fromMemory(parts: readonly Buffer[]): AsyncGenerator<Buffer, undefined> {
  yield* parts
}

async function* fromFile(file: FileHandle, size: number): AsyncGenerator<Buffer, undefined> {
  for (let at = 0; at < size; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(MEMORY), 0, MEMORY, at)
    if (bytesRead === 0) return
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

/** Readable by nobody else, and gone with the process. */
async function unnamedFile(): Promise<FileHandle> {
  const path = join(tmpdir(), `sessd-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600)
  await unlink(path)
  return file
}

/** The copies, and whether they are done with: closing one of these leaves the connection alone. */
const copies = new WeakMap<IncomingMessage, { over: boolean }>()

/** A copy of `req` as it stands, with `body` (or none) to read. `endFork` it when its answer is over. */
export function forkRequest(req: IncomingMessage, body?: HeldBody): IncomingMessage {
  const fork = copyOf(req, body?.chunks())
  for (const key of Object.keys(req)) {
    if (key in fork || key === 'environ') continue
    Object.defineProperty(fork, key, Object.getOwnPropertyDescriptor(req, key)!)
  }
  const from = environ(req)
  const { REMOTE_ADDR, HTTP_HOST, 'wsgi.url_scheme': scheme } = from
  Object.assign(environ(fork), { ...from, REMOTE_ADDR, HTTP_HOST, 'wsgi.url_scheme': scheme })
  return fork
}

/** What is true of a body alone, in requests and answers: it goes when there is another body, or none. */
export const ABOUT_BODY =
  /^(?:content-.*|transfer-encoding|etag|last-modified|accept-ranges|trailer|x-content-type-options)$/
const CONDITIONAL = /^(?:if-.*|range|expect)$/

/** A copy of `req` that asks for a page of its own: by GET, without a body, conditions or a part. Its path is still the same. */
export function forkForPage(req: IncomingMessage): IncomingMessage {
  const fork = forkRequest(req)
  for (const name of Object.keys(fork.headers)) {
    if (ABOUT_BODY.test(name) || CONDITIONAL.test(name)) delete fork.headers[name]
  }
  fork.method = 'GET'
  return fork
}

/** Closes a copy, as Node does with requests whose answer is over (or `aborted`). Any other request is left alone. */
export function endFork(req: IncomingMessage, aborted: boolean): void {
  const copy = copies.get(req)
  if (copy === undefined || req.destroyed) return
  copy.over = true
  if (aborted && !req.readableEnded) req.emit('aborted')
  req.destroy()
}

/** The socket of an HTTP/2 request says that it is not readable when the body was read: body parsers would pass the copy over. */
function socketFor(req: IncomingMessage): Socket {
  const { socket } = req
  if (!isHttp2(req)) return socket
  const { stream } = req
  return new Proxy(socket, {
    get: (target, name) => (name === 'readable' ? !stream.destroyed : Reflect.get(target, name)),
  })
}

function copyOf(req: IncomingMessage, chunks: AsyncIterator<Buffer> | undefined): IncomingMessage {
  const copy = new IncomingMessage(socketFor(req))
  const { method, url, headers, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor } = req
  Object.assign(copy, { method, url, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor })
  copy.headers = { ...headers }
  copy.complete = true
  const state = { over: false }
  copies.set(copy, state)
  // Node's own _read says that the parser may be asked for more; without it, a listener for 'data' gets the first chunk only.
  ;(copy as unknown as { _readableState: { readingMore: boolean } })._readableState.readingMore = false
  // Own properties: Express puts a prototype of its own under the request.
  copy._read = () => {
    if (chunks === undefined) {
      copy.push(null)
      return
    }
    chunks.next().then(
      ({ value, done }) => copy.push(done ? null : value),
      (error: Error) => copy.destroy(error),
    )
  }
  copy._destroy = (error, callback) => {
    if (state.over) callback(copy.listenerCount('error') === 0 ? null : error)
    else IncomingMessage.prototype._destroy.call(copy, error, callback) // the app itself: ends the connection too
  }
  return copy
}
