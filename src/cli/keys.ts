// Keys while a server runs on a terminal. Each is a signal that a person need not look up, except `t`. A terminal that
// gives single keys gives Ctrl-C and Ctrl-Z as keys too, so they are turned back into what they stand for; and a process
// in the background must not touch its terminal at all, or the shell stops it.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { ReadStream } from 'node:tty'
import type { EndTap } from './process-events.js'

/** Said when the server runs, and for `?` and `h`. */
export const KEYS = 'keys: r loads again, t prints the tree, q quits'

/** What a terminal sends for these, and what it would have sent without us, to all that it runs. */
const CONTROL: Readonly<Record<string, NodeJS.Signals>> = {
  '\x03': 'SIGINT',
  '\x1a': 'SIGTSTP',
  '\x1c': 'SIGQUIT',
}

export interface Keys {
  /** `?` and `h`. */
  help(): void
  /** `t`. */
  tree(): void
  /** Anything else, such as Enter: people like to divide what they have read from what comes. */
  newLine(): void
}

/** Whether somebody may press keys at all. */
export function hasKeys(): boolean {
  return process.stdin.isTTY === true
}

/** Hears keys as long as this process has the terminal; gives the terminal back as it was. Without one, does nothing. */
export function tapKeys(keys: Keys): EndTap {
  if (!hasKeys()) return () => {}
  const stdin = process.stdin as ReadStream
  const onData = (data: Buffer) => press(data.toString('latin1'), stdin, keys)
  const take = () => {
    if (!isInForeground()) return release(stdin)
    setRaw(stdin, true)
    stdin.resume()
  }
  const onStop = () => {
    release(stdin)
    process.off('SIGTSTP', onStop).kill(process.pid, 'SIGTSTP') // now that nobody hears it, it stops us
  }
  const onGoOn = () => {
    process.off('SIGTSTP', onStop).on('SIGTSTP', onStop)
    take()
  }
  const onExit = () => setRaw(stdin, false)
  const ignore = () => {} // the terminal went away
  stdin.on('data', onData).on('error', ignore)
  process.on('SIGCONT', onGoOn).on('SIGTSTP', onStop).on('exit', onExit)
  take()
  return () => {
    process.off('SIGCONT', onGoOn).off('SIGTSTP', onStop).off('exit', onExit)
    stdin.off('data', onData)
    release(stdin)
    stdin.unref()
  }
}

/** Keys with names (arrows, F1) are no orders, and neither is text that was pasted. */
function press(text: string, stdin: ReadStream, keys: Keys): void {
  const control = Object.keys(CONTROL).find((key) => text.includes(key))
  if (control !== undefined) {
    raise(CONTROL[control]!, stdin)
    return
  }
  const single = text.replace(/\x1b(?:\[[0-9;]*[@-~]|O?.)/g, '')
  if (!/^[rtqh?\r\n]*$/.test(single)) return
  for (const key of single) {
    if (key === 'r') process.kill(process.pid, 'SIGHUP')
    else if (key === 'q') process.kill(process.pid, 'SIGTERM')
    else if (key === 't') keys.tree()
    else if (key === '?' || key === 'h') keys.help()
    else keys.newLine()
  }
}

/** To every process of this job, as the terminal does it: whoever started us wants to hear of Ctrl-C as well. */
function raise(signal: NodeJS.Signals, stdin: ReadStream): void {
  if (signal !== 'SIGINT') release(stdin) // the shell may have the terminal before we are heard of again
  process.kill(0, signal)
}

function release(stdin: ReadStream): void {
  setRaw(stdin, false)
  stdin.pause()
}

/** A terminal that is gone has no mode. */
function setRaw(stdin: ReadStream, raw: boolean): void {
  try {
    if (stdin.isRaw !== raw && !stdin.destroyed) stdin.setRawMode(raw)
  } catch {
    // nobody is there to press a key
  }
}

/** Whether the terminal is this job's. Not known: no, since asking the terminal itself could stop us. */
function isInForeground(): boolean {
  const [group, owner] = process.platform === 'linux' ? groupsByProc() : groupsByPs()
  return group !== undefined && (group === owner || owner === '-1')
}

/** This process's group, and the one that the terminal belongs to (-1: there is no such terminal, and no job control). */
function groupsByProc(): (string | undefined)[] {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1') // pid (name) state ppid pgrp session tty_nr tpgid
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return [fields[2], fields[5]]
  } catch {
    return []
  }
}

function groupsByPs(): (string | undefined)[] {
  try {
    const args = ['-o', 'pgid=,tpgid=', '-p', String(process.pid)]
    return execFileSync('ps', args, { encoding: 'utf8', timeout: 2000 }).trim().split(/\s+/)
  } catch {
    return []
  }
}
