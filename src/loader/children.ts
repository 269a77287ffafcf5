// How a composite's requests for its children are understood: which setting names the child, and what is handed down.

import type { Conf } from '../protocol.js'
import type { Part } from './context.js'
import { fromConf, type Setting, type Settings } from './settings.js'
import { splitWords } from './whitespace.js'

/** A setting that names a child, or nothing: then the composite made the name up. */
interface Claim {
  readonly key?: string
  readonly setting?: Setting
}

/** The names in one composite's settings. */
export class Children {
  readonly #globals: Settings
  /** Settings by their value, then by each word of it, in file order. */
  readonly #byName = new Map<string, Claim[]>()
  readonly #handed = new WeakMap<Conf, Settings>()

  constructor({ locals, globals }: Part) {
    this.#globals = globals
    const all = [...locals, ...globals].map(([key, setting]) => ({ key, setting }))
    for (const claim of all) this.#add(claim.setting.text, claim)
    for (const claim of all) {
      for (const word of splitWords(claim.setting.text))
        if (word !== claim.setting.text) this.#add(word, claim)
    }
  }

  #add(name: string, claim: Claim): void {
    const claims = this.#byName.get(name)
    if (claims === undefined) this.#byName.set(name, [claim])
    else claims.push(claim)
  }

  /**
   * Which setting a name comes from: it is looked up in the file where that is written. One name may stand in several
   * settings, of several files even: each request takes the next of them, and the last one stays.
   */
  claim(name: string): Claim {
    const claims = this.#byName.get(name) ?? []
    return (claims.length > 1 ? claims.shift() : claims[0]) ?? {}
  }

  /** A global conf for children, with the origin of what the composite only passes on. */
  handDown(conf: Conf): Settings {
    const known = this.#handed.get(conf)
    if (known !== undefined) return known
    const handed = fromConf(conf, 'inherited')
    for (const [key, { text }] of handed) {
      const own = this.#globals.get(key)
      if (own?.text === text) handed.set(key, own)
    }
    // What can't change is not worked out again for each of ten thousand mounts.
    if (Object.isFrozen(conf)) this.#handed.set(conf, handed)
    return handed
  }
}
