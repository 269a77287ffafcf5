// Who made a lock or a temporary file, and whether that process still lives: its pid alone would lie as soon as the
// system gives the number to another process.

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * Makes the name of one more owner in this process: `pid.start.host.instance`. `start`: clock ticks from boot to the
 * process, 0 where the system doesn't say. `host`: a digest of this boot and this pid namespace. `instance`: one store
 * in one thread.
 */
export function makeOwner(): string {
  return `${process.pid}.${startOf(process.pid) ?? 0}.${host()}.${randomBytes(4).toString('hex')}`
}

const OWNER = /^(\d{1,10})\.(\d{1,20})\.([0-9a-f]{8})\.[0-9a-f]{8}$/

/** After so long without a sign of life, an owner that can't be looked up is taken for dead. */
const SILENCE_MS = 60_000

/**
 * Whether what `owner` left behind may be taken away; `time` is its last sign of life (epoch milliseconds, by the
 * file's clock). A process that is certainly over is dead at once, one that certainly runs is not. Where neither is
 * certain (another host or container, another thread of this process, a name that nobody understands) silence decides.
 */
export function isAbandoned(owner: string, time: number): boolean {
  const [, pid, start, where] = OWNER.exec(owner) ?? []
  if (where === host()) {
    if (!isRunning(Number(pid))) return true
    const startNow = startOf(Number(pid))
    if (startNow === null) return true
    if (startNow !== undefined && start !== '0') {
      if (startNow !== start) return true
      if (Number(pid) !== process.pid) return false
    }
  }
  return Date.now() - time > SILENCE_MS
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** When a process began, in clock ticks since boot; null: it is over; undefined: this system doesn't say. */
function startOf(pid: number): string | null | undefined {
  // proc(5): after the name, which stands in parentheses and may hold anything, come the state (field 3) and so on.
  const stat = read(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? null : fields?.[19]
}

let hostDigest: string | undefined

function host(): string {
  if (hostDigest === undefined) {
    const boot = read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')) ?? hostname()
    const namespace = read(() => readlinkSync('/proc/self/ns/pid')) ?? ''
    hostDigest = createHash('sha256').update(`${boot} ${namespace}`).digest('hex').slice(0, 8)
  }
  return hostDigest
}

/** What `get` answers; undefined where the file is not there or not for us. */
function read(get: () => string): string | undefined {
  try {
    return get()
  } catch {
    return undefined
  }
}
