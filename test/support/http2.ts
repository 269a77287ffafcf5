// An HTTP/2 client for tests: one connection, and its requests with all that happens to them.

import { once } from 'node:events'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { makeConf } from '../../src/config/conf.js'
import type { App, RunningServer } from '../../src/protocol.js'
import { factory } from '../../src/servers/http.js'
import { testCertificate } from './certificate.js'

const CERT = join(import.meta.dirname, '../fixtures/tls/cert.pem')
const KEY = join(import.meta.dirname, '../fixtures/tls/key.pem')

/** Serves `app` by an INI section with the test certificate, on a free port, until the test is over. */
export async function serveTls(app: App, settings: Record<string, string> = {}): Promise<Served2> {
  const section = { port: '0', tls_cert: CERT, tls_key: KEY, ...settings }
  const running = await factory(makeConf([]), makeConf(Object.entries(section)))(app)
  onTestFinished(() => running.close())
  const url = running.urls[0]!
  return { url, port: Number(new URL(url).port), server: running }
}

export interface Served2 {
  readonly url: string
  readonly port: number
  readonly server: RunningServer
}

export interface Answer2 {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly trailers: IncomingHttpHeaders | undefined
  /** The error code of RST_STREAM; 0: the stream ended in good order. */
  readonly reset: number
  /** Whether the answer came to its end. */
  readonly whole: boolean
}

export interface Client2 {
  readonly session: ClientHttp2Session
  /** Resolves with the code of the last GOAWAY (or undefined) when the connection is gone. */
  readonly closed: Promise<number | undefined>
  open(path: string, headers?: Record<string, string>): ClientHttp2Stream
  /** A whole exchange. Resolves, whatever becomes of it. */
  ask(path: string, headers?: Record<string, string>, body?: string | Buffer): Promise<Answer2>
}

/** Connects to a server that runs at `url`, until the test is over. */
export async function connect2(url: string): Promise<Client2> {
  const session = connect(url, { ca: testCertificate.cert, servername: 'localhost' })
  onTestFinished(() => session.destroy())
  let goaway: number | undefined
  session.on('goaway', (code) => {
    goaway = code
  })
  session.on('error', () => {})
  const closed = new Promise<number | undefined>((resolve) => session.on('close', () => resolve(goaway)))
  await once(session, 'connect')
  const open = (path: string, headers: Record<string, string> = {}) => {
    const endStream = headers[':method'] !== 'POST'
    const stream = session.request({ ':path': path, ...headers }, { endStream })
    stream.on('error', () => {})
    return stream
  }
  return {
    session,
    closed,
    open,
    ask(path, headers = {}, body = '') {
      const stream = open(path, { ':method': body === '' ? 'GET' : 'POST', ...headers })
      if (body !== '') stream.end(body)
      return answerOf(stream)
    },
  }
}

/** What comes of a request. Resolves, whatever that is. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Answer2> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders | undefined
  stream.on('response', (head) => {
    headers = head
  })
  stream.on('trailers', (more) => {
    trailers = more
  })
  const closed = new Promise((resolve) => stream.on('close', resolve))
  let whole = true
  const body = await text(stream).catch(() => {
    whole = false
    return ''
  })
  await closed
  const reset = stream.rstCode ?? 0
  return {
    status: Number(headers[':status'] ?? 0),
    headers,
    body,
    trailers,
    reset,
    whole: whole && reset === 0,
  }
}
