// The short text/plain answers that sessd gives itself, to requests and to upgrade requests. They tell a status and
// nothing of what is inside.

import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** Answers `status` with its own words as body, or with `text`. Headers that were set before go out too. */
export function answer(res: ServerResponse, status: number, text = wordsOf(status)): void {
  const body = `${text}\n`
  res.statusCode = status
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.setHeader('Content-Length', Buffer.byteLength(body))
  res.end(body)
}

/** The same in place of what an app had begun to prepare: headers that were set before do not go out. */
export function answerInstead(res: ServerResponse, status: number, text?: string): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  if (!isHttp2(res)) res.statusMessage = STATUS_CODES[status] ?? ''
  answer(res, status, text)
}

/** Ends a response in a way that the client can't take for its end: by closing its connection, or HTTP/2 stream. */
export function cut(res: ServerResponse): void {
  if (isHttp2(res)) res.stream.close(INTERNAL_ERROR)
  else res.destroy()
}

/** RFC 9113, 7. */
const INTERNAL_ERROR = 2

/** What we need to know of one. */
export interface Http2Message {
  readonly stream: Duplex & {
    /** Whether the other side broke it off. */
    readonly aborted: boolean
    readonly endAfterHeaders?: boolean
    close(code: number): void
  }
}

/** Whether a request or response is one of Node's HTTP/2 look-alikes. */
export function isHttp2(message: object): message is Http2Message {
  return 'stream' in message
}

/** Whether there is nobody left to answer. */
export function isGone(res: ServerResponse): boolean {
  return isHttp2(res) ? res.stream.destroyed : res.destroyed
}

/** Answers an upgrade request with `status` and closes its connection. */
export function refuseUpgrade(socket: Duplex, status: number): void {
  const body = `${wordsOf(status)}\n`
  ignoreErrors(socket)
  if (!socket.writable) {
    socket.destroy()
    return
  }
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n` +
      `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

/** Node takes its own listener off a socket that is upgraded: without another, a reset ends the process. */
export function ignoreErrors(socket: Duplex): void {
  if (!socket.listeners('error').includes(ignore)) socket.on('error', ignore)
}

function ignore(): void {}

function wordsOf(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? 'Unknown'}`
}
