// How a session file comes to be: written under another name first, then put in its place in one step. Whoever reads,
// and whoever finds the directory after a crash, sees the old row or the new one, never half of one.

import {
  closeSync,
  fsync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { MaybePromise } from '../../protocol.js'
import { isAbandoned } from './file-owner.js'
import { type FileFormat, writeRow } from './file-row.js'

export interface FileWriterOptions {
  /** Where session files are; temporary ones are in `tmp` below it, on the same file system. */
  readonly directory: string
  readonly format: FileFormat
  /** Whether to wait until the disk has what was written. */
  readonly fsync: boolean
  /** Stands in the names of temporary files, so that others see when their maker is dead. */
  readonly owner: string
}

export class FileWriter {
  readonly #options: FileWriterOptions
  readonly #temporary: string
  /** Temporary files that could not be removed: the disk became read-only under them. */
  readonly #left = new Set<string>()
  #count = 0

  constructor(options: FileWriterOptions) {
    this.#options = options
    this.#temporary = join(options.directory, 'tmp')
  }

  /** Makes the directories, and takes away what dead processes left half done. */
  prepare(): void {
    mkdirSync(this.#temporary, { recursive: true, mode: 0o700 })
    this.sweep()
  }

  /** Puts a row in the place of whatever is at `path`. The caller holds its lock. */
  replace(path: string, payload: Uint8Array, expiresAt: number | null): MaybePromise<boolean> {
    return this.#store(path, payload, expiresAt, (temporary) => {
      this.#inDirectory(path, () => renameSync(temporary, path))
      return true
    })
  }

  /** Puts a row at `path` if there is no file; answers whether it did. Needs no lock. */
  insert(path: string, payload: Uint8Array, expiresAt: number | null): MaybePromise<boolean> {
    return this.#store(path, payload, expiresAt, (temporary) => {
      try {
        this.#inDirectory(path, () => linkSync(temporary, path))
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
        throw error
      } finally {
        this.#discard(temporary)
      }
    })
  }

  /** Removes a file; answers whether it was there. */
  remove(path: string): MaybePromise<boolean> {
    const removed = removeFile(path)
    return this.#options.fsync && removed ? flush(dirname(path)).then(() => true) : removed
  }

  /** Throws what a save would, for want of space or permission. */
  probe(): void {
    removeFile(this.#write(new Uint8Array(1), null))
  }

  /** Takes away the temporary files of dead processes, and what could not be removed before. */
  sweep(): void {
    this.#removeLeft()
    for (const name of readdirSync(this.#temporary)) {
      const owner = /^(.+)\.\d+\.tmp$/.exec(name)?.[1]
      if (owner === undefined || owner === this.#options.owner) continue
      const path = join(this.#temporary, name)
      const time = statSync(path, { throwIfNoEntry: false })?.ctimeMs
      if (time !== undefined && isAbandoned(owner, time)) removeFile(path)
    }
  }

  #store(
    path: string,
    payload: Uint8Array,
    expiresAt: number | null,
    place: (temporary: string) => boolean,
  ): MaybePromise<boolean> {
    const temporary = this.#write(payload, expiresAt)
    if (this.#options.fsync) return this.#storeDurably(path, temporary, place)
    try {
      return place(temporary)
    } catch (error) {
      this.#discard(temporary)
      throw error
    }
  }

  async #storeDurably(
    path: string,
    temporary: string,
    place: (temporary: string) => boolean,
  ): Promise<boolean> {
    let placed: boolean
    try {
      await flush(temporary)
      placed = place(temporary)
    } catch (error) {
      this.#discard(temporary)
      throw error
    }
    await flush(dirname(path))
    return placed
  }

  #write(payload: Uint8Array, expiresAt: number | null): string {
    this.#removeLeft()
    const path = `${this.#temporary}/${this.#options.owner}.${++this.#count}.tmp`
    const file = this.#inDirectory(path, () => openSync(path, 'wx', 0o600))
    try {
      writeRow(this.#options.format, file, payload, expiresAt)
    } catch (error) {
      this.#discard(path)
      throw error
    } finally {
      closeSync(file)
    }
    return path
  }

  /** Removes a temporary file. Throws nothing: what it was for is done, or has failed for a reason of its own. */
  #discard(path: string): void {
    try {
      removeFile(path)
    } catch {
      this.#left.add(path)
    }
  }

  #removeLeft(): void {
    for (const path of this.#left) {
      removeFile(path)
      this.#left.delete(path)
    }
  }

  /** Does `work` on `path`, making its directory if that is what is missing. */
  #inDirectory<R>(path: string, work: () => R): R {
    try {
      return work()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      const made = mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      if (this.#options.fsync && made !== undefined) {
        for (let parent = dirname(path); parent.length >= made.length; ) {
          parent = dirname(parent)
          flushNow(parent)
        }
      }
      return work()
    }
  }
}

const flushFile = promisify(fsync)

/** Resolves when the disk has the file, or the names in the directory. */
async function flush(path: string): Promise<void> {
  const file = openSync(path, 'r')
  try {
    await flushFile(file)
  } finally {
    closeSync(file)
  }
}

function flushNow(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Removes a file; answers whether it was there. */
export function removeFile(path: string): boolean {
  try {
    unlinkSync(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
