// The dictionary of one session: what was stored, and what this request did to it. Values stay encoded until asked for;
// whether one was changed is found by comparing encodings, so `session.get('cart').push(x)` counts.

import type { Change, Updater } from './change.js'
import type { Codec, Document } from './codec.js'

/** A value that may differ from what is stored. `object`: read, and may have been changed in place. `set`: given by the app. */
interface Cell<E> {
  value: unknown
  state: 'object' | 'set'
  /** What the last updater made, if it can change in place. */
  updated?: E | undefined
}

const NOTHING: ReadonlySet<string> = new Set()
const NO_CELLS = new Map<string, never>()
const NO_UPDATES: ReadonlyMap<string, readonly Updater[]> = new Map()

export class SessionData<E> {
  readonly #codec: Codec<E>
  #base: Document<E>
  /** NO_CELLS, which nothing is added to, until there is one. */
  #cells: Map<string, Cell<E>> = NO_CELLS
  #removed: Set<string> | undefined
  #updates: Map<string, Updater[]> | undefined
  #cleared = false
  /** clear() was called after the last change() was made. */
  #clearedAgain = false
  #domain: string | null | undefined
  #path: string | null | undefined
  #user: string | undefined

  constructor(codec: Codec<E>, base: Document<E>) {
    this.#codec = codec
    this.#base = base
  }

  /** The row as it was loaded, or as it was stored last. */
  get base(): Document<E> {
    return this.#base
  }

  get domain(): string | null | undefined {
    return this.#domain ?? this.#base.domain
  }

  set domain(value: string | null | undefined) {
    this.#domain = value
  }

  get path(): string | null | undefined {
    return this.#path ?? this.#base.path
  }

  set path(value: string | null | undefined) {
    this.#path = value
  }

  get user(): string | undefined {
    return this.#user ?? this.#base.user
  }

  set user(value: string | undefined) {
    this.#user = value
  }

  get(key: string): unknown {
    const cell = this.#cells.get(key)
    if (cell !== undefined) return cell.value
    const encoded = this.#stored(key)
    if (encoded === undefined) return undefined
    const value = this.#codec.thaw(encoded)
    if (typeof value === 'object' && value !== null) this.#keep(key, { value, state: 'object' })
    return value
  }

  has(key: string): boolean {
    return this.#cells.has(key) || this.#stored(key) !== undefined
  }

  /** undefined is what an absent key answers, so setting it removes the key. */
  set(key: string, value: unknown): void {
    if (value === undefined) {
      this.unset(key)
      return
    }
    this.#keep(key, { value, state: 'set' })
    this.#removed?.delete(key)
    this.#updates?.delete(key)
  }

  unset(key: string): boolean {
    const had = this.has(key)
    this.#cells.delete(key)
    this.#updates?.delete(key)
    // Also what is not in the row: a commit under way may be bringing it there.
    if (!this.#cleared && had) {
      this.#removed ??= new Set()
      this.#removed.add(key)
    }
    return had
  }

  clear(): void {
    this.#cells = NO_CELLS
    this.#removed = undefined
    this.#updates = undefined
    this.#cleared = true
    this.#clearedAgain = true
  }

