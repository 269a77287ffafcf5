// WebSockets and the sessions that they came with. A socket ends when what it proved at its handshake opens no session
// any more: at once if this process ended it, else at the next look into the store. Neither a socket nor a look is a use.

import type { Duplex } from 'node:stream'
import type { SessionAdmin } from '../protocol.js'
import { after } from '../session/maybe-promise.js'
import type { Committer, Engine } from '../session/state.js'

export interface SessionSockets extends Committer {
  /**
   * Has `socket` end with the session that `ticket` proves. `opening`: that session, if the app has asked for it already.
   */
  add(ticket: unknown, socket: Duplex, opening: Promise<{ readonly isNew: boolean }> | null): void
  /** The same operations for operators, heard of by the sockets. */
  watched(admin: SessionAdmin): SessionAdmin
  /** Ends the sockets that are left, since nobody looks after them any more; resolves when no look is under way. */
  close(): Promise<void>
}

/** The sockets of one id. */
interface Watched {
  /** What the last of them proved. */
  ticket: unknown
  readonly sockets: Set<Duplex>
  /** Whether its session was ever seen. The cookie of one that was over before ends no socket: each new one would bring it. */
  wasThere: boolean
  /** The turn in which to look again. */
  due: number
}

/** Turns in which the sessions of all sockets are looked at once. */
const TURNS = 30
/** Looks of one turn that are under way together. */
const TOGETHER = 8

/**
 * Sees to it that what `engine` ends, ends the sockets too, and looks for what others ended within `interval` milliseconds;
 * 0: never. While there are sockets one timer runs, which keeps no process alive.
 */
export function sessionSockets(engine: Engine, interval: number): SessionSockets {
  const open = new Map<string, Watched>()
  let turn = 0
  let timer: NodeJS.Timeout | undefined
  let looking = Promise.resolve()
  let closed = interval === 0

  const end = (watched: Watched | undefined) => {
    for (const socket of watched?.sockets ?? []) socket.destroy()
  }

  const look = async (watched: Watched) => {
    let isThere: boolean
    try {
      isThere = !(await engine.load(watched.ticket)).isNew
    } catch {
      return // the store is away, which says nothing about the session
    }
    if (isThere) watched.wasThere = true
    else if (watched.wasThere) end(watched)
  }

  const lookAt = async (all: Iterable<Watched>) => {
    const rest = all[Symbol.iterator]()
    // One iterator for all: each takes what none has taken.
    const worker = async () => {
      for (let next = rest.next(); !next.done; next = rest.next()) await look(next.value)
    }
    await Promise.all(Array.from({ length: TOGETHER }, worker))
  }

  const schedule = () => {
    if (closed || timer !== undefined || open.size === 0) return
    timer = setTimeout(() => {
      turn++
      const due = [...open.values()].filter((watched) => watched.due <= turn)
      for (const watched of due) watched.due = turn + TURNS
      looking = lookAt(due).then(() => {
        timer = undefined
        schedule()
      })
    }, interval / TURNS).unref()
  }

  if (engine.users !== undefined) {
    engine.users.revoked = (ids) => lookAt([...ids].flatMap((id) => open.get(id) ?? []))
  }

  return {
    add(ticket, socket, opening) {
      const id = engine.idOf(ticket)
      const watched = open.get(id) ?? {
        ticket,
        sockets: new Set(),
        // Without looks it is taken for granted.
        wasThere: interval === 0,
        // Clients that come all at once, as after a restart, are not looked at all at once.
        due: turn + 1 + Math.floor(Math.random() * TURNS),
      }
      watched.ticket = ticket
      watched.sockets.add(socket)
      open.set(id, watched)
      socket.once('close', () => {
        watched.sockets.delete(socket)
        if (watched.sockets.size === 0 && open.get(id) === watched) open.delete(id)
      })
      const see = ({ isNew }: { isNew: boolean }) => {
        if (!isNew) watched.wasThere = true
      }
      if (opening !== null) opening.then(see, () => {})
      else if (!watched.wasThere) void look(watched)
      schedule()
    },
    commit(state) {
      if (open.size === 0) return engine.commit(state)
      const ended = [...state.ended, ...(state.movedFrom === null ? [] : [state.movedFrom])]
      return after(engine.commit(state), () => {
        for (const { id } of ended) end(open.get(id))
      })
    },
    watched: (admin) => ({
      ...admin,
      async revoke(id) {
        const existed = await admin.revoke(id)
        await lookAt([...open.values()])
        return existed
      },
    }),
    close() {
      closed = true
      clearTimeout(timer)
      for (const watched of open.values()) end(watched)
      return looking
    },
  }
}
