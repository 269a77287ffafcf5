// Rows as files, one each, in Beaker's places: `a/ab/abc….cache`. Shared by all processes of one host.
// Reading and saving are a few system calls, made at once: sent to the thread pool they would cost five times as much.
// Only what waits for the disk itself (fsync) is done in the background.

import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { getSystemErrorMap } from 'node:util'
import type { MaybePromise } from '../../protocol.js'
import { type Clock, systemClock } from '../clock.js'
import { after, isPromise } from '../maybe-promise.js'
import type { Revision, SaveOptions, SaveResult, SessionStore, StoredSession } from '../store.js'
import { isUnchanged, RecentRows } from './file-cache.js'
import { type BeakerLockOptions, BeakerLocks } from './file-flock.js'
import { FileLocks } from './file-lock.js'
import { MAX_ROW, OversizedFile, readExpiry, readRow, touchRow } from './file-row.js'
import { listIds, Rounds, rowPath } from './file-walk.js'
import { FileWriter, removeFile } from './file-write.js'

export { options } from './file-options.js'

export interface FileStoreOptions {
  /** Where the session files are. Made when missing. */
  readonly directory: string
  /** Where lock files are, on a file system with hard links; default: `lock` in `directory`. */
  readonly lockDirectory?: string | undefined
  /** Locks of a Beaker in Python that works on the same files. Default: none are taken. */
  readonly flock?: BeakerLockOptions | undefined
  /**
   * After how many milliseconds the asker gives up, so that waiting for a lock is of no use any more. Default: 10000.
   */
  readonly timeout?: number | undefined
  /** Whether a save, and a delete, resolve only when the disk has them. Default: no. */
  readonly fsync?: boolean | undefined
  readonly clock?: Clock | undefined
  /** Whether files hold the payload and nothing else, as Beaker's do. Needs `lifetime`. Default: no. */
  readonly bare?: boolean | undefined
  /**
   * How long a file that doesn't say it lives after it was last written, in milliseconds; null (the default): for ever.
   * That is every bare file, and what others wrote.
   */
  readonly lifetime?: number | null | undefined
}

/** What happened since the store was made. */
export interface FileStats {
  /** Files put out of the way because they could not be read as sessions. */
  readonly setAside: number
  /** Expired rows that were removed, when met or by `sweep`. */
  readonly expired: number
}

export interface FileStore extends SessionStore {
  touch(id: string, expiresAt: number | null): MaybePromise<boolean>
  sweep(limit: number): Promise<number>
  ids(): AsyncIterable<string>
  setAside(id: string): MaybePromise<void>
  ping(): MaybePromise<void>
  close(): Promise<void>
  stats(): FileStats
}

/** So many files are set aside; more are deleted, so that a broken disk or program doesn't fill what is left. */
const MAX_SET_ASIDE = 100

/**
 * Makes a store on a directory. Nothing is read or made there before it is used; `ping` tells whether it can be.
 * What the system refuses (ENOSPC, EACCES, EROFS) comes out as an Error with that `code`, without the session's id.
 * Throws OptionError when locks of Beaker's are required and can't be had.
 */
