// The command line in this process, with streams that a test can read. No TTY: no colours.

import { tmpdir } from 'node:os'
import { Writable } from 'node:stream'
import { main } from '../../src/cli/main.js'

// Vitest sets it on some terminals, and it would colour what no terminal sees.
delete process.env.FORCE_COLOR

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs `sessd ...argv` in `cwd`. */
export async function run(argv: readonly string[], cwd = tmpdir()): Promise<Outcome> {
  const [stdout, stderr] = [new Recorder(), new Recorder()]
  const code = await main(argv, { stdout, stderr, cwd })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

class Recorder extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}
