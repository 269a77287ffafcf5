// What a proxy does with the session of a request, if its settings ask for it: one request of a session at a time, no cookies
// of dead sessions, some of its values in a header that no client can forge.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { boolean, duration, integer, list, text } from '../../config/converters.js'
import { OptionError } from '../../config/errors.js'
import { option, type Values } from '../../config/options.js'
import { environ } from '../../http/environ.js'
import type { Environ, MaybePromise } from '../../protocol.js'
import { tokenMaker } from './forwarded-session.js'
import { isReserved } from './headers.js'

/** The settings of the proxy that concern the session. */
export const sessionOptions = {
  serialize_sessions: option({
    type: boolean,
    default: false,
    doc: 'Sends one request of a session at a time, until its answer begins; what our own apps store meanwhile waits too.',
  }),
  serialize_timeout: option({
    type: duration(),
    default: 30,
    unit: 'seconds',
    doc: 'How long a request waits for those of its session; after that it is answered 503.',
  }),
  serialize_queue: option({
    type: integer(1),
    default: 100,
    doc: 'How many requests of one session may wait; more are answered 503.',
  }),
  strip_dead_sessions: option({
    type: boolean,
    default: false,
    doc: 'Takes our cookie out of requests whose session is over, unknown or badly signed. Asks the store each time.',
  }),
  forward_session: option({
    type: list,
    default: [],
    doc: 'Keys of the session whose values the upstream gets in a signed header.',
  }),
  forward_session_secret: option({
    type: text,
    default: undefined,
    secret: true,
    doc: 'The key that signs that header, 32 characters at least. Give each upstream one of its own.',
  }),
  forward_session_header: option({
    type: text,
    default: 'X-Sessd-Session',
    doc: 'The name of that header. What clients send under it is dropped.',
  }),
  forward_session_lifetime: option({
    type: duration(),
    default: 60,
    unit: 'seconds',
    doc: 'How long the header is good, for upstreams whose clock differs and requests that wait.',
  }),
  environ_key: option({
    type: text,
    default: 'beaker.session',
    doc: 'The environ_key of the session filter, where it has one of its own.',
  }),
} as const

/** What the proxy does for each request. */
export interface SessionPassage {
  /** In lower case: the header that is ours alone. */
  readonly header: string | undefined
  /**
   * Waits for the request's turn; the answer is to be called when that is over. undefined: it needs none; null: there was
   * none to be had in time.
   */
  takeTurn(req: IncomingMessage, res: ServerResponse): MaybePromise<(() => void) | null | undefined>
  /** Puts into the headers for the upstream what it shall see of the session. Rejects when the store does. */
  tell(req: IncomingMessage, headers: OutgoingHttpHeaders): Promise<void>
}

/** undefined: the settings ask for nothing, so no session is touched. Throws OptionError. `now`: epoch milliseconds. */
export function sessionPassage(
  given: Values<typeof sessionOptions>,
  now: () => number,
): SessionPassage | undefined {
  const { serialize_sessions, strip_dead_sessions, forward_session } = given
  const forwarding = makeForwarding(given, now)
  if (!serialize_sessions && !strip_dead_sessions && forwarding === undefined) return undefined
  const limits = { wait: given.serialize_timeout * 1000, queue: given.serialize_queue }
  return {
    header: forwarding?.header,
    takeTurn: (req, res) =>
      serialize_sessions ? handleOf(req, given.environ_key).takeTurn(limits, res) : undefined,
    async tell(req, headers) {
      const handle = handleOf(req, given.environ_key)
      if (forwarding !== undefined) {
        const session = await handle.load()
        const values = forward_session.filter((key) => session.has(key))
        if (!session.isNew)
          headers[forwarding.header] = forwarding.token(values.map((key) => [key, session.get(key)]))
      }
      if (strip_dead_sessions && headers.cookie !== undefined) {
        const cookie = await handle.liveCookies()
        if (cookie === undefined) delete headers.cookie
        else headers.cookie = cookie
      }
    },
  }
}

function makeForwarding(given: Values<typeof sessionOptions>, now: () => number) {
  const { forward_session, forward_session_secret: secret, forward_session_header: name } = given
  if (forward_session.length === 0) {
    if (secret === undefined) return undefined
    throw new OptionError('forward_session', 'missing: the keys that forward_session_secret signs')
  }
  if (secret === undefined) {
    throw new OptionError('forward_session_secret', 'missing: the key that signs what forward_session names')
  }
  const header = name.trim().toLowerCase()
  // An underscore would be a dash to a WSGI server, and servers in front of it drop such headers.
  if (!/^[a-z0-9-]+$/.test(header) || isReserved(header)) {
    throw new OptionError(
      'forward_session_header',
      `expected the name of a header of its own: letters, digits and -, got "${name}"`,
    )
  }
  return { header, token: tokenMaker({ secret, lifetime: given.forward_session_lifetime, now }) }
}

type SessionHandle = NonNullable<Environ['beaker.session']>

function handleOf(req: IncomingMessage, key: string): SessionHandle {
  const handle = (environ(req) as Environ & Record<string, unknown>)[key]
  if (handle !== undefined) return handle as SessionHandle
  throw new Error(
    'this proxy has settings that concern the session, and no beaker_session filter is in front of it ' +
      '(in an INI: `filter-with = session` and a [filter:session] with use = egg:Beaker#beaker_session)',
  )
}
