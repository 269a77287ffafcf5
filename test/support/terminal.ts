// A command on a terminal of its own, as if somebody sat there: keys go in, what the screen gets comes out. Python makes
// the terminal, since Node has none to give.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import { ROOT } from './cli.js'

const PYTHON = '/usr/bin/python3'

export interface Terminal {
  /** Presses keys, and waits for nothing. */
  press(keys: string): void
  /** Resolves when the screen has got this since the last time that it was asked; with what it got up to there. */
  shows(words: string): Promise<string>
  /** Resolves when the command is over, with all that the screen got. */
  readonly ended: Promise<string>
}

/** Runs a command of a shell. */
export function openTerminal(command: string): Terminal {
  const child = spawn(
    PYTHON,
    ['-c', 'import pty, sys; pty.spawn(["/bin/bash", "--norc", "-c", sys.argv[1]])', command],
    {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: '1', NODE_ENV: 'development', PS1: '$ ', TERM: 'dumb' },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  let screen = ''
  let seen = 0
  child.stdin.on('error', () => {})
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    screen += chunk.replaceAll('\r', '')
  })
  const ended = once(child, 'close').then(() => screen)
  return {
    press: (keys) => void child.stdin.write(keys),
    ended,
    shows: (words) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const at = screen.indexOf(words, seen)
          if (at < 0) return
          const since = screen.slice(seen, at + words.length)
          seen = at + words.length
          child.stdout.off('data', look)
          resolve(since)
        }
        child.stdout.on('data', look)
        ended.then(() => reject(new Error(`ended without ${JSON.stringify(words)}:\n${screen}`)), reject)
        look()
      }),
  }
}
