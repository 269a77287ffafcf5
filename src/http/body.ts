// A look at a request's body that leaves it where it is: who comes next reads it from its beginning. One that is empty is
// over then, as Node has it.

import type { IncomingMessage } from 'node:http'

/**
 * Reads the whole body and puts it back. undefined: it has more than `limit` bytes (what was read is put back), or was
 * read by somebody else before. Rejects when the client breaks off.
 */
export function peekBody(req: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  if (req.complete && req.readableLength === 0) {
    // All has come. Nothing of it was there, or somebody has it; to listen now would wait for what never comes.
    return Promise.resolve(req.readableDidRead ? undefined : Buffer.alloc(0))
  }
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const look = () => {
      // read() only while there is something: at the end it would announce the end, and nothing could be put back.
      while (req.readableLength > 0 && size <= limit) {
        const chunk: Buffer = req.read()
        chunks.push(chunk)
        size += chunk.length
      }
      if (!req.complete && size <= limit) return
      stop()
      const body = Buffer.concat(chunks)
      if (body.length > 0) req.unshift(body)
      // The stream learns in the next ticks that nobody waits for `readable` any more; only then may another listen.
      setImmediate(resolve, size <= limit ? body : undefined)
    }
    const broke = () => {
      stop()
      reject(Object.assign(new Error('the client broke off'), { code: 'ECONNRESET' }))
    }
    const stop = () => {
      req.off('readable', look)
      req.off('close', broke)
      req.off('error', broke)
    }
    req.on('readable', look)
    req.on('close', broke)
    req.on('error', broke)
  })
}
