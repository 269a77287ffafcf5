// WebSockets and the sessions that they came with. A socket ends when this process ends its id: by delete(), invalidate(),
// regenerateId(), revokeAll(). What another process ends, or what expires, a socket does not hear of: an app that must
// know calls reload() on the session.

import type { Duplex } from 'node:stream'
import type { SessionAdmin } from '../protocol.js'
import { after } from '../session/maybe-promise.js'
import type { Engine } from '../session/state.js'

export interface SessionSockets {
  /** Has `socket` end with the session `id`. */
  add(id: string, socket: Duplex): void
  /** The same operations for operators, heard of by the sockets. */
  watched(admin: SessionAdmin): SessionAdmin
}

/** Sees to it that what `engine` ends, ends the sockets too. */
export function sessionSockets(engine: Engine): SessionSockets {
  const open = new Map<string, Set<Duplex>>()
  const end = (id: string) => {
    for (const socket of open.get(id) ?? []) socket.destroy()
  }
  const endDead = async () => {
    for (const id of [...open.keys()]) if ((await engine.find(id)) === null) end(id)
  }
  const commit = engine.commit.bind(engine)
  engine.commit = (state) => {
    if (open.size === 0) return commit(state)
    const ended = [...state.ended, ...(state.movedFrom === null ? [] : [state.movedFrom])]
    return after(commit(state), () => {
      for (const { id } of ended) end(id)
    })
  }
  const { users } = engine
  if (users !== undefined) {
    const revokeAll = users.revokeAll.bind(users)
    users.revokeAll = async (...given) => {
      const count = await revokeAll(...given)
      await endDead()
      return count
    }
  }
  return {
    add(id, socket) {
      const sockets = open.get(id) ?? new Set()
      open.set(id, sockets.add(socket))
      socket.once('close', () => {
        sockets.delete(socket)
        if (sockets.size === 0 && open.get(id) === sockets) open.delete(id)
      })
    },
    watched: (admin) => ({
      ...admin,
      async revoke(id) {
        const existed = await admin.revoke(id)
        await endDead()
        return existed
      },
    }),
  }
}
