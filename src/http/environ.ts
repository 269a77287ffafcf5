// The environ of a request: WSGI's names over an IncomingMessage, worked out when somebody asks.

import type { IncomingMessage } from 'node:http'
import type { Environ } from '../protocol.js'

/** The environ of `req`, made on first use; the same object for every part and app that sees the request. */
export function environ(req: IncomingMessage): Environ {
  const carrier = req as IncomingMessage & { environ?: Environ }
  carrier.environ ??= new RequestEnviron(req)
  return carrier.environ
}

class RequestEnviron implements Environ {
  SCRIPT_NAME = ''
  PATH_INFO = ''
  QUERY_STRING = ''
  REQUEST_METHOD = ''
  REMOTE_ADDR = ''
  HTTP_HOST = ''
  'wsgi.url_scheme': 'http' | 'https' = 'http'
  constructor(req: IncomingMessage) {
    this.REQUEST_METHOD = req.method ?? ''
  }
}
