// What the session filter has to say and no response can carry: programming slips once per process, store failures
// each time. No id, no data, no query string.

import diagnostics_channel from 'node:diagnostics_channel'
import type { IncomingMessage } from 'node:http'
import { hasLogging, type Level, logger } from '../config/logging.js'
import type { SessionEvent } from '../session/events.js'
import type { SessionState } from '../session/state.js'
import type { LogKind } from './session-handle.js'

const SLIPS: Readonly<Record<Exclude<LogKind, 'store'>, string>> = {
  'never-saved':
    'a session was changed and never saved: call session.save(), or set beaker.session.auto = true',
  late: 'a new session was saved after the headers had left, so its cookie could not be sent: it was not stored',
  insecure: 'a session cookie is for https alone and the request came by http: it was not sent',
}

const log = logger('sessd.session')

const EVENTS: Readonly<Record<SessionEvent['type'], readonly [Level, string]>> = {
  conflict: ['debug', 'another request stored the session first'],
  retried: ['debug', 'a session was stored anew, on top of what another request had stored'],
  merged: ['debug', 'a change of a session was merged with those of other requests'],
  swept: ['debug', 'expired sessions were removed'],
  gone: ['debug', 'the session was ended elsewhere: nothing was stored'],
  expired: ['debug', 'a session had expired'],
  corrupt: ['info', 'a session could not be read'],
  foreign: ['info', 'a session holds what only Python can read'],
  'background-failed': ['warn', 'what the store does in the background failed'],
  'store-away': ['warn', 'the store is away'],
  'store-back': ['info', 'the store is back'],
  'shard-away': ['warn', 'a part of the store is away'],
  'shard-back': ['info', 'a part of the store is back'],
}

// One for all filters: what happens to a session is told once. Without a log that somebody asked for, nothing is.
diagnostics_channel.subscribe('sessd:session', (message) => {
  if (!hasLogging()) return
  const event = message as SessionEvent
  const [level, sentence] = EVENTS[event.type]
  if ('error' in event) log[level]({ err: event.error }, sentence)
  else if ('count' in event) log[level]({ count: event.count }, sentence)
  else log[level](sentence)
})

/** Answers a function that reports, each slip once. */
export function makeSessionLog() {
  const told = new Set<LogKind>()
  // In production only the cheap look: values changed in place would have to be encoded to be noticed.
  const deep = process.env.NODE_ENV !== 'production'
  return (kind: LogKind, req: IncomingMessage, detail?: unknown): void => {
    if (kind === 'store') {
      const reason = detail instanceof Error ? detail.message : String(detail)
      log.error({ req, err: detail }, `${where(req)}: the session could not be stored: ${reason}`)
      return
    }
    if (told.has(kind)) return
    if (kind === 'never-saved' && !wasChanged(detail as SessionState, deep)) return
    told.add(kind)
    const sentence = `${where(req)}: ${SLIPS[kind]}`
    if (hasLogging()) log.warn({ req }, sentence)
    else {
      const code = `SESSD_${kind.toUpperCase().replace('-', '_')}`
      process.emitWarning(sentence, { type: 'SessdWarning', code })
    }
  }
}

function wasChanged(state: SessionState, deep: boolean): boolean {
  return state.ended.length === 0 && state.data.isChanged(deep)
}

function where(req: IncomingMessage): string {
  const url = (req as IncomingMessage & { originalUrl?: string }).originalUrl ?? req.url ?? ''
  return `${req.method} ${url.split('?', 1)[0]}`
}
