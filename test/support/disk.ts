// A small disk of its own for a test, in memory, that can be full or read-only. Mounting takes root.

import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, onTestFinished, test } from 'vitest'

export interface TestDisk {
  readonly directory: string
  /** Takes all the space that is left. */
  fill(): void
  /** Gives that space back. */
  free(): void
  setReadOnly(isReadOnly: boolean): void
}

/** Mounts a disk, of 600 KiB unless told otherwise. It is gone after the test. */
export function mountDisk(size = '600k'): TestDisk {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'sessd-test', directory])
  onTestFinished(() => unmount(directory))
  const filler = join(directory, 'filler')
  return {
    directory,
    fill() {
      const file = openSync(filler, 'a')
      try {
        // The last write may be a part of a page.
        for (;;) writeSync(file, Buffer.alloc(4096))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      } finally {
        closeSync(file)
      }
    },
    free: () => rmSync(filler),
    setReadOnly(isReadOnly) {
      execFileSync('mount', ['-o', `remount,${isReadOnly ? 'ro' : 'rw'}`, directory])
    },
  }
}

function unmount(directory: string): void {
  execFileSync('umount', ['--lazy', directory])
  rmdirSync(directory)
}

/** Describes tests that mount disks. Where that is not allowed they are skipped; root with CI=true must be allowed to. */
export function describeWithDisk(title: string, body: () => void): void {
  const trouble = tryToMount()
  if (trouble === undefined) describe(title, body)
  else if (process.env.CI !== 'true' || process.getuid?.() !== 0) {
    describe.skip(`${title} (no disk can be mounted here)`, body)
  } else {
    test(title, () => {
      throw new Error(`these tests mount a small disk, and root may not do that here: ${trouble}`)
    })
  }
}

/** What the system says against it. */
function tryToMount(): string | undefined {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-disk-'))
  const { status, stderr, error } = spawnSync('mount', ['-t', 'tmpfs', 'sessd-test', directory])
  if (status === 0) unmount(directory)
  else rmdirSync(directory)
  return status === 0 ? undefined : (error?.message ?? String(stderr).trim())
}
