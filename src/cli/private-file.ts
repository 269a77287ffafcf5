// Files that hold a secret: for their owner alone, never half written.

import { chmodSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { randomSecret } from './secret.js'
import { explain } from './write-file.js'

/** The text of a file, undefined when there is none. Throws a sentence for what is no regular file, or not readable. */
export function readIfThere(path: string): string | undefined {
  return explain(path, () => {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    if (!stat.isFile())
      throw new Error(
        `${path} is ${stat.isDirectory() ? 'a directory' : 'no regular file'}, expected a file to write`,
      )
    return readFileSync(path, 'utf8')
  })
}

/** Makes a file with mode 0600. Throws a sentence, also when there is a file already. */
export function createPrivateFile(path: string, text: string): void {
  explain(path, () => writeFileSync(path, text, { flag: 'wx', mode: 0o600 }))
}

/** Replaces a file (through symbolic links) at once; it keeps its mode, less what the mode gave to everybody. */
export function replacePrivateFile(path: string, text: string): void {
  explain(path, () => {
    const target = realpathSync(path)
    const mode = statSync(target).mode & 0o770
    const draft = `${target}.${randomSecret()}.tmp`
    try {
      writeFileSync(draft, text, { flag: 'wx', mode: 0o600 })
      chmodSync(draft, mode)
      renameSync(draft, target)
    } catch (error) {
      rmSync(draft, { force: true })
      throw error
    }
  })
}
