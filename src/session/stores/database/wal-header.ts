// The header of SQLite's WAL index, the first 96 bytes of the file `-shm` (https://sqlite.org/walformat.html): each commit
// changes it, and by it SQLite itself decides whether the pages that it has are still good. Two copies, of 12 words each
// in the byte order of the machine; a writer writes the second one first.

const SIZE = 96
const COPY = 12

/** Words of a copy. */
const VERSION = 0
const CHANGES = 2
const FRAMES = 4
const SALT = 8
const CHECKSUM = 10
/** A byte of a copy. */
const IS_INITIALISED = 12

/** The only version there is. */
const KNOWN_VERSION = 3_007_000

/** What was read of the file at one time. It says something when it `isSound`. */
export class WalHeader {
  /** To be read into. */
  readonly bytes = new Uint8Array(SIZE)
  readonly #words = new Uint32Array(this.bytes.buffer)

  equals(other: WalHeader): boolean {
    const ours = this.#words
    const theirs = other.#words
    for (let index = 0; index < ours.length; index++) if (ours[index] !== theirs[index]) return false
    return true
  }

  copyFrom(other: WalHeader): void {
    this.bytes.set(other.bytes)
  }

  /**
   * Whether nobody is about to write it, and it names a state of the file that never comes again. The header of an empty
   * log does not: after a recovery it may be the same as before.
   */
  isSound(): boolean {
    const words = this.#words
    if (words[VERSION] !== KNOWN_VERSION) return false
    for (let index = 0; index < COPY; index++) if (words[index] !== words[COPY + index]) return false
    let [first, second] = [0, 0]
    for (let index = 0; index < CHECKSUM; index += 2) {
      first = (first + words[index]! + second) >>> 0
      second = (second + words[index + 1]! + first) >>> 0
    }
    const isWhole = first === words[CHECKSUM] && second === words[CHECKSUM + 1]
    return isWhole && this.bytes[IS_INITIALISED] === 1 && words[FRAMES]! > 0
  }

  /**
   * Whether exactly one commit lies between that header and this one, both of them sound. May say no though it is so.
   * The count of changes alone does not tell: recovery after a crash sets it to 0, and others may have brought it up
   * again since. But each commit adds a frame to the log at least, so that there would be more frames than that.
   */
  isOneCommitAfter(earlier: WalHeader): boolean {
    const words = this.#words
    const before = earlier.#words
    if (words[SALT] !== before[SALT] || words[SALT + 1] !== before[SALT + 1]) return false
    const changes = before[CHANGES]! + 1
    const frames = words[FRAMES]! - before[FRAMES]!
    return words[CHANGES] === changes && frames > 0 && frames <= changes
  }
}
