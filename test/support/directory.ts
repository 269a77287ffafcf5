// Directories of one test, gone after it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export function emptyDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sessd-test-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  return directory
}

/** One with these files, by name. */
export function directoryOf(files: Readonly<Record<string, string>>): string {
  const directory = emptyDirectory()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}