export function fileStore(given: FileStoreOptions): FileStore {
  const { clock = systemClock } = given
  const directory = resolve(given.directory)
  const corruptDirectory = join(directory, 'corrupt')
  const format = { bare: given.bare ?? false, lifetime: given.lifetime ?? null }
  const beaker = given.flock && BeakerLocks.open(given.flock)
  // A little less than the asker waits: so he is told why.
  const patience = given.timeout && given.timeout * 0.9
  const locks = new FileLocks(resolve(given.lockDirectory ?? join(directory, 'lock')), { patience, beaker })
  const writer = new FileWriter({ directory, format, fsync: given.fsync ?? false, owner: locks.owner })
  const recent = new RecentRows()
  const rounds = new Rounds(directory)
  let prepared = false
  let setAside = 0
  let expired = 0
  let closing: Promise<void> | undefined

  /** Runs one operation; system errors get a message that names the directory, and not the file, which is an id. */
  function perform<R>(doing: string, work: () => R): R {
    if (closing !== undefined) throw new Error(`the file store in ${directory} is closed`)
    try {
      const result = work()
      return isPromise(result) ? (result.catch((error: unknown) => fail(error, doing)) as R) : result
    } catch (error) {
      return fail(error, doing)
    }
  }

  function fail(error: unknown, doing: string): never {
    if (!isSystemError(error)) throw error
    const [, reason] = getSystemErrorMap().get(error.errno) ?? [error.code, error.code]
    const places = [locks.directory, beaker?.directory].filter((place) => place !== undefined)
    const where = places.find((place) => error.path?.startsWith(`${place}/`)) ?? directory
    const { code } = error
    throw Object.assign(new Error(`can't ${doing} sessions in ${where}: ${reason} (${code})`), { code })
  }

  /** Before the first change: makes directories, and takes away what dead processes left. */
  function prepare(): void {
    if (prepared) return
    writer.prepare()
    locks.prepare()
    prepared = true
  }

  function isLive(expiresAt: number | null): boolean {
    return expiresAt === null || expiresAt > clock()
  }

  /** What the file holds, live or not. */
  function read(id: string, path: string): StoredSession | null {
    try {
      const now = Date.now()
      const found = readRow(format, path)
      if (found === null) return null
      recent.put(id, path, found.row, found.stat, now)
      return found.row
    } catch (error) {
      if (!(error instanceof OversizedFile)) throw error
      tidy(() => locks.tryHold(id, () => moveAside(id, path)))
      return null
    }
  }

  function readLive(id: string, path: string): StoredSession | null {
    const row = read(id, path)
    return row !== null && isLive(row.expiresAt) ? row : null
  }

  function insert(
    id: string,
    path: string,
    payload: Uint8Array,
    expiresAt: number | null,
  ): MaybePromise<SaveResult> {
    const saved = { saved: true, revision: payload } as const
    return after(writer.insert(path, payload, expiresAt), (inserted) => {
      if (inserted) return saved
      return locks.hold(id, () => {
        const current = read(id, path)
        if (current !== null && isLive(current.expiresAt)) return { saved: false, current }
        // Without a lock a file can appear, but none can go: what was expired still is.
        if (current !== null) removeFile(path)
        return after(writer.insert(path, payload, expiresAt), (inserted) =>
          inserted ? saved : { saved: false, current: readLive(id, path) },
        )
      })
    })
  }

  function replace(
    id: string,
    path: string,
    payload: Uint8Array,
    { expiresAt, expected }: SaveOptions,
  ): MaybePromise<SaveResult> {
    return locks.hold(id, () => {
      const current = readLive(id, path)
      if (current === null || !isSame(current.payload, expected)) return { saved: false, current }
      return after(writer.replace(path, payload, expiresAt), () => ({ saved: true, revision: payload }))
    })
  }

  /** Removes the row if it is still expired and nobody is at work on it; answers whether it did. */
  function removeExpired(id: string, path: string): boolean {
    const removed = locks.tryHold(id, () => {
      const expiresAt = readExpiry(format, path)
      return expiresAt !== undefined && !isLive(expiresAt) && removeFile(path)
    })
    if (removed === true) expired++
    return removed === true
  }

  function moveAside(id: string, path: string): void {
    if (statSync(path, { throwIfNoEntry: false }) === undefined) return
    mkdirSync(corruptDirectory, { recursive: true, mode: 0o700 })
    if (readdirSync(corruptDirectory).length >= MAX_SET_ASIDE) removeFile(path)
    else renameSync(path, join(corruptDirectory, `${id}.corrupt`))
    setAside++
  }

  function isLiveFile(id: string): boolean {
    return perform('list', () => {
      const expiresAt = readExpiry(format, rowPath(directory, id))
      return expiresAt !== undefined && isLive(expiresAt)
    })
  }

  function isRemoved(id: string): boolean {
    return perform('remove', () => {
      const path = rowPath(directory, id)
      const expiresAt = readExpiry(format, path)
      return expiresAt !== undefined && !isLive(expiresAt) && removeExpired(id, path)
    })
  }

  async function close(): Promise<void> {
    rounds.stop()
    await locks.close()
    recent.clear()
  }

  return {
    scope: 'host',

    load(id) {
      return perform('read', () => {
        const known = recent.find(id)
        const path = known?.path ?? rowPath(directory, id)
        const stat = statSync(path, { throwIfNoEntry: false })
        if (stat === undefined) return null
        const row = known !== undefined && isUnchanged(known, stat) ? known.row : read(id, path)
        if (row === null || isLive(row.expiresAt)) return row
        tidy(() => removeExpired(id, path))
        return null
      })
    },

    save(id, payload, saving) {
      return perform('store', () => {
        const path = rowPath(directory, id)
        if (payload.length > MAX_ROW) {
          throw new RangeError(`a session of ${payload.length} bytes: at most ${MAX_ROW} can be stored`)
        }
        prepare()
        return saving.expected === null
          ? insert(id, path, payload, saving.expiresAt)
          : replace(id, path, payload, saving)
      })
    },

    delete(id) {
      return perform('delete', () => {
        const path = rowPath(directory, id)
        if (statSync(path, { throwIfNoEntry: false }) === undefined) return false
        prepare()
        return locks.hold(id, () => {
          const expiresAt = readExpiry(format, path)
          if (expiresAt === undefined) return false
          recent.delete(id)
          return after(writer.remove(path), () => isLive(expiresAt))
        })
      })
    },

    touch(id, expiresAt) {
      return perform('touch', () => touchRow(format, rowPath(directory, id), expiresAt, clock()))
    },

    async sweep(limit) {
      return perform('remove', () => {
        prepared = false
        prepare()
        return rounds.go(limit, isRemoved)
      })
    },

    ids() {
      return perform('list', () => listIds(directory, isLiveFile))
    },

    setAside(id) {
      return perform('set aside', () => {
        const path = rowPath(directory, id)
        prepare()
        return locks.hold(id, () => moveAside(id, path))
      })
    },

    ping() {
      return perform('store', () => {
        prepare()
        locks.tryHold('.ping', () => writer.probe())
      })
    },

    close() {
      closing ??= close()
      return closing
    },

    stats: () => ({ setAside, expired }),
  }
}

/** What a reader does by the way: that it can't (a read-only directory) is no reason not to answer. */
function tidy(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!isSystemError(error)) throw error
  }
}

function isSame(payload: Uint8Array, revision: Revision | null): boolean {
  return revision instanceof Uint8Array && Buffer.compare(payload, revision) === 0
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException & { errno: number } {
  return error instanceof Error && 'syscall' in error && 'errno' in error
}
