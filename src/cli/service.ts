// What the rest of the machine is told about a server: its process id in a file, and to systemd when it is ready.

import { execFile } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/** Writes this process's id; answers a function that removes the file, unless another process's id is in it by then. */
export function writePidFile(path: string | undefined): () => void {
  if (path === undefined) return () => {}
  const id = `${process.pid}\n`
  writeFileSync(path, id)
  return () => {
    try {
      if (readFileSync(path, 'utf8') === id) rmSync(path)
    } catch {
      // gone already
    }
  }
}

/**
 * Tells systemd a state (sd_notify(3)): `READY=1`, `STOPPING=1`. Node can't send datagrams to a unix socket, so systemd's
 * own program does it; its unit needs NotifyAccess=all. Elsewhere nothing happens. Never rejects.
 */
export function notify(...state: readonly string[]): Promise<void> {
  if (!process.env.NOTIFY_SOCKET) return Promise.resolve()
  return new Promise((resolve) => {
    // Without --no-block it waits until systemd has worked off what came before.
    execFile('systemd-notify', ['--no-block', ...state], { timeout: 5000 }, () => resolve())
  })
}
