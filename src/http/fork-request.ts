// A request of its own for each app that is tried: what one does to path, environ or body, the next never sees. Streams
// can't be rewound, so a body is held (memory first, then a file without a name) and played to each.

import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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

/** A copy of `req` as it stands, with `body` (or none) to read. When the client goes away, the copy says so. */
export function forkRequest(req: IncomingMessage, res: ServerResponse, body?: HeldBody): IncomingMessage {
  const fork = copyOf(req, body?.chunks())
  const { environ: _, ...own } = req as IncomingMessage & { environ?: unknown }
  for (const key of Object.keys(own)) {
    if (!(key in fork)) (fork as unknown as Record<string, unknown>)[key] = req[key as keyof typeof req]
  }
  const from = environ(req)
  const { REMOTE_ADDR, HTTP_HOST, 'wsgi.url_scheme': scheme } = from
  Object.assign(environ(fork), { ...from, REMOTE_ADDR, HTTP_HOST, 'wsgi.url_scheme': scheme })
  res.once('close', () => {
    if (!res.writableFinished && !fork.readableEnded) fork.destroy()
  })
  return fork
}

function copyOf(req: IncomingMessage, chunks: AsyncIterator<Buffer> | undefined): IncomingMessage {
  const copy = new IncomingMessage(req.socket)
  const { method, url, headers, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor } = req
  Object.assign(copy, { method, url, rawHeaders, httpVersion, httpVersionMajor, httpVersionMinor })
  copy.headers = { ...headers }
  copy.complete = true
  // An own property: Express puts a prototype of its own under the request.
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
  return copy
}
