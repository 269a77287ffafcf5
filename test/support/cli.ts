// The command line as users run it: a process of its own, from the built package.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { Visitor } from './site.js'

export const ROOT = join(import.meta.dirname, '../..')

/** The script behind `sessd`. It runs what `npm run build` made last. */
const BIN = join(ROOT, 'bin/sessd.js')

export interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program to its end. */
export async function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; input?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Result> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  child.stdin.on('error', () => {}) // a program that reads no input closes the pipe
  child.stdin.end(options.input)
  const output = Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = (await once(child, 'close')) as [number | null]
  const [stdout, stderr] = await output
  return { code, stdout, stderr }
}

/** Runs `sessd` to its end. */
export function sessd(...args: string[]): Promise<Result> {
  return run(process.execPath, [BIN, ...args])
}

/** A running `sessd serve`. */
export interface Served {
  readonly url: string
  visitor(): Visitor
  /** Sends a signal, and waits for nothing. */
  signal(name: NodeJS.Signals): void
  /** All that it has said so far. */
  said(): string
  /** Resolves when it has said this. */
  says(words: string): Promise<void>
  /** Resolves when the process is over; the code is null when a signal ended it. */
  readonly ended: Promise<{ code: number | null; stderr: string }>
  /** Sends SIGTERM and waits until the process is over; resolves with its exit code and what it said. */
  stop(): Promise<{ code: number | null; stderr: string }>
}

/** Starts `sessd serve FILE` on a free port. Rejects with what it said if it ends before it serves. */
export async function serveFile(file: string, ...args: string[]): Promise<Served> {
  const child = spawn(process.execPath, [BIN, 'serve', file, '--port', '0', ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', NODE_ENV: 'development' },
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr }))
  const says = (words: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => stderr.includes(words) && resolve()
      child.stderr.on('data', look)
      ended.then(({ code }) => reject(new Error(`sessd ended with code ${code}:\n${stderr}`)), reject)
      look()
    })
  await says('serving on http')
  const url = /^serving on (\S+)$/m.exec(stderr)![1]!
  return {
    url,
    visitor: () => new Visitor(url),
    signal: (name) => void child.kill(name),
    said: () => stderr,
    says,
    ended,
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}
