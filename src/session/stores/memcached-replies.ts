// Answers of memcached's meta protocol, cut out of a stream of bytes: `VA 3 c17 t100 O5`, then 3 bytes of value; or a
// line alone, as `HD c17 O5`. What is no such answer throws: bytes that are out of step belong to somebody else.

export interface Reply {
  /** `VA`, `HD`, `EN`, `NS`, `EX`, `NF`, `MN`, or `ERROR`, `CLIENT_ERROR`, `SERVER_ERROR`. */
  readonly status: string
  /** What stands behind it: flags, or the words of an error. */
  readonly words: readonly string[]
  /** The value; only `VA` has one. A copy of its own. */
  readonly value: Buffer | undefined
}

/** The flag that begins with `letter`, without that letter: `c17` is `17`. */
export function flagOf(reply: Reply, letter: string): string | undefined {
  return reply.words.find((word) => word.startsWith(letter))?.slice(1)
}

/** Longest line of an answer. Keys are not asked for, so all are short. */
const MAX_LINE = 2048
/** Largest value of an answer. memcached itself keeps at most 1 MB of a value, unless told otherwise by -I. */
const MAX_VALUE = 64 * 1024 * 1024
const LINE_FEED = 10
const NONE = Buffer.alloc(0)

export class ReplyReader {
  #chunks: Buffer[] = []
  #size = 0
  /** Not worth looking before there are so many bytes. */
  #needed = 1

  /** Takes bytes as they come and hands over each answer that is complete. */
  read(chunk: Buffer, onReply: (reply: Reply) => void): void {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < this.#needed) return
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size)
    const rest = this.#readAll(bytes, onReply)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#size = rest.length
  }

  /** Answers what is left over. */
  #readAll(bytes: Buffer, onReply: (reply: Reply) => void): Buffer {
    let position = 0
    for (;;) {
      const end = bytes.indexOf(LINE_FEED, position)
      const length = (end === -1 ? bytes.length : end) - position
      if (length > MAX_LINE) throw new Error('an answer that is no answer of memcached')
      if (end === -1) {
        this.#needed = 1
        return position === bytes.length ? NONE : bytes.subarray(position)
      }
      const words = bytes.toString('latin1', position, end).trimEnd().split(' ')
      const status = words.shift()!
      if (status !== 'VA') {
        position = end + 1
        onReply({ status, words, value: undefined })
        continue
      }
      const size = sizeFrom(words.shift())
      const valueEnd = end + 1 + size
      if (bytes.length < valueEnd + 2) {
        this.#needed = valueEnd + 2 - position
        return bytes.subarray(position)
      }
      if (bytes.readUInt16BE(valueEnd) !== 0x0d0a)
        throw new Error('a value that does not end where it should')
      position = valueEnd + 2
      onReply({ status, words, value: Buffer.from(bytes.subarray(end + 1, valueEnd)) })
    }
  }
}

function sizeFrom(word: string | undefined): number {
  const size = word !== undefined && /^\d{1,10}$/.test(word) ? Number(word) : Number.NaN
  if (!(size <= MAX_VALUE)) throw new Error('a value that is larger than any session')
  return size
}
