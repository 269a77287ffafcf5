// Request headers as they may be shown to a person: what proves who somebody is, is left out.

import type { IncomingMessage } from 'node:http'

const MASK = '***'

const SECRET =
  /^(?:authorization|proxy-authorization|x-session|x-csrf-token|x-xsrf-token)$|(?:token|secret|api-?key|password)/i

/** Names and values of the headers of `req`; of cookies the names only, of credentials nothing. */
export function safeHeaders(req: IncomingMessage): [name: string, value: string][] {
  const shown: [string, string][] = []
  for (const [name, value] of Object.entries(req.headers)) {
    const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
    shown.push([name, name === 'cookie' ? maskCookies(text) : SECRET.test(name) ? MASK : text])
  }
  return shown
}

function maskCookies(header: string): string {
  return header
    .split(';')
    .map((pair) => (pair.includes('=') ? `${pair.slice(0, pair.indexOf('='))}=${MASK}` : MASK))
    .join(';')
}
