// What reaches the process and no caller: signals, errors that nobody caught, warnings. Each tap gives the event back to
// whoever had it before when the function that it answers is called.

import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'

export type EndTap = () => void

/**
 * Hears of the first SIGINT or SIGTERM. A second one ends the process at once, with 128 + its number as a shell would
 * report it.
 */
export function tapSignals(hear: (signal: NodeJS.Signals) => void): EndTap {
  let stopping = false
  const listener = (signal: NodeJS.Signals) => {
    if (stopping) process.exit(128 + constants.signals[signal])
    stopping = true
    hear(signal)
  }
  process.on('SIGINT', listener).on('SIGTERM', listener)
  return () => void process.off('SIGINT', listener).off('SIGTERM', listener)
}

/**
 * The same for a worker: Ctrl-C and a terminal that goes away reach all processes of a terminal, and it is the parent's
 * business to tell; a SIGTERM is heard, however often.
 */
export function tapWorkerSignals(hear: () => void): EndTap {
  const ignore = () => {}
  process.on('SIGINT', ignore).on('SIGHUP', ignore).on('SIGTERM', hear)
  return () => void process.off('SIGINT', ignore).off('SIGHUP', ignore).off('SIGTERM', hear)
}

/** Hears of each SIGHUP that is meant as an order. When a terminal that we run on goes away, that is a SIGTERM. */
export function tapHangup(hear: () => void): EndTap {
  const onTerminal = process.stdin.isTTY === true
  const listener = () => {
    if (onTerminal && !hasTerminal()) process.kill(process.pid, 'SIGTERM')
    else hear()
  }
  process.on('SIGHUP', listener)
  return () => void process.off('SIGHUP', listener)
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}

/** Hears of rejections and exceptions that nobody caught; Node would end the process at either. */
export function tapStrays(hear: {
  rejection(error: unknown): void
  exception(error: unknown): void
}): EndTap {
  const { rejection, exception } = hear
  process.on('unhandledRejection', rejection).on('uncaughtException', exception)
  return () => void process.off('unhandledRejection', rejection).off('uncaughtException', exception)
}

/** Takes SessdWarnings out of Node's output: they are sentences for the user. `hear` gets each once. */
export function tapWarnings(hear: (message: string) => void): EndTap {
  const before = process.listeners('warning')
  const heard = new Set<string>()
  const listener = (warning: Error) => {
    if (warning.name !== 'SessdWarning') for (const other of before) other.call(process, warning)
    else if (!heard.has(warning.message)) {
      heard.add(warning.message)
      hear(warning.message)
    }
  }
  process.removeAllListeners('warning').on('warning', listener)
  return () => {
    process.off('warning', listener)
    for (const other of before) process.on('warning', other)
  }
}

/** Resolves when what has happened so far has been heard: Node emits warnings and strays a little later. */
export function drainProcessEvents(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
