// What the session filter has to say and no response can carry: programming slips once per process, store failures
// each time. No id, no data, no query string.

import type { IncomingMessage } from 'node:http'
import type { SessionState } from '../session/state.js'
import type { LogKind } from './session-handle.js'

const SLIPS: Readonly<Record<Exclude<LogKind, 'store'>, string>> = {
  'never-saved':
    'a session was changed and never saved: call session.save(), or set beaker.session.auto = true',
  late: 'a new session was saved after the headers had left, so its cookie could not be sent: it was not stored',
  insecure: 'a session cookie is for https alone and the request came by http: it was not sent',
}

/** Answers a function that reports, each slip once. */
export function makeSessionLog(write = (line: string) => void process.stderr.write(`${line}\n`)) {
  const told = new Set<LogKind>()
  // In production only the cheap look: values changed in place would have to be encoded to be noticed.
  const deep = process.env.NODE_ENV !== 'production'
  return (kind: LogKind, req: IncomingMessage, detail?: unknown): void => {
    if (kind === 'store') {
      const reason = detail instanceof Error ? detail.message : String(detail)
      write(`sessd: ${where(req)}: the session could not be stored: ${reason}`)
      return
    }
    if (told.has(kind)) return
    if (kind === 'never-saved' && !wasChanged(detail as SessionState, deep)) return
    told.add(kind)
    process.emitWarning(`${where(req)}: ${SLIPS[kind]}`, {
      type: 'SessdWarning',
      code: `SESSD_${kind.toUpperCase().replace('-', '_')}`,
    })
  }
}

function wasChanged(state: SessionState, deep: boolean): boolean {
  return state.ended.length === 0 && state.data.isChanged(deep)
}

function where(req: IncomingMessage): string {
  const url = (req as IncomingMessage & { originalUrl?: string }).originalUrl ?? req.url ?? ''
  return `${req.method} ${url.split('?', 1)[0]}`
}