  /** Applies `updater` now, and again at commit if somebody else changed the value meanwhile. Answers the new value. */
  update(key: string, updater: Updater): unknown {
    const pending = this.#updates?.get(key)
    const own = pending === undefined && (this.#cleared || this.#isTouched(key))
    const value = updater(this.get(key))
    this.set(key, value)
    if (!own) {
      this.#updates ??= new Map()
      this.#updates.set(key, pending === undefined ? [updater] : [...pending, updater])
      if (typeof value === 'object' && value !== null) {
        this.#cells.get(key)!.updated = this.#tryToFreeze(key, value)
      }
    }
    return value
  }

  *keys(): IterableIterator<string> {
    if (!this.#cleared) {
      for (const key of this.#base.values.keys()) {
        if (!this.#removed?.has(key)) yield key
      }
    }
    for (const key of this.#cells.keys()) {
      if (this.#stored(key) === undefined) yield key
    }
  }

  /** Forgets what this request did. */
  revert(): void {
    this.#cells = NO_CELLS
    this.#removed = undefined
    this.#updates = undefined
    this.#cleared = false
    this.#domain = undefined
    this.#path = undefined
    this.#user = undefined
  }

  /** Starts over from another row: `reload()`. */
  replace(base: Document<E>): void {
    this.revert()
    this.#base = base
  }

  /** Whether a value was set, removed or cleared; with `deep`, whether one was changed in place as well. */
  isChanged(deep: boolean): boolean {
    if (this.#cleared || this.#hasOwnFacts) return true
    if (this.#removedFromRow().size > 0) return true
    for (const [key, cell] of this.#cells) {
      if (cell.state === 'set' || (deep && cell.state === 'object')) {
        if (this.#isChanged(key)) return true
      }
    }
    return false
  }

  /** What was done since the last commit, or undefined for nothing. Throws UnstorableValue. */
  change(): Change<E> | undefined {
    const set = new Map<string, E>()
    for (const [key, cell] of this.#cells) {
      const encoded = this.#codec.freeze(key, cell.value)
      const stored = this.#stored(key)
      if (stored === undefined || !this.#codec.same(encoded, stored)) set.set(key, encoded)
    }
    const removed = this.#removedFromRow()
    const untouched = !this.#cleared && !this.#hasOwnFacts
    if (untouched && set.size === 0 && removed.size === 0) return undefined
    this.#clearedAgain = false
    return {
      cleared: this.#cleared,
      set,
      removed,
      updates: this.#currentUpdates(),
      domain: this.#domain,
      path: this.#path,
      user: this.#user,
    }
  }

  /**
   * `change` was stored and `document` is the row now. What was done meanwhile stays to be committed. Throws what an
   * updater throws that must run again.
   */
  rebase(document: Document<E>, change: Change<E> | undefined): void {
    for (const [key, cell] of this.#cells) {
      const encoded = document.values.get(key)
      if (change?.set.has(key)) {
        if (cell.state === 'set' && encoded !== undefined) cell.state = 'object'
      } else if (!this.#isSame(encoded, this.#base.values.get(key))) {
        // Somebody else changed it. So did we, after `change` was made, or not at all.
        if (this.#isChanged(key)) cell.state = 'set'
        else this.#cells.delete(key)
      }
    }
    this.#base = document
    if (change === undefined) return
    if (change.cleared && !this.#clearedAgain) this.#cleared = false
    for (const key of change.removed) this.#removed?.delete(key)
    if (this.#domain === change.domain) this.#domain = undefined
    if (this.#path === change.path) this.#path = undefined
    if (this.#user === change.user) this.#user = undefined
    for (const key of change.updates.keys()) this.#afterUpdates(key, change)
  }

  /** The updaters of `change` are part of the row now: what is left of them runs on the row's value. */
  #afterUpdates(key: string, change: Change<E>): void {
    const stored = change.updates.get(key)!
    const pending = this.#updates?.get(key)
    if (pending === undefined || stored.some((updater, index) => pending[index] !== updater)) return
    const left = pending.slice(stored.length)
    const ours = change.set.get(key)
    const isAsWeSawIt = this.#isSame(ours, this.#base.values.get(key))
    if (left.length > 0 && isAsWeSawIt) {
      this.#updates!.set(key, left)
      return
    }
    this.#updates!.delete(key)
    const cell = this.#cells.get(key)
    if (left.length === 0) {
      if (cell === undefined || isAsWeSawIt) return
      if (this.#isSame(this.#tryToFreeze(key, cell.value), ours)) this.#cells.delete(key)
      else cell.state = 'set'
      return
    }
    this.#cells.delete(key)
    for (const updater of left) this.update(key, updater)
  }

  /** The updaters to run again. A value that was changed in place after its updaters ran counts as it is. */
  #currentUpdates(): ReadonlyMap<string, readonly Updater[]> {
    if (this.#updates === undefined) return NO_UPDATES
    for (const key of this.#updates.keys()) {
      const cell = this.#cells.get(key)
      if (cell?.updated === undefined) continue
      if (!this.#isSame(this.#codec.freeze(key, cell.value), cell.updated)) this.#updates.delete(key)
    }
    return new Map(this.#updates)
  }

  #removedFromRow(): ReadonlySet<string> {
    if (this.#removed === undefined) return NOTHING
    return new Set([...this.#removed].filter((key) => this.#base.values.has(key)))
  }

  #isSame(a: E | undefined, b: E | undefined): boolean {
    return a === b || (a !== undefined && b !== undefined && this.#codec.same(a, b))
  }

  /** undefined: can't be stored. The next commit will say so. */
  #tryToFreeze(key: string, value: unknown): E | undefined {
    try {
      return this.#codec.freeze(key, value)
    } catch {
      return undefined
    }
  }

  /** What this request said about the session itself. */
  get #hasOwnFacts(): boolean {
    return this.#domain !== undefined || this.#path !== undefined || this.#user !== undefined
  }

  #stored(key: string): E | undefined {
    if (this.#cleared || this.#removed?.has(key)) return undefined
    return this.#base.values.get(key)
  }

  #keep(key: string, cell: Cell<E>): void {
    if (this.#cells === NO_CELLS) this.#cells = new Map()
    this.#cells.set(key, cell)
  }

  /** Whether this request changed or removed the value. */
  #isTouched(key: string): boolean {
    return this.#cells.has(key) ? this.#isChanged(key) : this.#removed?.has(key) === true
  }

  #isChanged(key: string): boolean {
    const stored = this.#stored(key)
    const cell = this.#cells.get(key)!
    return stored === undefined || !this.#isSame(this.#tryToFreeze(key, cell.value), stored)
  }
}
