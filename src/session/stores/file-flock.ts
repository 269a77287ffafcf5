// Beaker's own lock on a session file: flock(2) on an empty file that stays. Node has no flock; the package fs-ext has.
// Locks are tried for and never waited for: who waits holds up one of libuv's four threads, and all are soon gone.

import { createHash } from 'node:crypto'
import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { OptionError } from '../../config/errors.js'

/** What we use of the package fs-ext. */
interface FsExt {
  /** Throws with code EAGAIN when the lock is another's. */
  flockSync(file: number, how: 'exnb'): void
}

export interface BeakerLockOptions {
  /** Beaker's `lock_dir`; without one, `container_file_lock` in its `data_dir`. */
  readonly directory: string
  /** Whether it is an error that fs-ext is not there. Default: no, then the store does without. */
  readonly required?: boolean | undefined
}

/** Settings that say whether Beaker's locks are taken, as they stand in the INI. */
export interface BeakerLockSettings {
  readonly flock: 'auto' | boolean
  readonly lock_dir?: string | undefined
  readonly data_dir?: string | undefined
}

/**
 * Which locks the settings mean; undefined: none. `isBeaker`: whether rows are in a format of Beaker's. Throws OptionError
 * for `flock = true` where Beaker would not find the locks.
 */
export function beakerLockOptions(
  { flock, lock_dir, data_dir }: BeakerLockSettings,
  isBeaker: boolean,
): BeakerLockOptions | undefined {
  const directory = lock_dir ?? (data_dir && join(data_dir, 'container_file_lock'))
  if (flock !== true) {
    return flock === 'auto' && isBeaker && directory !== undefined ? { directory } : undefined
  }
  if (!isBeaker) {
    throw refusal('these are locks of Beaker in Python, which needs format = beaker or beaker-1.11')
  }
  if (directory === undefined) throw refusal("needs the directory of Beaker's locks: data_dir or lock_dir")
  return { directory, required: true }
}

/** The exclusive locks that Beaker takes to write a session. */
export class BeakerLocks {
  readonly directory: string
  readonly #fsExt: FsExt

  private constructor(directory: string, fsExt: FsExt) {
    this.directory = directory
    this.#fsExt = fsExt
  }

  /** Undefined without fs-ext, unless that is required: throws OptionError then. Makes no directory yet. */
  static open({ directory, required = false }: BeakerLockOptions): BeakerLocks | undefined {
    const fsExt = loadFsExt(required)
    return fsExt && new BeakerLocks(resolve(directory), fsExt)
  }

  /** Takes the lock of a session; answers what gives it back, or undefined when somebody has it. */
  tryLock(id: string): (() => void) | undefined {
    const file = this.#open(lockPath(this.directory, id))
    try {
      this.#fsExt.flockSync(file, 'exnb')
    } catch (error) {
      closeSync(file)
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined
      throw error
    }
    return () => closeSync(file)
  }

  #open(path: string): number {
    const open = () => openSync(path, constants.O_CREAT | constants.O_RDONLY, 0o600)
    try {
      return open()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      mkdirSync(join(path, '..'), { recursive: true, mode: 0o700 })
      return open()
    }
  }
}

/** As beaker.util.encoded_path: `a/ab/ab….lock`, with the SHA-1 of the id for a name. */
function lockPath(directory: string, id: string): string {
  const name = createHash('sha1').update(id).digest('hex')
  return `${directory}/${name[0]}/${name.slice(0, 2)}/${name}.lock`
}

function loadFsExt(required: boolean): FsExt | undefined {
  const require = createRequire(import.meta.url)
  try {
    return require('fs-ext') as FsExt
  } catch (cause) {
    if (!required) return undefined
    // It is compiled where it is installed, and has to be again for another Node.
    const isThere = isInstalled(() => require.resolve('fs-ext'))
    const remedy = isThere ? 'built for this Node: npm rebuild fs-ext' : ': npm install fs-ext'
    throw refusal(`needs the package fs-ext${isThere ? ' ' : ''}${remedy}`, cause)
  }
}

function isInstalled(resolvePackage: () => string): boolean {
  try {
    resolvePackage()
    return true
  } catch {
    return false
  }
}

function refusal(reason: string, cause?: unknown): OptionError {
  return new OptionError('beaker.session.flock', `true: ${reason}`, { cause })
}
