// Starts servers that say on which port they listen.

import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { start } from './processes.mjs'

/**
 * Starts one and waits until it listens: `{ running, pid, port }`. Who says nothing, as nginx, is given a `port`. Rejects
 * with the reason when it does not start.
 */
export async function openServer([program, ...args], { port, core, patience = 60_000 } = {}) {
  const running = start(program, args, { core })
  try {
    if (port === undefined) {
      const [, said] = await running.says(/http:\/\/127\.0\.0\.1:(\d+)/, patience)
      return { running, pid: running.pid, port: Number(said) }
    }
    while (!(await accepts(port))) {
      if (running.child.exitCode !== null) throw new Error(`does not start: ${running.output().trim()}`)
      await sleep(10)
    }
    return { running, pid: running.pid, port }
  } catch (error) {
    await running.stop()
    throw error
  }
}

/** Whether somebody listens there. */
export async function accepts(port) {
  const socket = connect(port, '127.0.0.1')
  try {
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}
