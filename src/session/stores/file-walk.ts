// All session files of a directory, one after the other: `a/ab/abc….cache`, Beaker's layout. Directories are read in
// small steps, and every few milliseconds others get a turn, however many files there are.

import { type Dir, opendirSync } from 'node:fs'
import { isId } from '../id.js'

const SUFFIX = '.cache'

/** Where the row of an id is. Throws TypeError for what is no id: such a name could lead anywhere. */
export function rowPath(directory: string, id: string): string {
  if (!isId(id)) throw new TypeError('session id: expected 1 to 128 of A-Z a-z 0-9 _ -')
  return `${directory}/${id[0]}/${id.slice(0, 2)}/${id}${SUFFIX}`
}

/** The ids whose files `accept` takes. May miss what is written meanwhile. */
export async function* listIds(directory: string, accept: (id: string) => boolean): AsyncGenerator<string> {
  const pause = makePause()
  for (const id of walk(directory)) {
    if (accept(id)) yield id
    await pause()
  }
}

/** Goes round all files, again and again, some way at each call. */
export class Rounds {
  readonly #directory: string
  #walk: Generator<string> | undefined
  /** How many files this lap has met. */
  #position = 0
  #stopped = false

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Goes on until `take` has answered true `limit` times, or once round; answers how many times it did. */
  async go(limit: number, take: (id: string) => boolean): Promise<number> {
    const pause = makePause()
    const start = this.#position
    let isSecondLap = false
    let taken = 0
    while (taken < limit && !this.#stopped && !(isSecondLap && this.#position >= start)) {
      this.#walk ??= walk(this.#directory)
      const next = this.#walk.next()
      if (next.done === true) {
        this.#walk = undefined
        this.#position = 0
        if (isSecondLap || start === 0) break
        isSecondLap = true
      } else {
        this.#position++
        if (take(next.value)) taken++
      }
      await pause()
    }
    return taken
  }

  stop(): void {
    this.#stopped = true
    this.#walk?.return(undefined)
  }
}

function* walk(directory: string): Generator<string> {
  for (const first of names(directory)) {
    if (first.length !== 1) continue
    for (const second of names(`${directory}/${first}`)) {
      if (second.length > 2 || !second.startsWith(first)) continue
      for (const name of names(`${directory}/${first}/${second}`)) {
        const id = name.slice(0, -SUFFIX.length)
        if (name.endsWith(SUFFIX) && id.startsWith(second) && isId(id)) yield id
      }
    }
  }
}

/** The names in a directory; none when it is not there, or no directory. */
function* names(path: string): Generator<string> {
  let directory: Dir
  try {
    directory = opendirSync(path, { bufferSize: 256 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return
    throw error
  }
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) yield entry.name
  } finally {
    directory.closeSync()
  }
}

const SLICE_MS = 5

/** Makes a function that gives others a turn when 5 ms have gone by since it last did. */
function makePause(): () => Promise<void> | undefined {
  let end = performance.now() + SLICE_MS
  return () => {
    if (performance.now() < end) return undefined
    return new Promise((resolve) => {
      setImmediate(() => {
        end = performance.now() + SLICE_MS
        resolve()
      })
    })
  }
}
