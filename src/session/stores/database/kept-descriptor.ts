// Descriptors of files that SQLite has locked. POSIX drops all locks of a process on a file as soon as the process
// closes any descriptor of it: SQLite's too. So a descriptor is closed when its file has no name any more, never before.

import { closeSync, fstatSync, openSync, statSync } from 'node:fs'

export interface KeptDescriptor {
  readonly fd: number
  /** Whether this is still the file of that name. */
  isInPlace(): boolean
  /** To be called once, after SQLite has closed the file. */
  release(): void
}

interface Kept {
  readonly fd: number
  users: number
}

/** All of this process, by the identity of their file: one that was opened again could never be closed. */
const kept = new Map<string, Kept>()

/** Opens a file that another part of this process may have locked, for reading. Throws what the system says. */
export function keepDescriptor(path: string): KeptDescriptor {
  let identity = identityOf(path)
  let file = kept.get(identity)
  if (file === undefined) {
    const fd = openSync(path, 'r')
    identity = identityOf(fd)
    file = { fd, users: 0 }
    kept.set(identity, file)
  }
  const { fd } = file
  file.users++
  return {
    fd,
    isInPlace() {
      try {
        return identityOf(path) === identity
      } catch {
        return false
      }
    },
    release() {
      file.users--
      closeNameless()
    },
  }
}

/** Descriptors whose file nobody can open any more, and nobody here reads. */
function closeNameless(): void {
  for (const [identity, { fd, users }] of kept) {
    if (users > 0 || fstatSync(fd).nlink > 0) continue
    kept.delete(identity)
    closeSync(fd)
  }
}

/** Device and inode. */
function identityOf(file: string | number): string {
  const { dev, ino } =
    typeof file === 'string' ? statSync(file, { bigint: true }) : fstatSync(file, { bigint: true })
  return `${dev}:${ino}`
}
