// The dictionary of one session: what was stored, and what this request did to it. Values stay encoded until asked for;
// whether one was changed is found by comparing encodings, so `session.get('cart').push(x)` counts.

import type { Codec, Document } from './codec.js'

/** Makes a new value of an old one; undefined stands for "absent", in both directions. */
export type Updater = (value: unknown) => unknown

/** What a request did, encoded, fit to be applied to the row as loaded or to a newer one. */
export interface Change<E> {
  /** Everything that was there is gone, also what others added meanwhile. */
  readonly cleared: boolean
  readonly set: ReadonlyMap<string, E>
  readonly removed: ReadonlySet<string>
  /** Functions to run again when the value that they saw is no longer the newest. */
  readonly updates: ReadonlyMap<string, readonly Updater[]>
  readonly domain: string | null | undefined
  readonly path: string | null | undefined
  readonly user: string | undefined
}

/** `primitive`: read, and can't have changed. `object`: read, and may have. `set`: given by the app. */
interface Cell {
  value: unknown
  state: 'primitive' | 'object' | 'set'
}

const NOTHING: ReadonlySet<string> = new Set()
const NO_UPDATES: ReadonlyMap<string, readonly Updater[]> = new Map()

export class SessionData<E> {
  readonly #codec: Codec<E>
  #base: Document<E>
  #cells = new Map<string, Cell>()
  #removed: Set<string> | undefined
  #updates: Map<string, Updater[]> | undefined
  #cleared = false
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
    const mutable = typeof value === 'object' && value !== null
    this.#cells.set(key, { value, state: mutable ? 'object' : 'primitive' })
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
    this.#cells.set(key, { value, state: 'set' })
    this.#removed?.delete(key)
    this.#updates?.delete(key)
  }

  unset(key: string): boolean {
    const had = this.has(key)
    this.#cells.delete(key)
    this.#updates?.delete(key)
    if (!this.#cleared && this.#base.values.has(key)) {
      this.#removed ??= new Set()
      this.#removed.add(key)
    }
    return had
  }

  clear(): void {
    this.#cells.clear()
    this.#removed = undefined
    this.#updates = undefined
    this.#cleared = true
  }

  /** Applies `updater` now, and again at commit if somebody else changed the value meanwhile. Answers the new value. */
  update(key: string, updater: Updater): unknown {
    const pending = this.#updates?.get(key)
    const own = pending === undefined && (this.#cleared || this.#isChanged(key))
    const value = updater(this.get(key))
    this.set(key, value)
    if (!own) {
      this.#updates ??= new Map()
      this.#updates.set(key, pending === undefined ? [updater] : [...pending, updater])
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
    this.#cells.clear()
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
    if (this.#removed !== undefined && this.#removed.size > 0) return true
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
      if (cell.state === 'primitive') continue
      const encoded = this.#codec.freeze(key, cell.value)
      const stored = this.#stored(key)
      if (stored === undefined || !this.#codec.same(encoded, stored)) set.set(key, encoded)
    }
    const removed = this.#removed ?? NOTHING
    const untouched = !this.#cleared && !this.#hasOwnFacts
    if (untouched && set.size === 0 && removed.size === 0) return undefined
    return {
      cleared: this.#cleared,
      set,
      removed: removed.size === 0 ? NOTHING : new Set(removed),
      updates: this.#updates === undefined ? NO_UPDATES : new Map(this.#updates),
      domain: this.#domain,
      path: this.#path,
      user: this.#user,
    }
  }

  /** `change` was stored and `document` is the row now. What was done meanwhile stays to be committed. */
  rebase(document: Document<E>, change: Change<E> | undefined): void {
    const before = this.#base.values
    this.#base = document
    for (const [key, cell] of this.#cells) {
      const encoded = document.values.get(key)
      if (cell.state === 'set') {
        if (encoded !== undefined && change?.set.has(key)) cell.state = 'object'
      } else if (encoded !== before.get(key) && !change?.set.has(key)) {
        this.#cells.delete(key)
      }
    }
    if (change === undefined) return
    if (change.cleared) this.#cleared = false
    for (const key of change.removed) this.#removed?.delete(key)
    for (const [key, updaters] of change.updates) this.#afterUpdates(key, updaters)
    if (this.#domain === change.domain) this.#domain = undefined
    if (this.#path === change.path) this.#path = undefined
    if (this.#user === change.user) this.#user = undefined
  }

  /** `stored` updaters are part of the row now: what is left of them runs on the row's value. */
  #afterUpdates(key: string, stored: readonly Updater[]): void {
    const pending = this.#updates?.get(key)
    if (pending === undefined || stored.some((updater, index) => pending[index] !== updater)) return
    this.#updates?.delete(key)
    this.#cells.delete(key)
    for (const updater of pending.slice(stored.length)) this.update(key, updater)
  }

  /** What this request said about the session itself. */
  get #hasOwnFacts(): boolean {
    return this.#domain !== undefined || this.#path !== undefined || this.#user !== undefined
  }

  #stored(key: string): E | undefined {
    if (this.#cleared || this.#removed?.has(key)) return undefined
    return this.#base.values.get(key)
  }

  #isChanged(key: string): boolean {
    const stored = this.#base.values.get(key)
    const cell = this.#cells.get(key)
    if (cell === undefined) return this.#stored(key) !== stored
    if (cell.state === 'primitive') return false
    return stored === undefined || !this.#codec.same(this.#codec.freeze(key, cell.value), stored)
  }
}

/**
 * The three-way merge, key by key: ours where we changed it, theirs elsewhere. `row` is the newest row; when it is not
 * the one that the change was made on (`rerun`), the updaters run again on its values.
 */
export function applyChange<E>(
  codec: Codec<E>,
  row: Document<E>,
  change: Change<E>,
  rerun: boolean,
): Document<E> {
  const values = change.cleared ? new Map<string, E>() : new Map(row.values)
  for (const key of change.removed) values.delete(key)
  for (const [key, encoded] of change.set) values.set(key, encoded)
  if (rerun) {
    for (const [key, updaters] of change.updates) {
      const newest = row.values.get(key)
      let value = newest === undefined ? undefined : codec.thaw(newest)
      for (const updater of updaters) value = updater(value)
      if (value === undefined) values.delete(key)
      else values.set(key, codec.freeze(key, value))
    }
  }
  return {
    created: row.created,
    accessed: row.accessed,
    values,
    domain: change.domain === undefined ? row.domain : change.domain,
    path: change.path === undefined ? row.path : change.path,
    user: change.user === undefined ? row.user : change.user,
  }
}
