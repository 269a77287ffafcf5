// Tells when files change. It watches directories, because a watched file is lost with the first editor that replaces
// it, and compares contents, because a file that is only touched has not changed.

import { createHash } from 'node:crypto'
import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { dirname } from 'node:path'

/** Milliseconds of quiet before files are looked at: an editor writes in several steps. */
const QUIET = 100

export class Watcher {
  readonly #onChange: (files: readonly string[]) => void
  readonly #onTrouble: (sentence: string) => void
  readonly #directories = new Map<string, FSWatcher>()
  readonly #digests = new Map<string, string | undefined>()
  #timer: NodeJS.Timeout | undefined

  /** `onChange` gets the files whose contents differ from when they were last looked at; `onTrouble` a sentence for the user. */
  constructor(onChange: (files: readonly string[]) => void, onTrouble: (sentence: string) => void) {
    this.#onChange = onChange
    this.#onTrouble = onTrouble
  }

  /** Watches `file` as well. What is in it now counts as known. */
  add(file: string): void {
    if (this.#digests.has(file)) return
    this.#digests.set(file, digestOf(file))
    const directory = dirname(file)
    if (this.#directories.has(directory)) return
    try {
      const watcher = watch(directory, () => {
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#look(), QUIET)
      })
      watcher.on('error', () => this.#directories.delete(directory)) // the directory is gone
      this.#directories.set(directory, watcher)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      this.#onTrouble(`changes in ${directory} can't be watched: ${code}`)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    for (const watcher of this.#directories.values()) watcher.close()
  }

  #look(): void {
    const changed = [...this.#digests].filter(([file, known]) => {
      const digest = digestOf(file)
      if (digest === undefined || digest === known) return false // one that is gone is about to be replaced
      this.#digests.set(file, digest)
      return true
    })
    if (changed.length > 0) this.#onChange(changed.map(([file]) => file))
  }
}

/** undefined when it can't be read. */
function digestOf(file: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('base64')
  } catch {
    return undefined
  }
}
