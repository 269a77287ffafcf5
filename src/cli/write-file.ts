// Files that commands write, and the words for what keeps them from it.

import { writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes a file for everybody, over what is there. Throws a sentence when it can't. */
export function writeOpenFile(path: string, text: string): void {
  explain(path, () => writeFileSync(path, text))
}

/** Runs what writes `path`; an error that has a reason to tell becomes that sentence. */
export function explain<T>(path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason =
      code === 'ENOENT' || code === 'ENOTDIR'
        ? `there is no directory ${dirname(path)}`
        : code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
          ? `this user may not write ${path}`
          : code === 'EISDIR'
            ? `${path} is a directory, expected a file to write`
            : code === 'EEXIST'
              ? `${path} is there already`
              : undefined
    if (reason === undefined) throw error
    throw new Error(reason, { cause: error })
  }
}
